"""Batch: the rows of files as a table, and all gauges of them, measured as one window."""

from __future__ import annotations

import glob
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from exporter.daemon.models import Model
from exporter.measure.exposition import Snapshot
from exporter.parse import sql
from exporter.records.plain_files import plain_files
from exporter.references.baseline.columns import Column, members, present_columns
from exporter.references.baseline.source import Source, open_source
from exporter.references.configured import load_static
from exporter.references.reference import Reference
from mlslo.monitor import (
    ALTERNATIVE,
    FeatureArray,
    FileSink,
    LabelFields,
    LatencyField,
    Monitor,
    PredictionFields,
    Sink,
)
from mlslo.yamlfile import Duration

WINDOW = "batch"
"""The label ``window`` of all gauges of a batch."""

_KEY = "gate:"
_A_DAY = 86_400.0


@dataclass(frozen=True)
class Batch:
    """``source``: its rows, in a database that reaches nothing else any more. ``monitor``: as it is for them.

    ``columns``: of each feature that the data has. ``label``: that of labels, which need no predictions beside them.
    ``paths``: where a path of the monitor file is in plain records.
    """

    source: Source
    monitor: Monitor
    columns: Mapping[str, Column]
    label: Column | None
    paths: Mapping[str, str]
    references: Mapping[str, Reference]
    snapshot: Snapshot

    def column(self, name: str) -> Column | None:
        """Return the column of a feature, or of the value at a path; None where the data has none."""
        container = self.monitor.spec.predictions.fields.feature_container
        below = name.removeprefix(f"{container}.") if container else name
        for feature in (name, below):
            if feature in self.columns:
                return self.columns[feature]
        return _column(self.source, self.paths.get(name, name))


@contextmanager
def open_batch(monitor: Monitor, files: Sequence[Path], reference: str | None = None) -> Iterator[Batch]:
    """Read ``files`` (all JSONL, all CSV or all Parquet), and measure them against static references.

    ``reference``: the only one that counts, where it is given. Raises InputError, CycleError.
    """
    with tempfile.TemporaryDirectory(prefix="mlslo-gate-") as name:
        folder, at = Path(name), int(time.time())
        written, plain_ones = plain_files(monitor, files, folder)
        with open_source(plain_ones) as source:
            columns = {column.feature: column for column in present_columns(source, written)}
            records = folder / "gate.jsonl"
            measured = _as_window(monitor, written, source, columns, records, at, reference)
            references = load_static(measured)
            seconds = source.rows * next(
                (known.noise.seconds for known in references.values() if known.noise and known.noise.seconds),
                0.0,
            )
            measured = _windowed(measured, seconds or _A_DAY)
            # A setting that cannot be taken back: queries of the monitor file come after it.
            for statement in (
                "CREATE VIEW batch AS SELECT * FROM source",
                "SET python_enable_replacements = false",
                "SET enable_external_access = false",
                "SET lock_configuration = true",
            ):
                source.query(statement)
            with closing(Model(measured, references).open(None)) as cycle:
                snapshot = cycle.run(at=float(at), final=True)
            assert snapshot is not None
            paths = dict(_plain_paths(monitor, written))
            labels = written.spec.labels
            label = _column(source, labels.fields.label) if labels is not None else None
            yield Batch(source, measured, columns, label, paths, references, snapshot)


def _plain_paths(monitor: Monitor, written: Monitor) -> Iterator[tuple[str, str]]:
    """Yield path in the monitor file -> key in its plain records, of each field that is one value."""
    then = dict(written.spec.predictions.fields)
    for name, path in monitor.spec.predictions.fields:
        if isinstance(path, str) and isinstance(then[name], str):
            yield path, then[name]


def _column(source: Source, path: str) -> Column | None:
    for alternative in path.split(ALTERNATIVE):
        if (expression := source.at(alternative)) is not None:
            return Column(path, expression, source.type_of(expression))
    return None


