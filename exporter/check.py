"""Show how the first records of each sink decode, before anything is measured."""

from __future__ import annotations

import glob
import json
from collections.abc import Iterator
from contextlib import closing, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from exporter.frames.categorical import CategoricalFrame
from exporter.frames.frame import Frame
from exporter.frames.numeric import Numbers, NumericFrame
from exporter.frames.vocabulary import Tokens, VocabularyFrame
from exporter.layout import Layout
from exporter.layouts import Layouts
from exporter.models import Model
from exporter.monitor import Monitor
from exporter.records import (
    NO_TIME,
    LabelDecoder,
    PredictionColumns,
    PredictionDecoder,
    feature_path,
    present,
)
from exporter.summary.categorical import MISSING, UNSEEN
from exporter.tasks import task_of
from exporter.tasks.task import Task
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
    spec = monitor.spec
    task = task_of(spec, model.references)
    layouts = Layouts(monitor, task, model.references)
    layout = layouts.of("")
    sample, path = _sample(monitor, spec.predictions.sink.file.path)
    if not sample:
        return _nothing("predictions", path, matched=_is_matched(monitor, spec.predictions.sink.file.path))
    with closing(PredictionDecoder(layouts.wanted())) as decoder:
        columns = decoder.decode(sample, int(now * 1e6) + CLOCK_SKEW)
    lines = [_account("predictions", path, columns.records, len(columns.time), dict(columns.rejected))]
    for row in range(min(_SHOWN, len(columns.time))):
        lines += [
            f"  record {row + 1}",
            *(f"    {name:<24} {value}" for name, value in _fields(columns, row, layout, task)),
        ]
    lines += _never_found(columns, monitor, layout, sample)
    lines += [
        f"  warning: feature '{name}' is listed, but no reference and no type under 'features' says what it is"
        for name in layout.untyped
    ]
    positive = spec.predictions.positiveClass
    if (
        positive
        and spec.predictions.fields.prediction
        and len(columns.time)
        and not (columns.answers.predicted == 1).any()
    ):
        lines.append(f"  warning: no prediction looked at has the class '{positive}' of positiveClass")
    if spec.task == "multiclass" and not task.classes:
        lines.append(
            "  warning: no class is known: list them under 'predictions.classes', or build a reference"
        )
    return SinkCheck(lines, found=True, usable=len(columns.time) > 0)


def check_labels(model: Model, now: float) -> SinkCheck | None:
    """Decode the first label records; None where the file names no labels."""
    labels = model.monitor.spec.labels
    if labels is None:
        return None
    task = task_of(model.monitor.spec, model.references)
    sample, path = _sample(model.monitor, labels.sink.file.path)
    if not sample:
        return _nothing("labels", path, matched=_is_matched(model.monitor, labels.sink.file.path))
    with closing(LabelDecoder(labels.fields, task)) as decoder:
        columns = decoder.decode(sample, int(now * 1e6) + CLOCK_SKEW)
    lines = [_account("labels", path, columns.records, len(columns.label), dict(columns.rejected))]
    for row in range(min(_SHOWN, len(columns.label))):
        time = columns.time[row]
        known = _time(int(time)) if time != NO_TIME else "not logged"
        lines.append(f"  record {row + 1}: label {_label(columns.label[row], task)}, known at {known}")
    positive = model.monitor.spec.predictions.positiveClass
    if positive and len(columns.label) and not (columns.label == 1).any():
        lines.append(f"  warning: no label looked at is '{positive}', the class of positiveClass")
    if len(task.classes) == 2 and not positive and columns.rejected["invalid_label"]:
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


def _fields(columns: PredictionColumns, row: int, layout: Layout, task: Task) -> Iterator[tuple[str, str]]:
    answers = columns.answers
    predicted = int(answers.predicted[row])
    yield "timestamp", _time(int(columns.time[row]))
    yield "version", repr(columns.version.names[columns.version.codes[row]])
    yield "status", str(columns.status[row]) if columns.status[row] >= 0 else "not logged"
    yield "latency", _number(columns.latency[row], " s")
    yield "score", _number(answers.score[row])
    if task.classes:
        yield "predicted", task.classes[predicted] if predicted >= 0 else "not known"
    for name, texts in columns.scopes.items():
        yield f"segment {name}", repr(texts.names[texts.codes[row]])
    for view, frame in layout.frames.items():
        yield view, _value(columns.features[view], row, frame)


def _value(values: Any, row: int, frame: Frame) -> str:
    match frame, values:
        case NumericFrame(), Numbers():
            if values.invalid is not None and values.invalid[row]:
                return "not of this type"
            return _number(values.values[row])
        case CategoricalFrame(), _:
            return _category(int(values[row]), frame.categories)
        case VocabularyFrame(), Tokens():
            return "missing" if values.missing[row] else f"{values.numbers[row]} words"
    return "see the views beside it"


def _category(code: int, categories: tuple[str, ...]) -> str:
    if code == MISSING:
        return "missing"
    return "a category that no reference knows" if code == UNSEEN else repr(categories[code])


def _label(label: Any, task: Task) -> str:
    if task.classes:
        return task.classes[label] if label < len(task.classes) else "a class that is not known"
    return repr(label) if isinstance(label, bytes) else f"{label:g}"


def _never_found(columns: PredictionColumns, monitor: Monitor, layout: Layout, sample: bytes) -> list[str]:
    """A field that no record has is most likely mapped to the wrong path."""
    fields = monitor.spec.predictions.fields
    if not len(columns.time):
        gone = columns.rejected["missing_timestamp"] == columns.records
        return [_elsewhere("field 'timestamp'", fields.timestamp, sample)] if gone else []
    latency = fields.latency.field if fields.latency else None
    found = {
        ("version", fields.version): any(columns.version.names),
        ("status", fields.status): bool((columns.status >= 0).any()),
        ("latency", latency): not np.isnan(columns.latency).all(),
        ("score", fields.score): not np.isnan(columns.answers.score).all(),
        ("prediction", fields.prediction): bool(columns.answers.given.any()),
        ("id", fields.id): bool((columns.id != 0).any()),
    }
    missing = [
        (f"field '{name}'", path) for (name, path), there in found.items() if path is not None and not there
    ]
    for name, kind in layout.kinds.items():
        values = columns.features.get(kind.primary(name))
        if values is not None and not present(values).any():
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


def _time(microseconds: int) -> str:
    return datetime.fromtimestamp(microseconds / 1e6, tz=UTC).isoformat()


def _number(value: Any, unit: str = "") -> str:
    return "missing" if np.isnan(value) else f"{float(value):.6g}{unit}"
