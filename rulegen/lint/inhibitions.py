"""Which alerts an inhibition is about: what the lints on it share."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from rulegen.conventions import LAYER, TIER
from rulegen.lint.finding import Location, Placed, Run
from rulegen.routing import Inhibit


@dataclass(frozen=True)
class Sides:
    """One inhibition at ``location`` of the routing file, its sources and its targets."""

    location: Location
    inhibit: Inhibit
    sources: Sequence[Placed]
    targets: Sequence[Placed]


def inhibitions(run: Run) -> Iterator[Sides]:
    """Every inhibition of the routing file."""
    for index, inhibit in enumerate(run.routing.spec.inhibit):
        sources = [alert for alert in run.alerts if _is_source(inhibit, alert)]
        # What a source silences follows from its tier: there are few tiers, and many alerts.
        one_of_each = {_tier(source): source for source in sources}.values()
        targets = [
            alert for alert in run.alerts if any(silences(inhibit, source, alert) for source in one_of_each)
        ]
        if not sources:
            targets = [alert for alert in run.alerts if _is_target(inhibit, alert)]
        yield Sides(("spec", "inhibit", index), inhibit, sources, targets)


def silences(inhibit: Inhibit, source: Placed, target: Placed) -> bool:
    """Whether ``source`` is meant to silence ``target``; labels under `equal` aside."""
    by_tier = bool(inhibit.target.tiers) or _tier(target) > _tier(source)
    return by_tier and _is_target(inhibit, target)


def _is_source(inhibit: Inhibit, alert: Placed) -> bool:
    labels, source = alert.rule.labels, inhibit.source
    return source.layer in (None, labels.get(LAYER)) and source.tier in (None, labels.get(TIER))


def _is_target(inhibit: Inhibit, alert: Placed) -> bool:
    target = inhibit.target
    by_layer = not target.layers or alert.rule.labels.get(LAYER) in target.layers
    return by_layer and (not target.tiers or _tier(alert) in target.tiers)


def _tier(alert: Placed) -> str:
    return alert.rule.labels[TIER]
