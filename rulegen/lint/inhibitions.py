"""The alerts on both sides of an inhibition, for the lints on it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from mlslo.yamlfile import Location
from rulegen.lint.finding import Placed, Run
from rulegen.promql.conventions import LAYER, TIER
from rulegen.spec.routing import Inhibit


@dataclass(frozen=True)
class Sides:
    """One inhibition at ``location`` of the routing file, its sources and its targets."""

    location: Location
    inhibit: Inhibit
    sources: Sequence[Placed]
    targets: Sequence[Placed]

    def silences(self, source: Placed, target: Placed) -> bool:
        """Return whether ``source`` is meant to silence ``target``; labels under `equal` aside."""
        return bool(self.inhibit.target.tiers) or target.labels[TIER] > source.labels[TIER]


def inhibitions(run: Run) -> Iterator[Sides]:
    """Yield every inhibition of the routing file."""
    for index, inhibit in enumerate(run.routing.spec.inhibit):
        source, target = inhibit.source, inhibit.target
        sources = [
            alert
            for alert in run.alerts
            if source.layer in (None, alert.labels[LAYER]) and source.tier in (None, alert.labels[TIER])
        ]
        # Without target tiers those less urgent than some source.
        above = min((alert.labels[TIER] for alert in sources), default="")
        targets = [
            alert
            for alert in run.alerts
            if (not target.layers or alert.labels[LAYER] in target.layers)
            and (alert.labels[TIER] in target.tiers if target.tiers else alert.labels[TIER] > above)
        ]
        yield Sides(("spec", "inhibit", index), inhibit, sources, targets)