def _as_window(
    monitor: Monitor,
    written: Monitor,
    source: Source,
    columns: Mapping[str, Column],
    records: Path,
    at: int,
    reference: str | None,
) -> Monitor:
    """Write all rows as records just before ``at`` (Unix seconds); return the monitor file that reads them.

    ``written``: the monitor file of the data as it is. Fields that the data lacks are no fields of it.
    """
    fields, labels = written.spec.predictions.fields, written.spec.labels
    values: dict[str, str] = {f"{_KEY}id": "rowid"}
    found: dict[str, Any] = {"timestamp": f"{_KEY}timestamp", "id": f"{_KEY}id"}
    if columns:
        tree: dict[str, Any] = {}
        for feature, column in columns.items():
            _plant(tree, feature, _json(column))
        values[f"{_KEY}features"] = _packed(tree)
        found["features"] = f"{_KEY}features"
    for name, value in fields:
        path = value.field if isinstance(value, LatencyField) else value
        if name in ("timestamp", "id", "features") or path is None:
            continue
        key = f"{_KEY}{name}"
        if (expression := _value(source, path)) is not None:
            values[key] = expression
            found[name] = value.model_copy(update={"field": key}) if isinstance(value, LatencyField) else key
    is_labelled = labels is not None and ("score" in found or "prediction" in found)
    if is_labelled and labels is not None and (expression := _value(source, labels.fields.label)) is not None:
        values[f"{_KEY}label"] = expression
    for path in monitor.spec.scope_paths:
        container = fields.feature_container if not isinstance(fields.features, FeatureArray) else None
        feature = path.removeprefix(f"{container}.") if container else path
        if (known := columns.get(feature) or _column(source, path)) is not None:
            values[path] = _json(known)
    select = ", ".join(f"{value} AS {sql.name(key)}" for key, value in values.items())
    source.query(
        f"COPY (SELECT {at - 1} AS {sql.name(_KEY + 'timestamp')}, {select} FROM source ORDER BY rowid) "
        f"TO {sql.text(str(records))} (FORMAT json)"
    )
    sink = Sink(file=FileSink(path=glob.escape(str(records)), format="jsonl"))
    plainly = {"sink": sink, "where": None, "join": None, "timezone": None, "timeFormat": None}
    predictions = monitor.spec.predictions.model_copy(
        update={**plainly, "exemplars": False, "fields": PredictionFields.model_validate(found)}
    )
    if f"{_KEY}label" in values and labels is not None:
        names = LabelFields(id=f"{_KEY}id", label=f"{_KEY}label")
        labels = labels.model_copy(update={**plainly, "fields": names, "minCoverage": 0.0})
    else:
        labels = None
    static = {
        name: item
        for name, item in monitor.spec.references.items()
        if item.static is not None and reference in (None, name)
    }
    spec = monitor.spec.model_copy(
        update={
            "predictions": predictions,
            "labels": labels,
            "skew": None,
            "featureTimestamps": {},
            "comparison": None,
            "privacy": None,
            "references": static,
        }
    )
    return Monitor(monitor.document, monitor.file.model_copy(update={"spec": spec}))


def _windowed(monitor: Monitor, seconds: float) -> Monitor:
    """Return the monitor file with one window of ``seconds``, called as a batch is."""
    window = str.__new__(Duration, WINDOW)
    window.seconds = max(60.0, seconds)
    spec = monitor.spec.model_copy(update={"windows": [window]})
    return Monitor(monitor.document, monitor.file.model_copy(update={"spec": spec}))


def _value(source: Source, path: str) -> str | None:
    """Return SQL for the value at a path as JSON; of columns below it an object of them."""
    if (column := _column(source, path)) is not None:
        return _json(column)
    below = {column.feature: _json(column) for column in members(source, path)}
    return _packed(below) if below else None


def _json(column: Column) -> str:
    """Return SQL for the value as it is written: what is no number is nothing, and infinity is text."""
    value = column.expression
    if column.type not in ("FLOAT", "DOUBLE"):
        return value
    # As DOUBLE: of single precision the digits would be rounded, and the reference's edges are not.
    text = f"CASE WHEN isinf({value}) THEN to_json({value}::VARCHAR) END"
    return f"CASE WHEN isfinite({value}) THEN to_json({value}::DOUBLE) ELSE {text} END"


def _plant(tree: dict[str, Any], name: str, value: str) -> None:
    """Put a value where the dots of its name lead; where they lead into another value, its name keeps them."""
    into, parts = tree, name.split(".")
    for part in parts[:-1]:
        into = into.setdefault(part, {})
        if not isinstance(into, dict):
            tree[name] = value
            return
    into[parts[-1]] = value


def _packed(tree: Mapping[str, Any]) -> str:
    """Return SQL for an object; names that differ in case only are two of them, as in JSON."""
    items = (
        f"{sql.text(name)}, {_packed(value) if isinstance(value, dict) else value}"
        for name, value in tree.items()
    )
    return f"json_object({', '.join(items)})"
