"""What several replicas have of one gauge, so that what they have in common is a value that was chosen."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal

from rulegen.promql.replicas import SAMPLES, WEIGHTED
from rulegen.sli.gauge import GaugeSeries
from rulegen.unittests.timeline import InputSeries, Sample

# Powers of two, so that a mean of equal values is that value to the last bit.
_ROWS = Decimal(512)
_MANY = Decimal(2**20)


def scraped(labels: Mapping[str, str], pod: str) -> dict[str, str]:
    """The labels of a series that was scraped from a pod."""
    return {**labels, "instance": f"10.0.0.{pod}:9847", "job": "mlslo", "pod": f"model-{pod}"}


def replicas(
    series: GaugeSeries, labels: Mapping[str, str], samples: Sequence[Sample], healthy: Decimal
) -> Iterator[InputSeries]:
    """Two pods or more whose gauges together are ``samples``.

    Halves of a sum (of two versions), a bad one beside a healthy one, or equal ones beside one that
    has predictions and no gauge.
    """
    versioned = "version" in series.metric.labels
    if series.aggregation == "sum":
        for pod in ("1", "2"):
            one = {"version": pod} if versioned else {}
            yield _series(series, scraped(labels, pod) | one, _halves(samples))
        return
    own = {"version": "1", **labels} if versioned else dict(labels)
    if series.aggregation == WEIGHTED:
        for pod in ("1", "2"):
            yield _series(series, scraped(own, pod), samples)
            yield weight(series, scraped(own, pod), [_ROWS] * len(samples))
        yield weight(series, scraped(own, "3"), [_MANY] * len(samples))
        return
    seen = {value for value in samples if value is not None and not value.is_nan()}
    masked = any(series.combined((value, healthy)) != value for value in seen)
    beside = samples if masked else [healthy if value in seen else value for value in samples]
    for pod, found in (("1", samples), ("2", beside)):
        if series.of_each_replica and versioned:
            for version in ("1", "2"):
                yield _series(series, scraped(own, pod) | {"version": version}, _halves(found))
        else:
            yield _series(series, scraped(own, pod), found)


def other(
    series: GaugeSeries, labels: Mapping[str, str], pod: str, samples: Sequence[Sample]
) -> Iterator[InputSeries]:
    """The same gauge under other labels, in one pod."""
    yield _series(series, scraped(labels, pod), samples)
    if series.aggregation == WEIGHTED:
        yield weight(series, scraped(labels, pod), [_ROWS] * len(samples))


def weight(series: GaugeSeries, labels: Mapping[str, str], rows: Sequence[Sample]) -> InputSeries:
    """How many predictions a replica's gauge rests on."""
    kept = {label: value for label, value in labels.items() if label not in series.metric.labels}
    shared = {label: value for label, value in labels.items() if label in SAMPLES.labels}
    return InputSeries(SAMPLES.name, {**shared, **kept}, rows)


def _series(series: GaugeSeries, labels: Mapping[str, str], values: Sequence[Sample]) -> InputSeries:
    return InputSeries(series.metric.name, labels, values)


def _halves(samples: Sequence[Sample]) -> list[Sample]:
    return [value if value is None else value / 2 for value in samples]
