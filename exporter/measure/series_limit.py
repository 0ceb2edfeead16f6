"""Limit of a model's series: past it the least urgent are withheld, in an order that values cannot change."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from exporter.measure.gauges import Gauges, Reason
from exporter.measure.urgency import Urgency, urgency
from mlslo.catalogue import METRICS

Withheld = Mapping[Urgency, int]


def withhold_past(limit: int, gauges: Gauges, others: int) -> Withheld:
    """Withhold series of ``gauges`` until ``limit`` are left; return how many, the least urgent first.

    ``others``: series of the model that are not among them, and stay. Of one urgency the last by name and labels go
    first, so that the same stay from cycle to cycle. Each withheld series is counted in ``gauges.withheld``, whose
    own series count too. Nothing is withheld that ``Urgency.ALWAYS`` keeps, even where that is more than ``limit``.
    """
    left = sum(map(len, gauges.series.values())) + others + len(gauges.withheld)
    if left <= limit:
        return {}
    held: Counter[Urgency] = Counter()
    for rank, name, values in _least_urgent_first(gauges):
        if left <= limit:
            break
        del gauges.series[name][values]
        labels = dict(zip(METRICS[name].labels, values, strict=True))
        known = len(gauges.withheld)
        gauges.withheld[labels.get("version", ""), labels.get("window", ""), name, Reason.MAX_SERIES] += 1
        left += len(gauges.withheld) - known - 1
        held[rank] += 1
    return dict(sorted(held.items()))


def _least_urgent_first(gauges: Gauges) -> list[tuple[Urgency, str, tuple[str, ...]]]:
    found = []
    for name, series in gauges.series.items():
        metric = METRICS[name]
        of_all = urgency(metric, segmented=False)
        if "segment" not in metric.labels:
            found += [(of_all, name, values) for values in series]
            continue
        position = metric.labels.index("segment")
        of_segment = urgency(metric, segmented=True)
        of_class = urgency(metric, segmented=False, of_class=True)
        place = metric.labels.index("class") if {"average", "class"} <= set(metric.labels) else None
        for values in series:
            rank = of_class if place is not None and values[place] else of_all
            found.append((of_segment if values[position] else rank, name, values))
    found = [item for item in found if item[0] is not Urgency.ALWAYS]
    found.sort(key=lambda item: item[1:], reverse=True)
    # Stable: within an urgency the order by name stays.
    found.sort(key=lambda item: item[0])
    return found
