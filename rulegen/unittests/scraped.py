"""Series that pods are scraped for: of one gauge, and of what the monitors of a model say of themselves."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from mlslo.yamlfile import Duration
from rulegen.conditions import History
from rulegen.conditions.beyond_noise import BeyondNoise
from rulegen.promql.conventions import MODEL, SLO
from rulegen.promql.expressions import OneOf, exact
from rulegen.promql.replicas import SAMPLES, WEIGHTED
from rulegen.sli.gauge import GaugeSeries
from rulegen.sli.query_series import QuerySeries
from rulegen.slo.companions.shared import LAST_SUCCESS, SINK, UP, WATERMARK
from rulegen.unittests.case import GONE, NAN, Case, Sample, Scrape, Series

POD = "instance"
# A power of two, so that a mean of equal values is that value to the last bit.
_ROWS = Decimal(512)


def labels_of(series: GaugeSeries, index: int = 0) -> dict[str, str]:
    """The labels of a recorded series of version 1; ``index``: which feature, segment, ... of it."""
    varying = {label: f"{label}_{index + 1}" for label in series.entities}
    own = {"version": "1"} if "version" in series.varying else {}
    return {**series.fixed, **own, **varying}


def labels_of_history(series: GaugeSeries, history: History, index: int = 0) -> dict[str, str]:
    """The labels of a record of the past of such a series."""
    own = labels_of(series, index)
    kept = [label for label in series.labels if history.of_version or label != "version"]
    return {**{label: own[label] for label in kept}, SLO: series.slo}


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
            halves = [value / 2 if isinstance(value, Decimal) else value for value in values]
            for version in ("1", "2"):
                yield of_pod(series, {**own, "version": version}, pod, halves)
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
    # Whether the healthy pod would have a say in the aggregation.
    masked = {
        "max": any(healthy > value for value in known),
        "min": any(healthy < value for value in known),
        WEIGHTED: any(healthy != value for value in known),
    }[series.aggregation]
    yield "b", samples if masked else [healthy if value in known else value for value in samples]


def errors(leg: BeyondNoise, labels: Mapping[str, str], error: Decimal, count: int) -> Series:
    """The standard error of the gauge of pod `a`."""
    first = {"version": "1"} if "version" in leg.error.labels else {}
    return Series(leg.error.name, {**first, **leg.series.example, **labels, POD: "a"}, [error] * count)


def of_pod(series: GaugeSeries, labels: Mapping[str, str], pod: str, samples: Sequence[Scrape]) -> Series:
    """The gauge of one pod."""
    return Series(series.metric.name, {**labels, POD: pod}, samples)


def rows(series: GaugeSeries, labels: Mapping[str, str], pod: str, samples: Sequence[Scrape]) -> Series:
    """The number of predictions that a pod's gauge rests on."""
    kept = {label: value for label, value in labels.items() if label not in series.metric.labels}
    shared = {label: value for label, value in labels.items() if label in SAMPLES.labels}
    return Series(SAMPLES.name, {**shared, **kept, POD: pod}, samples)


def weighted(series: GaugeSeries, interval: Duration) -> Case:
    """(300 x 0.75 + 100 x 0.25) / 400, beside replicas that do not count; then none that does."""
    case = Case(f"Records of {series.slo}: replicas weigh as many predictions as they have", interval, [])
    return _weighted(case, series, series, ("0.75", "0.25", "NaN"), series.expression, "0.625")


def weighted_error(leg: BeyondNoise, interval: Duration) -> Case:
    """The root of (300 x 0.04)² + (100 x 0.16)², over 400, beside replicas that do not count; then none that does."""
    series = leg.series
    case = Case(f"Records of {series.slo}: errors of replicas weigh as they do", interval, [])
    return _weighted(case, series, leg, ("0.04", "0.16", None), series.select(leg.record.name), "0.05")


