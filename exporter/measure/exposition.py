"""Exposition of a cycle: its snapshot, as Prometheus text and as OpenMetrics."""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import groupby
from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple

from prometheus_client import Metric as Family
from prometheus_client.exposition import generate_latest
from prometheus_client.openmetrics.exposition import generate_latest as generate_openmetrics
from prometheus_client.registry import Collector
from prometheus_client.samples import Exemplar as Attached

from exporter.measure.gauges import WindowSummaries
from mlslo.catalogue import METRICS, Metric, Type

if TYPE_CHECKING:
    from zlib import _Compress as _Compressor

TEXT = "text/plain; version=0.0.4; charset=utf-8"
OPENMETRICS = "application/openmetrics-text; version=1.0.0; charset=utf-8"
"""Content types of a page."""

REQUEST_ID = "request_id"
"""Label of an exemplar."""
LONGEST_ID = 128 - len(REQUEST_ID)
"""In code points; OpenMetrics allows the labels of an exemplar 128 with their names."""

_GZIP = 31

Series = Mapping[str, Mapping[tuple[str, ...], float]]


class Exemplar(NamedTuple):
    """The latest prediction of a bucket. ``value``: its latency in seconds. ``time``: Unix seconds."""

    request: str
    value: float
    time: float


class Histogram(NamedTuple):
    """``buckets``: (upper bound as text, cumulative count), ``+Inf`` last. ``exemplars``: by upper bound."""

    buckets: list[tuple[str, float]]
    total: float
    exemplars: Mapping[str, Exemplar] = MappingProxyType({})


@dataclass(frozen=True)
class Snapshot:
    """All that one cycle exports.

    ``histograms``: of ml_prediction_latency_seconds, by version. ``windows``: of all traffic, and ``segments``: of the
    largest segment values, for pictures. ``at``: when the windows end, Unix seconds.
    """

    model: str
    series: Series
    histograms: Mapping[str, Histogram]
    windows: Sequence[WindowSummaries] = ()
    at: float = 0.0
    segments: Sequence[WindowSummaries] = ()

    def having(self, name: str, **labels: str) -> list[tuple[dict[str, str], float]]:
        """Return labels and value of each series of a metric, of those that have some ``labels``."""
        names = METRICS[name].labels
        wanted = [(names.index(label), value) for label, value in labels.items() if label in names]
        return [
            (dict(zip(names, values, strict=True)), number)
            for values, number in self.series.get(name, {}).items()
            if all(values[place] == value for place, value in wanted)
        ]

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
    """Render all models and the exporter's own ``process`` series as text, in the catalogue's order."""
    return b"".join(text for _, text in _families(snapshots, process))


def _families(snapshots: Sequence[Snapshot], process: Series) -> Iterator[tuple[Metric, bytes]]:
    """Yield each metric with its lines."""
    for metric, found in groupby(samples(snapshots, process), key=lambda sample: sample.metric):
        family = Family(metric.name.removesuffix("_total"), metric.help, metric.type.value)
        for _, name, labels, value in found:
            family.add_sample(name, labels, value)
        # One at a time: the lines of a page, as text, take several times the page's memory.
        yield metric, generate_latest(_Single(family))


