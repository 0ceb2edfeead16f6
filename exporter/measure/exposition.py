"""Snapshots as Prometheus text."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from prometheus_client import Metric as Family
from prometheus_client.exposition import generate_latest
from prometheus_client.registry import Collector, CollectorRegistry

from exporter.measure.snapshot import Snapshot
from mlslo.catalogue import METRICS, Metric, Type

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

Series = Mapping[str, Mapping[tuple[str, ...], float]]


def render(snapshots: Sequence[Snapshot], process: Series) -> bytes:
    """The exposition text of all models and of the exporter's own ``process`` series, in the catalogue's order.

    Text format 0.0.4: https://prometheus.io/docs/instrumenting/exposition_formats/
    """
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Families(snapshots, process))
    return generate_latest(registry)


class _Families(Collector):
    def __init__(self, snapshots: Sequence[Snapshot], process: Series) -> None:
        self._snapshots = snapshots
        self._sources = [*(snapshot.series for snapshot in snapshots), process]

    def collect(self) -> Iterator[Family]:
        for metric in METRICS.values():
            family = self._family(metric)
            if family.samples:
                yield family

    def _family(self, metric: Metric) -> Family:
        name = metric.name.removesuffix("_total") if metric.type is Type.COUNTER else metric.name
        family = Family(name, metric.help, metric.type.value)
        if metric.type is Type.HISTOGRAM:
            for sample in self._histogram_samples():
                family.add_sample(f"{name}{sample[0]}", sample[1], sample[2])
            return family
        for source in self._sources:
            for values, value in source.get(metric.name, {}).items():
                family.add_sample(metric.name, dict(zip(metric.labels, values, strict=True)), value)
        return family

    def _histogram_samples(self) -> Iterable[tuple[str, dict[str, str], float]]:
        for snapshot in self._snapshots:
            for version, histogram in snapshot.histograms.items():
                labels = {"model": snapshot.model, "version": version}
                for bound, count in histogram.buckets:
                    yield "_bucket", {**labels, "le": bound}, count
                yield "_sum", labels, histogram.total
                yield "_count", labels, histogram.buckets[-1][1]
