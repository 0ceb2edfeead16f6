"""What a cycle exports, as a snapshot and as Prometheus text."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import groupby
from typing import NamedTuple

from prometheus_client import Metric as Family
from prometheus_client.exposition import choose_encoder, generate_latest
from prometheus_client.registry import Collector

from exporter.measure.gauges import WindowSummaries
from mlslo.catalogue import METRICS, Metric, Type

_OPENMETRICS = "application/openmetrics-text"
# A counter's own lines there are without the suffix of its samples.
_OF_COUNTER = re.compile(rb"(?m)^(# (?:HELP|TYPE) \w+)_total ")

Series = Mapping[str, Mapping[tuple[str, ...], float]]


class Histogram(NamedTuple):
    """``buckets``: (upper bound as text, cumulative count), ``+Inf`` last."""

    buckets: list[tuple[str, float]]
    total: float


@dataclass(frozen=True)
class Snapshot:
    """All that one cycle exports.

    ``histograms``: of ml_prediction_latency_seconds, by version. ``windows``: of all traffic, for
    pictures.
    """

    model: str
    series: Series
    histograms: Mapping[str, Histogram]
    windows: Sequence[WindowSummaries] = ()

    def newest_outside_windows(self) -> str | None:
        """The end of windows that the newest prediction would lie in, as RFC 3339; None where any window has one."""
        newest = self.series.get("ml_sink_last_event_timestamp_seconds", {}).get((self.model, "predictions"))
        if newest is None or any(self.series.get("ml_monitor_samples", {}).values()):
            return None
        return datetime.fromtimestamp(int(newest) + 1, tz=UTC).isoformat()


class Sample(NamedTuple):
    """``name``: of the metric, with the suffix of a histogram's part."""

    metric: Metric
    name: str
    labels: dict[str, str]
    value: float


class _Single(Collector):
    """A collector of one family."""

    def __init__(self, family: Family) -> None:
        self._family = family

    def collect(self) -> Iterator[Family]:
        yield self._family


def render(snapshots: Sequence[Snapshot], process: Series) -> bytes:
    """Render all models and the exporter's own ``process`` series, in the catalogue's order."""
    page = []
    for metric, found in groupby(samples(snapshots, process), key=lambda sample: sample.metric):
        family = Family(metric.name.removesuffix("_total"), metric.help, metric.type.value)
        for _, name, labels, value in found:
            family.add_sample(name, labels, value)
        # One at a time: the lines of a page, as text, take several times the page's memory.
        page.append(generate_latest(_Single(family)))
    return b"".join(page)


def negotiated(page: bytes, accept: str) -> tuple[bytes, str]:
    """Return a rendered page as ``accept`` asks for it, and its content type: OpenMetrics 1.0, else plain text.

    https://prometheus.io/docs/instrumenting/content_negotiation/
    """
    content_type = choose_encoder(accept)[1]
    if content_type.startswith(_OPENMETRICS):
        page = _OF_COUNTER.sub(rb"\1 ", page) + b"# EOF\n"
    return page, content_type


def samples(snapshots: Sequence[Snapshot], process: Series) -> Iterator[Sample]:
    """Yield every sample, in the catalogue's order."""
    for metric in METRICS.values():
        if metric.type is Type.HISTOGRAM:
            yield from _of_histograms(metric, snapshots)
        for series in (*(snapshot.series for snapshot in snapshots), process):
            for values, value in series.get(metric.name, {}).items():
                yield Sample(metric, metric.name, dict(zip(metric.labels, values, strict=True)), value)


def _of_histograms(metric: Metric, snapshots: Sequence[Snapshot]) -> Iterator[Sample]:
    for snapshot in snapshots:
        for version, histogram in snapshot.histograms.items():
            labels = {"model": snapshot.model, "version": version}
            for bound, count in histogram.buckets:
                yield Sample(metric, f"{metric.name}_bucket", {**labels, "le": bound}, count)
            yield Sample(metric, f"{metric.name}_sum", labels, histogram.total)
            yield Sample(metric, f"{metric.name}_count", labels, histogram.buckets[-1][1])
