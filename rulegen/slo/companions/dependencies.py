"""Shared dependencies of a model's SLOs, and when a file asks for an alert about them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from mlslo.catalogue import METRICS, Metric
from mlslo.monitor.measurable import needs_labels
from mlslo.yamlfile import Duration
from rulegen.promql.query import QueryError, parse
from rulegen.spec.companions import LabelsStale, NoData, Own
from rulegen.spec.model_slo import ModelSlo, Slo


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


def measured(slo: Slo) -> list[Metric]:
    """Return the metrics of the catalogue that an SLO on a gauge or a query reads."""
    names: set[str] = set()
    if slo.sli.gauge is not None:
        names = {slo.sli.gauge.metric}
    elif slo.sli.promql is not None:
        try:
            names = parse(slo.sli.promql.query).metrics
        except QueryError:
            return []
    return [METRICS[name] for name in sorted(names) if name in METRICS]


def is_monitored(slo: Slo) -> bool:
    """Return whether the model's monitor measures an SLO, or part of it."""
    counted = slo.sli.errors is not None or (slo.sli.latency is not None and slo.sli.latency.metric is None)
    return counted or bool(measured(slo))


def rests_on_labels(slo: Slo) -> bool:
    """Return whether what an SLO measures is only there while labels come."""
    return any(needs_labels(metric) for metric in measured(slo))


def no_data(file: ModelSlo, slo: Slo) -> Demand | None:
    """Return when to notify that ``slo`` is not measured: as it asks itself, else as its file does."""
    return _demand(file.spec.noData, slo.noData)


def labels_stale(file: ModelSlo, slo: Slo) -> Demand | None:
    """Return when to notify that the labels of ``slo`` have stopped; None where it needs none, or nobody asks."""
    common = file.spec.companions.labelsStale if file.spec.companions else None
    return _demand(common, slo.labelsStale) if rests_on_labels(slo) else None


def _demand(common: NoData | LabelsStale | None, own: Own | None) -> Demand | None:
    if own is not None and own.is_off:
        return None
    tier = own.tier if own and own.tier else common.tier if common else None
    after = own.after if own and own.after else common.after if common else None
    return Demand(tier, after) if tier is not None and after is not None else None


@dataclass(frozen=True)
class Dependencies:
    """The requested alerts about each; empty, or None, where there is none.

    ``monitor``: it has stopped. ``labels``: none comes any more. ``sink``: one cannot be read.
    """

    monitor: tuple[Demand, ...]
    labels: tuple[Demand, ...]
    sink: Demand | None

    @classmethod
    def of(cls, file: ModelSlo) -> Dependencies:
        """Return those of one file."""
        slos, own = file.spec.slos, file.spec.companions
        gone = [no_data(file, slo) for slo in slos if is_monitored(slo)]
        stale = [labels_stale(file, slo) for slo in slos]
        if own and own.labelsStale and not any(rests_on_labels(slo) for slo in slos):
            stale.append(Demand(own.labelsStale.tier, own.labelsStale.after))
        down = own.sinkDown if own else None
        return cls(
            needed(demand for demand in gone if demand),
            needed(demand for demand in stale if demand),
            Demand(down.tier, down.after) if down else None,
        )

    def sink_before(self, demand: Demand) -> bool:
        """Return whether the alert about a sink comes no later, and is no less urgent, than ``demand`` asks."""
        sink = self.sink
        return sink is not None and sink.tier <= demand.tier and sink.after.seconds <= demand.after.seconds
