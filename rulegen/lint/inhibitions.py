"""The alerts on both sides of an inhibition, for the lints on it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from rulegen.lint.finding import Location, Placed, Run
from rulegen.promql.conventions import LAYER, TIER
from rulegen.spec.routing import Inhibit


@dataclass(frozen=True)
class Sides:
    """One inhibition at ``location`` of the routing file, its sources and its targets."""

    location: Location
    inhibit: Inhibit
    sources: Sequence[Placed]
    targets: Sequence[Placed]


def inhibitions(run: Run) -> Iterator[Sides]:
    """Yield every inhibition of the routing file."""
    for index, inhibit in enumerate(run.routing.spec.inhibit):
        yield _sides(run, ("spec", "inhibit", index), inhibit)


def _sides(run: Run, location: Location, inhibit: Inhibit) -> Sides:
    # All follows from layer and tier: there are few of them, and many alerts.
    examples = {_kind(alert): alert for alert in run.alerts}
    sources = {kind for kind, example in examples.items() if _is_source(inhibit, example)}
    targets = {
        kind
        for kind, example in examples.items()
        if any(silences(inhibit, examples[source], example) for source in sources)
        or (not sources and _is_target(inhibit, example))
    }
    among = ([alert for alert in run.alerts if _kind(alert) in side] for side in (sources, targets))
    return Sides(location, inhibit, *among)


def silences(inhibit: Inhibit, source: Placed, target: Placed) -> bool:
    """Return whether ``source`` is meant to silence ``target``; labels under `equal` aside."""
    by_tier = bool(inhibit.target.tiers) or _tier(target) > _tier(source)
    return by_tier and _is_target(inhibit, target)


def _is_source(inhibit: Inhibit, alert: Placed) -> bool:
    labels, source = alert.labels, inhibit.source
    return source.layer in (None, labels.get(LAYER)) and source.tier in (None, labels.get(TIER))


def _is_target(inhibit: Inhibit, alert: Placed) -> bool:
    target = inhibit.target
    by_layer = not target.layers or alert.labels.get(LAYER) in target.layers
    return by_layer and (not target.tiers or _tier(alert) in target.tiers)


def _tier(alert: Placed) -> str:
    return alert.labels[TIER]


def _kind(alert: Placed) -> tuple[str, str]:
    return alert.labels[LAYER], _tier(alert)
