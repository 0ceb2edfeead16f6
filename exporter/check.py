"""Show how the first records of each sink decode, before anything is measured."""

from __future__ import annotations

import glob
import json
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from exporter.layout import Layout
from exporter.models import Model
from exporter.monitor import Monitor
from exporter.records import NO_TIME, LabelDecoder, PredictionColumns, PredictionDecoder, feature_path
from exporter.summary.categorical import MISSING, UNSEEN
from exporter.windows import CLOCK_SKEW
from exporter.yamlfile import did_you_mean

# Reasons of records that are used for all but one of their fields.
_KEPT = ("invalid_score", "missing_id")
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


def check_predictions(model: Model, now: float) -> SinkCheck:
    """Decode the first prediction records; ``now`` in Unix seconds tells which are from the future."""
    monitor = model.monitor
    layout = Layout(monitor, model.references)
    spec = monitor.spec
    sample, path = _sample(monitor, spec.predictions.sink.file.path)
    if not sample:
        return _nothing("predictions", path, matched=_is_matched(monitor, spec.predictions.sink.file.path))
    decoder = PredictionDecoder(
        spec.predictions.fields,
        layout.categories,
        probability=spec.task == "binary",
        positive_class=spec.predictions.positiveClass,
    )
    columns = decoder.decode(sample, int(now * 1e6) + CLOCK_SKEW)
    lines = [_account("predictions", path, columns.records, len(columns.time), dict(columns.rejected))]
    for row in range(min(_SHOWN, len(columns.time))):
        lines += [
            f"  record {row + 1}",
            *(f"    {name:<24} {value}" for name, value in _fields(columns, row, layout)),
        ]
    lines += _never_found(columns, monitor, sample)
    lines += [
        f"  warning: feature '{name}' is listed, but no reference and no type under 'features' says what it is"
        for name in layout.untyped
    ]
    positive = spec.predictions.positiveClass
    if (
        positive
        and spec.predictions.fields.prediction
        and len(columns.time)
        and not (columns.predicted == 1).any()
    ):
        lines.append(f"  warning: no prediction looked at has the class '{positive}' of positiveClass")
    lines += _not_measured(monitor)
    return SinkCheck(lines, found=True, usable=len(columns.time) > 0)


def check_labels(model: Model, now: float) -> SinkCheck | None:
    """Decode the first label records; None where the file names no labels."""
    labels = model.monitor.spec.labels
    if labels is None or model.monitor.spec.task != "binary":
        return None
    sample, path = _sample(model.monitor, labels.sink.file.path)
    if not sample:
        return _nothing("labels", path, matched=_is_matched(model.monitor, labels.sink.file.path))
    decoder = LabelDecoder(labels.fields, positive_class=model.monitor.spec.predictions.positiveClass)
    columns = decoder.decode(sample, int(now * 1e6) + CLOCK_SKEW)
    lines = [_account("labels", path, columns.records, len(columns.label), dict(columns.rejected))]
    for row in range(min(_SHOWN, len(columns.label))):
        time = columns.time[row]
        known = _time(int(time)) if time != NO_TIME else "not logged"
        lines.append(f"  record {row + 1}: label {columns.label[row]}, known at {known}")
    positive = model.monitor.spec.predictions.positiveClass
    if positive and len(columns.label) and not (columns.label == 1).any():
        lines.append(f"  warning: no label looked at is '{positive}', the class of positiveClass")
    if not positive and columns.rejected["invalid_label"]:
        lines.append("  warning: labels that are neither 0/1 nor false/true need predictions.positiveClass")
    return SinkCheck(lines, found=True, usable=len(columns.label) > 0)


def _sample(monitor: Monitor, pattern: str) -> tuple[bytes, str]:
    """The first whole lines of the first file that has any, and its path (or the pattern)."""
    for path in sorted(glob.glob(str(monitor.pattern(pattern)))):  # noqa: PTH207 - the pattern is absolute
        if not Path(path).is_file():
            continue
        with Path(path).open("rb") as file:
            lines = b"".join(
                line for line in islice(file, _LOOKED_AT) if line.endswith(b"\n") or _whole(line)
            )
        if lines:
            return lines if lines.endswith(b"\n") else lines + b"\n", path
    return b"", str(monitor.resolve(pattern))


