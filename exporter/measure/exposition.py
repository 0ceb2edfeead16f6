"""Snapshots as Prometheus text."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from prometheus_client import Metric as Family
from prometheus_client.exposition import generate_latest
from prometheus_client.registry import Collector

from exporter.measure.snapshot import Snapshot
from mlslo.catalogue import METRICS, Metric, Type

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

Series = Mapping[str, Mapping[tuple[str, ...], float]]


def render(snapshots: Sequence[Snapshot], process: Series) -> bytes:
    """The exposition text of all models and of the exporter's own ``process`` series, in the catalogue's order.

    Text format 0.0.4: https://prometheus.io/docs/instrumenting/exposition_formats/
    """
    # One at a time: the lines of a page, as text, take several times the page's memory.
    return b"".join(generate_latest(_Single(family)) for family in families(snapshots, process))


def families(snapshots: Sequence[Snapshot], process: Series) -> Iterator[Family]:
    """Every metric that has samples, in the catalogue's order."""
    sources = [*(snapshot.series for snapshot in snapshots), process]
    for metric in METRICS.values():
        family = _family(metric, snapshots, sources)
        if family.samples:
            yield family


class _Single(Collector):
    """A collector of one family."""

    def __init__(self, family: Family) -> None:
        self._family = family

    def collect(self) -> Iterator[Family]:
        yield self._family


def _family(metric: Metric, snapshots: Sequence[Snapshot], sources: Sequence[Series]) -> Family:
    name = metric.name.removesuffix("_total") if metric.type is Type.COUNTER else metric.name
    family = Family(name, metric.help, metric.type.value)
    if metric.type is Type.HISTOGRAM:
        for suffix, labels, value in _histogram_samples(snapshots):
            family.add_sample(f"{name}{suffix}", labels, value)
        return family
    for source in sources:
        for values, value in source.get(metric.name, {}).items():
            family.add_sample(metric.name, dict(zip(metric.labels, values, strict=True)), value)
    return family


def _histogram_samples(snapshots: Sequence[Snapshot]) -> Iterator[tuple[str, dict[str, str], float]]:
    for snapshot in snapshots:
        for version, histogram in snapshot.histograms.items():
            labels = {"model": snapshot.model, "version": version}
            for bound, count in histogram.buckets:
                yield "_bucket", {**labels, "le": bound}, count
            yield "_sum", labels, histogram.total
            yield "_count", labels, histogram.buckets[-1][1]