def _weighted(
    case: Case,
    series: GaugeSeries,
    of: GaugeSeries | BeyondNoise,
    values: tuple[str, str, str | None],
    record: str,
    mean: str,
) -> Case:
    """Add replicas with two ``values``, beside some that do not count; a third is one of these."""
    # Of several values that a label may have, one that the number of predictions does not have.
    last = {label: words.words[-1] for label, words in of.matchers.items() if isinstance(words, OneOf)}
    labels = {**series.example, **labels_of(series), **last}
    name = (of.error if isinstance(of, BeyondNoise) else of.metric).name
    for pod, value, many in (
        ("a", values[0], "300"),
        ("b", values[1], "100"),
        # Withholds the gauge, has NaN, has no predictions, is not counted.
        ("withheld", None, "5000"),
        *((("nan", values[2], "5000"),) if values[2] else ()),
        ("none", "0.125", "0"),
        ("uncounted", "0.125", None),
    ):
        count = 1 if pod in ("a", "b") else 2
        after: list[Scrape] = [GONE] * (2 - count)
        if value is not None:
            case.series.append(Series(name, {**labels, POD: pod}, [*[Decimal(value)] * count, *after]))
        if many is not None:
            case.series.append(rows(series, labels, pod, [*[Decimal(many)] * count, *after]))
    case.gives(0, f"{record} + 0", [({**labels_of(series), SLO: series.slo}, Decimal(mean))])
    case.gives(1, f"{record} + 0", [])
    return case


def error_of_worst(leg: BeyondNoise, interval: Duration) -> Case:
    """The smaller error of two replicas that are as bad, beside a better one; then that of the better one, alone."""
    series = leg.series
    bad, better = Decimal("0.25"), Decimal("0.75")
    if series.aggregation == "max":
        bad, better = better, bad
    labels = {**series.example, **labels_of(series)}
    found = Case(f"Records of {series.slo}: the error is that of the worst replica", interval, [])
    for pod, value, error, count in (
        ("a", bad, "0.0625", 1),
        ("as-bad", bad, "0.125", 1),
        ("better", better, "0.03125", 2),
        ("without", bad, None, 1),
    ):
        after: list[Scrape] = [GONE] * (2 - count)
        found.series.append(of_pod(series, labels, pod, [*[value] * count, *after]))
        if error is not None:
            samples = [*[Decimal(error)] * count, *after]
            found.series.append(Series(leg.error.name, {**labels, POD: pod}, samples))
    recorded, own = f"{series.select(leg.record.name)} + 0", {**labels_of(series), SLO: series.slo}
    found.gives(0, recorded, [(own, Decimal("0.0625"))])
    found.gives(1, recorded, [(own, Decimal("0.03125"))])
    return found


@dataclass(frozen=True)
class Pods:
    """Pods whose sidecars watch one model."""

    model: str
    interval: Duration

    def series(
        self, name: str, pod: str, samples: Sequence[Sample], labels: Mapping[str, str] | None = None
    ) -> Series:
        """A metric of the model, scraped from a pod."""
        return Series(name, {MODEL: self.model, **(labels or {}), POD: pod}, samples)

    def times(self, ages: Sequence[float | None]) -> list[Sample]:
        """Return the times that are so many seconds ago at each evaluation."""
        return [
            None
            if age is None
            else NAN
            if math.isnan(age)
            else exact(now * self.interval.seconds) - exact(age)
            for now, age in enumerate(ages)
        ]

    def writer(self, pod: str, ages: Sequence[float | None]) -> Series:
        """A pod whose last cycle that succeeded was so long ago."""
        return self.series(LAST_SUCCESS, pod, self.times(ages))

    def labels(self, pod: str, ages: Sequence[float | None]) -> Series:
        """A pod whose newest label is so old."""
        return self.series(WATERMARK, pod, self.times(ages))

    def sink(self, pod: str, name: str, up: Sequence[Sample]) -> Series:
        """A pod that can read a sink, or not."""
        return self.series(UP, pod, up, {SINK: name})
