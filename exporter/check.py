"""Show how the first records of each sink decode, before anything is measured."""

from __future__ import annotations

import glob
import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from exporter.layout import Layout
from exporter.models import Model
from exporter.monitor import Monitor
from exporter.records import NO_TIME, LabelDecoder, PredictionColumns, PredictionDecoder
from exporter.summary.categorical import MISSING, UNSEEN

_SHOWN = 3
_LOOKED_AT = 1000


@dataclass(frozen=True)
class SinkCheck:
    """``lines``: for a person. ``usable``: whether at least one of the records looked at can be used.

    ``found``: whether there was any record to look at.
    """

    lines: list[str]
    found: bool
    usable: bool


def check_predictions(model: Model) -> SinkCheck:
    """Decode the first prediction records."""
    monitor = model.monitor
    layout = Layout(monitor, model.references)
    spec = monitor.spec
    sample, path = _sample(monitor, spec.predictions.sink.file.path)
    if not sample:
        return _nothing("predictions", path)
    decoder = PredictionDecoder(
        spec.predictions.fields,
        layout.categories,
        probability=spec.task == "binary",
        positive_class=spec.predictions.positiveClass,
    )
    columns = decoder.decode(sample, np.iinfo(np.int64).max)
    lines = [_account("predictions", path, columns.records, len(columns.time), dict(columns.rejected))]
    for row in range(min(_SHOWN, len(columns.time))):
        lines += [
            f"  record {row + 1}",
            *(f"    {name:<24} {value}" for name, value in _fields(columns, row, layout)),
        ]
    lines += _never_found(columns)
    return SinkCheck(lines, found=True, usable=len(columns.time) > 0)


def check_labels(model: Model) -> SinkCheck | None:
    """Decode the first label records; None where the file names no labels."""
    labels = model.monitor.spec.labels
    if labels is None or model.monitor.spec.task != "binary":
        return None
    sample, path = _sample(model.monitor, labels.sink.file.path)
    if not sample:
        return _nothing("labels", path)
    decoder = LabelDecoder(labels.fields, positive_class=model.monitor.spec.predictions.positiveClass)
    columns = decoder.decode(sample, np.iinfo(np.int64).max)
    lines = [_account("labels", path, columns.records, len(columns.label), dict(columns.rejected))]
    for row in range(min(_SHOWN, len(columns.label))):
        time = columns.time[row]
        known = _time(int(time)) if time != NO_TIME else "not logged"
        lines.append(f"  record {row + 1}: label {columns.label[row]}, known at {known}")
    return SinkCheck(lines, found=True, usable=len(columns.label) > 0)


def _sample(monitor: Monitor, pattern: str) -> tuple[bytes, str]:
    """The first whole lines of the first file that has any, and its path (or the pattern)."""
    resolved = monitor.resolve(pattern)
    for path in sorted(glob.glob(str(resolved))):  # noqa: PTH207 - the pattern is absolute
        with Path(path).open("rb") as file:
            lines = b"".join(
                line for line in islice(file, _LOOKED_AT) if line.endswith(b"\n") or _whole(line)
            )
        if lines:
            return lines if lines.endswith(b"\n") else lines + b"\n", path
    return b"", str(resolved)


def _whole(line: bytes) -> bool:
    try:
        return isinstance(json.loads(line), dict)
    except ValueError:
        return False


def _nothing(sink: str, pattern: str) -> SinkCheck:
    return SinkCheck([f"{sink}: {pattern}: no records yet"], found=False, usable=False)


def _account(sink: str, path: str, records: int, usable: int, rejected: dict[str, int]) -> str:
    reasons = ", ".join(f"{number} {reason}" for reason, number in sorted(rejected.items()))
    return f"{sink}: {path}: {usable} of the first {records} records usable" + (
        f" ({reasons})" if reasons else ""
    )


def _fields(columns: PredictionColumns, row: int, layout: Layout) -> Iterator[tuple[str, str]]:
    yield "timestamp", _time(int(columns.time[row]))
    yield "version", repr(columns.versions[columns.version[row]])
    yield "status", str(columns.status[row]) if columns.status[row] >= 0 else "not logged"
    yield "latency", _number(columns.latency[row], " s")
    yield "score", _number(columns.score[row])
    yield "predicted", str(columns.predicted[row]) if columns.predicted[row] >= 0 else "not known"
    for name, categories in layout.categories.items():
        value = columns.features[name][row]
        yield name, _number(value) if categories is None else _category(int(value), categories)


def _category(code: int, categories: tuple[str, ...]) -> str:
    if code == MISSING:
        return "missing"
    return "a category that no reference knows" if code == UNSEEN else repr(categories[code])


def _never_found(columns: PredictionColumns) -> list[str]:
    """Fields that no record has are most likely mapped to the wrong path."""
    if not len(columns.time):
        return []
    empty: dict[str, bool] = {
        name: bool(np.isnan(values).all() if values.dtype.kind == "f" else (values == MISSING).all())
        for name, values in columns.features.items()
    }
    return [
        f"  warning: feature '{name}' is missing in every record looked at"
        for name, gone in empty.items()
        if gone
    ]


def _time(microseconds: int) -> str:
    return datetime.fromtimestamp(microseconds / 1e6, tz=UTC).isoformat()


def _number(value: Any, unit: str = "") -> str:
    return "missing" if np.isnan(value) else f"{float(value):.6g}{unit}"
