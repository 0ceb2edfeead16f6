"""An alert about what all SLOs of a model rest on, as its file asks for it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from mlslo.yamlfile import Duration
from rulegen.promql.annotations import Text
from rulegen.promql.rules import AlertRule, Record
from rulegen.slo.alerts import annotation_texts, static_labels
from rulegen.spec.model_slo import ModelSlo
from rulegen.spec.routing import Routing

# The layer of these alerts. Their SLO has a name that no user's can have: where one silences the less
# urgent alerts of its SLO, it must not silence those about another dependency.
META = "meta"


@dataclass(frozen=True)
class Demand:
    """A requested companion: an alert of ``tier`` once it has lasted for ``after``. Names of tiers sort by urgency."""

    tier: str
    after: Duration


def needed(demands: Iterable[Demand]) -> tuple[Demand, ...]:
    """Return the requests whose loss would delay or downgrade a notification, most urgent first.

    What raises a P1 after ten minutes needs no P2 after an hour.
    """
    kept: list[Demand] = []
    for demand in sorted(demands, key=lambda demand: (demand.tier, demand.after.seconds)):
        if all(demand.after.seconds < other.after.seconds for other in kept):
            kept.append(demand)
    return tuple(kept)


def soonest(demands: Sequence[Demand], tier: str) -> Duration | None:
    """Return how soon an alert at least as urgent as ``tier`` fires, if one does."""
    found = [demand.after for demand in demands if demand.tier <= tier]
    return min(found, key=lambda after: after.seconds, default=None)


@dataclass(frozen=True)
class Companion:
    """One alert of a model. ``slos``: those that rest on what it is about, where not all do.

    ``sinks``: it is quiet about a replica that cannot read these.
    """

    demand: Demand
    rule: AlertRule
    records: tuple[Record, ...] = ()
    slos: tuple[str, ...] = ()
    sinks: tuple[str, ...] = ()


@dataclass(frozen=True)
class Builder:
    """Builds the alerts about one model as a whole."""

    file: ModelSlo
    routing: Routing

    @property
    def model(self) -> str:
        return self.file.model

    @property
    def interval(self) -> Duration:
        return self.routing.spec.evaluationInterval

    def alert(
        self,
        name: str,
        slo: str,
        expression: str,
        demand: Demand,
        summary: Text,
        description: Text,
        *,
        lasting: bool = False,
        series_labels: tuple[str, ...] = (),
    ) -> AlertRule:
        """Build one; ``lasting``: once the expression has held for as long as was asked."""
        return AlertRule(
            name,
            expression,
            static_labels(self.file, self.routing, slo, META, demand.tier),
            annotation_texts(self.file, summary, description),
            demand.after if lasting else None,
            series_labels=series_labels,
        )
