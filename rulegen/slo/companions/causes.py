"""What can silence many SLOs of a model at once, and who is told of it, as the file asks."""

from __future__ import annotations

from dataclasses import dataclass

from mlslo.catalogue import METRICS, Metric
from rulegen.promql.query import QueryError, parse
from rulegen.slo.companions.demand import Demand, needed
from rulegen.spec.measurable import needs_labels
from rulegen.spec.model_slo import ModelSlo, Slo


def measured(slo: Slo) -> list[Metric]:
    """The metrics of the catalogue that an SLO on a gauge or a query reads."""
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
    """Whether the model's monitor measures an SLO, or part of it."""
    counted = slo.sli.errors is not None or slo.sli.latency is not None
    return counted or bool(measured(slo))


def rests_on_labels(slo: Slo) -> bool:
    """Whether what an SLO measures is only there while labels come."""
    return any(needs_labels(metric) for metric in measured(slo))


def no_data(file: ModelSlo, slo: Slo) -> Demand | None:
    """When it is told that ``slo`` is not measured: as it asks itself, else as its file does."""
    common, own = file.spec.noData, slo.noData
    if own is not None and own.is_off:
        return None
    tier = own.tier if own and own.tier else common.tier if common else None
    after = own.after if own and own.after else common.after if common else None
    return Demand(tier, after) if tier is not None and after is not None else None


def labels_stale(file: ModelSlo, slo: Slo) -> Demand | None:
    """When it is told that the labels of ``slo`` have stopped; None where it needs none, or nobody asks."""
    common = file.spec.companions.labelsStale if file.spec.companions else None
    own = slo.labelsStale
    if own is not None and own.is_off:
        return None
    tier = own.tier if own and own.tier else common.tier if common else None
    after = own.after if own and own.after else common.after if common else None
    if tier is None or after is None or not rests_on_labels(slo):
        return None
    return Demand(tier, after)


def unguarded(file: ModelSlo) -> list[int]:
    """The SLOs, by index, whose alerts end when labels stop, while nobody is told that they stopped."""
    return [
        index
        for index, slo in enumerate(file.spec.slos)
        if rests_on_labels(slo) and labels_stale(file, slo) is None
    ]


@dataclass(frozen=True)
class Causes:
    """When each cause is told. Empty, or None: it is not.

    ``monitor``: it has stopped. ``labels``: none comes any more. ``sink``: one cannot be read.
    """

    monitor: tuple[Demand, ...]
    labels: tuple[Demand, ...]
    sink: Demand | None

    @classmethod
    def of(cls, file: ModelSlo) -> Causes:
        """The causes of one file."""
        stale = [labels_stale(file, slo) for slo in file.spec.slos]
        own = file.spec.companions
        if own and own.labelsStale and not any(rests_on_labels(slo) for slo in file.spec.slos):
            stale.append(Demand(own.labelsStale.tier, own.labelsStale.after))
        down = own.sinkDown if own else None
        return cls(
            needed(
                demand
                for slo in file.spec.slos
                if (demand := no_data(file, slo)) is not None and is_monitored(slo)
            ),
            needed(demand for demand in stale if demand),
            Demand(down.tier, down.after) if down else None,
        )

    def sink_before(self, demand: Demand) -> bool:
        """Whether a sink that is down is told no later, and no less urgently, than ``demand`` asks."""
        sink = self.sink
        return sink is not None and sink.tier <= demand.tier and sink.after.seconds <= demand.after.seconds