def _is_matched(monitor: Monitor, pattern: str) -> bool:
    return bool(glob.glob(str(monitor.pattern(pattern))))  # noqa: PTH207 - the pattern is absolute


def _whole(line: bytes) -> bool:
    try:
        return isinstance(json.loads(line), dict)
    except ValueError:
        return False


def _nothing(sink: str, pattern: str, *, matched: bool) -> SinkCheck:
    what = "no records yet" if matched else "no file matches; is the path right?"
    return SinkCheck([f"{sink}: {pattern}: {what}"], found=False, usable=False)


def _account(sink: str, path: str, records: int, usable: int, rejected: dict[str, int]) -> str:
    partly = sum(rejected.get(reason, 0) for reason in _KEPT)
    reasons = ", ".join(f"{number} {reason}" for reason, number in sorted(rejected.items()))
    of_them = f", {partly} of them in part" if partly else ""
    return f"{sink}: {path}: {usable} of the first {records} records usable{of_them}" + (
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


def _never_found(columns: PredictionColumns, monitor: Monitor, sample: bytes) -> list[str]:
    """A field that no record has is most likely mapped to the wrong path."""
    fields = monitor.spec.predictions.fields
    if not len(columns.time):
        gone = columns.rejected["missing_timestamp"] == columns.records
        return [_elsewhere("field 'timestamp'", fields.timestamp, sample)] if gone else []
    latency = fields.latency.field if fields.latency else None
    found = {
        ("version", fields.version): any(columns.versions),
        ("status", fields.status): bool((columns.status >= 0).any()),
        ("latency", latency): not np.isnan(columns.latency).all(),
        ("score", fields.score): not np.isnan(columns.score).all(),
        ("prediction", fields.prediction): bool((columns.predicted >= 0).any()),
        ("id", fields.id): bool((columns.id != 0).any()),
    }
    missing = [
        (f"field '{name}'", path) for (name, path), there in found.items() if path is not None and not there
    ]
    for name, values in columns.features.items():
        if np.isnan(values).all() if values.dtype.kind == "f" else (values == MISSING).all():
            missing.append((f"feature '{name}'", feature_path(fields, name)))
    return [_elsewhere(what, path, sample) for what, path in missing]


def _elsewhere(what: str, path: str, sample: bytes) -> str:
    paths = sorted(_paths(_first_object(sample)))
    return f"  warning: {what} is in no record looked at, at '{path}'{did_you_mean(path, paths)}"


def _first_object(sample: bytes) -> Any:
    for line in sample.splitlines():
        with suppress(ValueError, RecursionError):
            if isinstance(found := json.loads(line), dict):
                return found
    return {}


def _paths(record: Any, prefix: str = "") -> Iterator[str]:
    """The dotted paths of all values of a record, and of its objects."""
    if isinstance(record, dict):
        for key, value in record.items():
            yield prefix + key
            yield from _paths(value, f"{prefix}{key}.")


def _not_measured(monitor: Monitor) -> list[str]:
    """What the file asks for and this version does not do yet."""
    spec = monitor.spec
    asked = {
        "segments": bool(spec.segments),
        "fairness": spec.fairness is not None,
        f"task {spec.task}: prediction and outcome gauges": spec.task in ("multiclass", "ranking"),
        "task regression: outcome gauges": spec.task == "regression",
    }
    return [f"  note: {what}: not measured yet" for what, is_asked in asked.items() if is_asked]


def _time(microseconds: int) -> str:
    return datetime.fromtimestamp(microseconds / 1e6, tz=UTC).isoformat()


def _number(value: Any, unit: str = "") -> str:
    return "missing" if np.isnan(value) else f"{float(value):.6g}{unit}"
