"""Series of one gauge from one pod or several, which together are a chosen value."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal

from rulegen.promql.conventions import SLO
from rulegen.promql.replicas import SAMPLES, WEIGHTED
from rulegen.sli.gauge import GaugeSeries
from rulegen.sli.query_series import QuerySeries
from rulegen.unittests.case import GONE, Missed, Scrape, Series

POD = "instance"
# A power of two, so that a mean of equal values is that value to the last bit.
_ROWS = Decimal(512)


def labels_of(series: GaugeSeries, index: int = 0) -> dict[str, str]:
    """The labels of a recorded series of version 1; ``index``: which feature, segment, ... of it."""
    varying = {label: f"{label}_{index + 1}" for label in series.entities}
    own = {"version": "1"} if "version" in series.varying else {}
    return {**series.fixed, **own, **varying}


def scraped(
    series: GaugeSeries, labels: Mapping[str, str], samples: Sequence[Scrape], healthy: Decimal | None = None
) -> Iterator[Series]:
    """One pod whose gauge is ``samples``; two, where ``healthy`` is what the other one has if it may.

    ``labels``: those of the recorded series. Of a query its record is given: its making is tested apart.
    """
    if isinstance(series, QuerySeries):
        yield Series(series.record, {**labels, SLO: series.slo}, samples)
        return
    own = {**series.example, **labels}
    halved = series.metric.additive and "version" in series.metric.labels and healthy is not None
    first = {"version": "1"} if "version" in series.metric.labels else {}
    for pod, values in _pods(series, samples, healthy):
        if halved:
            # A count or rate is summed over versions, whatever is made of replicas.
            for version in ("1", "2"):
                yield of_pod(series, {**own, "version": version}, pod, _halves(values))
        else:
            yield of_pod(series, {**first, **own}, pod, values)
            if series.aggregation == WEIGHTED:
                yield rows(series, {**first, **own}, pod, [_ROWS] * len(values))


def _pods(
    series: GaugeSeries, samples: Sequence[Scrape], healthy: Decimal | None
) -> Iterator[tuple[str, Sequence[Scrape]]]:
    yield "a", samples
    if healthy is None or series.aggregation == "sum":
        return
    known = [value for value in samples if isinstance(value, Decimal) and not value.is_nan()]
    masked = any(series.combined((value, healthy)) != value for value in known)
    yield "b", samples if masked else [value if _away(value) else healthy for value in samples]


def _away(value: Scrape) -> bool:
    return value is GONE or isinstance(value, Missed) or value.is_nan()


def of_pod(series: GaugeSeries, labels: Mapping[str, str], pod: str, samples: Sequence[Scrape]) -> Series:
    """The gauge of one pod."""
    return Series(series.metric.name, {**labels, POD: pod}, samples)


def rows(series: GaugeSeries, labels: Mapping[str, str], pod: str, samples: Sequence[Scrape]) -> Series:
    """The number of predictions that a pod's gauge rests on."""
    kept = {label: value for label, value in labels.items() if label not in series.metric.labels}
    shared = {label: value for label, value in labels.items() if label in SAMPLES.labels}
    return Series(SAMPLES.name, {**shared, **kept, POD: pod}, samples)


def _halves(samples: Sequence[Scrape]) -> list[Scrape]:
    return [value / 2 if isinstance(value, Decimal) else value for value in samples]
