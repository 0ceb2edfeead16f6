"""Gauges about the measuring itself."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Protocol

from exporter.fold.field_presence import FieldPresence
from exporter.fold.schema import Schema
from exporter.measure.gauges import Gauges, Reason
from exporter.state import Side, Store, last_seen
from exporter.summary.windows import MICROSECONDS, Window


class Readable(Protocol):
    """Interface of a sink's reader, as the gauges about sinks use it."""

    @property
    def up(self) -> bool: ...

    def lag(self) -> int | None: ...

    @property
    def lag_unit(self) -> str: ...

    def own_metrics(self) -> Iterable[tuple[str, Mapping[str, str], float]]: ...


def sinks(gauges: Gauges, store: Store, readers: Mapping[str, Readable]) -> None:
    """Export of each sink whether it can be read, how fresh it is, how far it is read; and what waits for labels."""
    for name, reader in readers.items():
        gauges.set("ml_sink_up", float(reader.up), sink=name)
        if reader.up and (lag := reader.lag()) is not None:
            gauges.set(f"ml_sink_lag_{reader.lag_unit}", lag, sink=name)
        for metric, labels, value in reader.own_metrics():
            gauges.set(metric, value, sink=name, **labels)
        newest = store.marks.get(f"{name} event")
        if newest is not None:
            gauges.set("ml_sink_last_event_timestamp_seconds", newest / MICROSECONDS, sink=name)
    newest_label = store.marks.get("labels event")
    if newest_label is not None:
        gauges.set("ml_label_watermark_timestamp_seconds", newest_label / MICROSECONDS)
    if "labels" in readers:
        gauges.set("ml_predictions_pending", float(store.pending.waiting()))
        gauges.set("ml_label_sampling_ratio", store.pending.sampling_ratio())
    if "skew" in readers:
        for side in (Side.SERVED, Side.OFFLINE):
            gauges.set("ml_skew_pending", float(store.skew.waiting(side)), side=side.name.lower())
        gauges.set("ml_skew_sampling_ratio", store.skew.sampling_ratio())


def state(gauges: Gauges, store: Store) -> None:
    """Export how large the state is, where it is kept."""
    size = store.size()
    if size is not None:
        gauges.set("ml_state_size_bytes", float(size))


def references(gauges: Gauges, schema: Schema, version: str) -> None:
    """Export the age and the content of every reference with rows of its own."""
    for name, reference in schema.references.items():
        of = {"version": version, "reference": name}
        gauges.set("ml_reference_created_timestamp_seconds", reference.created, **of)
        gauges.set("ml_reference_info", 1.0, **of, hash=reference.hash)


def features(gauges: Gauges, store: Store, schema: Schema, version: str) -> None:
    """Export how many features there should be, and when each was last there."""
    gauges.set("ml_features_expected", len(schema.kinds) + len(schema.untyped))
    for feature in schema.kinds:
        seen = store.marks.get(last_seen(version, feature))
        if seen is not None:
            name = "ml_feature_last_seen_timestamp_seconds"
            gauges.set(name, seen / MICROSECONDS, version=version, feature=feature)


def fields(gauges: Gauges, presence: FieldPresence, windows: Sequence[Window], least: int) -> None:
    """Export in what share of records each mapped field is, over the shortest window that has ``least`` of them."""
    of_windows = list(presence.of_windows([window for window in windows if not window.reference]))
    for name in presence.fields:
        found = next((summary for summary in of_windows if summary.rows(name) >= least), None)
        if found is not None and found.rows(name):
            gauges.set("ml_field_present_ratio", found.share(name), field=name)
        elif of_windows[-1].rows(name):
            gauges.withhold("ml_field_present_ratio", Reason.TOO_FEW_SAMPLES)


def withheld(gauges: Gauges) -> None:
    """One series per reason; to be called last."""
    for (version, window, gauge, reason), number in sorted(gauges.withheld.items()):
        gauges.set("ml_gauge_withheld", number, version=version, window=window, gauge=gauge, reason=reason)