class Page:
    """A page of metrics in both formats, plain and compressed, each made once.

    ``like``: the page before. The variants that were asked of it, or of one before it, are made now: a scrape then
    neither converts nor compresses.
    """

    def __init__(self, snapshots: Sequence[Snapshot], process: Series, like: Page | None = None) -> None:
        self._parts = list(_families(snapshots, process))
        self._exemplars = dict(_exemplar_lines(snapshots))
        # Of each variant: what does not change until the next page, and what compresses the rest.
        self._bodies: dict[tuple[bool, bool], tuple[bytes, _Compressor | None]] = {}
        for asked in list(like._bodies) if like is not None else ():
            self._body(*asked)

    def answer(
        self, accept: str, *, compressed: bool = False, live: Series = MappingProxyType({})
    ) -> tuple[bytes, str]:
        """Return what an ``Accept`` header asks for, and its content type.

        ``live``: series that are as old as the scrape. They are appended, also to what is compressed already.
        """
        converted = prefers_openmetrics(accept)
        end = b"".join(self._lines(converted, *part) for part in _families([], live))
        if converted:
            end += b"# EOF\n"
        body, compressor = self._body(converted, compressed)
        if compressor is not None:
            # Not as a member of its own: curl, for one, reads the first alone.
            compressor = compressor.copy()
            end = compressor.compress(end) + compressor.flush()
        return body + end, OPENMETRICS if converted else TEXT

    def _body(self, converted: bool, compressed: bool) -> tuple[bytes, _Compressor | None]:
        found = self._bodies.get((converted, compressed))
        if found is None:
            body, compressor = b"".join(self._lines(converted, *part) for part in self._parts), None
            if compressed:
                compressor = zlib.compressobj(1, wbits=_GZIP)
                body = compressor.compress(body) + compressor.flush(zlib.Z_SYNC_FLUSH)
            found = self._bodies[converted, compressed] = body, compressor
        return found

    def _lines(self, converted: bool, metric: Metric, text: bytes) -> bytes:
        """Return the lines of a metric: its help and type come first, and only there OpenMetrics calls it otherwise."""
        if not converted:
            return text
        about_help, about_type, lines = text.split(b"\n", 2)
        about = b"\n".join((about_help, about_type, b""))
        if metric.type is Type.COUNTER:
            # A counter's own lines are without the suffix of its samples.
            about = about.replace(
                f" {metric.name} ".encode(), f" {metric.name.removesuffix('_total')} ".encode()
            )
        elif metric.unit and metric.name.endswith(f"_{metric.unit}"):
            about += f"# UNIT {metric.name} {metric.unit}\n".encode()
        if self._exemplars and metric.type is Type.HISTOGRAM:
            lines = b"\n".join(self._exemplars.get(line, line) for line in lines.split(b"\n"))
        return about + lines


def prefers_openmetrics(accept: str) -> bool:
    """Return True where an ``Accept`` header names OpenMetrics 1.0 and nothing that is plain text before it.

    Everybody else gets plain text, whatever they accept, as
    https://prometheus.io/docs/instrumenting/content_negotiation/ has it.
    """
    best = {"application/openmetrics-text": 0.0, "text/plain": 0.0}
    for item in accept.split(","):
        media, *parameters = (part.strip().lower() for part in item.split(";"))
        named = {
            key.strip(): value.strip(' "') for key, _, value in (part.partition("=") for part in parameters)
        }
        if media not in best or (media != "text/plain" and named.get("version", "1.0.0") != "1.0.0"):
            continue
        try:
            weight = float(named.get("q", "1"))
        except ValueError:
            continue
        best[media] = max(best[media], weight)
    return (
        best["application/openmetrics-text"] > 0
        and best["application/openmetrics-text"] >= best["text/plain"]
    )


def _exemplar_lines(snapshots: Sequence[Snapshot]) -> Iterator[tuple[bytes, bytes]]:
    """Yield the line of each bucket that has an exemplar, without it and with it."""
    metric = METRICS["ml_prediction_latency_seconds"]
    for snapshot in snapshots:
        for version, histogram in snapshot.histograms.items():
            for bound, count in histogram.buckets:
                if (exemplar := histogram.exemplars.get(bound)) is None:
                    continue
                family = Family(metric.name, metric.help, metric.type.value)
                attached = Attached({REQUEST_ID: exemplar.request}, exemplar.value, exemplar.time)
                labels = {"model": snapshot.model, "version": version, "le": bound}
                family.add_sample(f"{metric.name}_bucket", labels, count, exemplar=attached)
                text = generate_latest(_Single(family))
                converted = generate_openmetrics(_Single(family)).removesuffix(b"# EOF\n")  # type: ignore[no-untyped-call]
                yield _last_line(text), _last_line(converted)


def _last_line(text: bytes) -> bytes:
    return text.rstrip(b"\n").rpartition(b"\n")[2]


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
