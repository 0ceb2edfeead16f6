"""Gauges about the measuring itself."""

from __future__ import annotations

from collections.abc import Mapping

from exporter.measure.gauges import Gauges
from exporter.reference import Reference
from exporter.sinks.reader import SinkReader
from exporter.state import Store
from exporter.windows import MICROSECONDS


def sinks(gauges: Gauges, store: Store, readers: Mapping[str, SinkReader]) -> None:
    """Whether each sink can be read, how fresh it is, how far it is read."""
    for name, reader in readers.items():
        gauges.set("ml_sink_up", float(reader.up), sink=name)
        if reader.up:
            gauges.set("ml_sink_lag_bytes", reader.lag(), sink=name)
        newest = store.marks.get(f"{name} event")
        if newest is not None:
            gauges.set("ml_sink_last_event_timestamp_seconds", newest / MICROSECONDS, sink=name)
    newest_label = store.marks.get("labels event")
    if newest_label is not None:
        gauges.set("ml_label_watermark_timestamp_seconds", newest_label / MICROSECONDS)


def references(gauges: Gauges, static: Mapping[str, Reference], versions: list[str]) -> None:
    """Age, content and missing ratios of every static reference."""
    for name, reference in static.items():
        gauges.set("ml_reference_created_timestamp_seconds", reference.created, reference=name)
        gauges.set("ml_reference_info", 1.0, reference=name, hash=reference.hash)
        for feature, item in reference.features.items():
            for version in versions:
                labels = {"version": version, "reference": name, "feature": feature}
                rows = item.summary.rows
                ratio = float(item.summary.missing) / rows if rows else None
                gauges.set("ml_feature_missing_ratio_reference", ratio, **labels)


def withheld(gauges: Gauges) -> None:
    """One series per reason; to be called last."""
    for (version, window, gauge, reason), number in sorted(gauges.withheld.items()):
        gauges.set("ml_gauge_withheld", number, version=version, window=window, gauge=gauge, reason=reason)
