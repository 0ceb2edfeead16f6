"""Show how the first records of each sink decode, before anything is measured."""

from __future__ import annotations

import glob
import json
from collections.abc import Iterator
from contextlib import closing, suppress
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from exporter.daemon.models import Model
from exporter.features.binning import Numbers
from exporter.fold.version_schemas import VersionSchemas
from exporter.records import (
    NO_TIME,
    LabelDecoder,
    PredictionColumns,
    PredictionDecoder,
    RequestedFields,
    feature_path,
    present,
)
from exporter.records.latency import doubt
from exporter.records.predictions import NO_VALUE
from exporter.records.readable import feature_lines, moment, named, number
from exporter.summary.categorical import UNSEEN
from exporter.summary.windows import CLOCK_SKEW
from exporter.tasks import task_of
from exporter.tasks.multiclass import MOST_SCORED
from exporter.tasks.task import Task
from mlslo.monitor import Monitor, scope_name
from mlslo.yamlfile import did_you_mean

# Reasons of records that are used for all but one of their fields.
_KEPT = ("invalid_score", "unknown_class", "missing_id")
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
    schemas = VersionSchemas(monitor, task, model.references)
    sample, path = _sample(monitor, spec.predictions.sink.file.path)
    if not sample:
        return _nothing("predictions", path, matched=_is_matched(monitor, spec.predictions.sink.file.path))
    latest = int(now * 1e6) + CLOCK_SKEW
    versions = _decode(_requested(schemas), sample, latest).version.names
    # Their references say more of features, which another look shows.
    schemas.refresh(versions)
    requested = _requested(schemas)
    columns = _decode(requested, sample, latest)
    lines = [_account("predictions", path, columns.records, len(columns.time), dict(columns.rejected))]
    for row in range(min(_SHOWN, len(columns.time))):
        shown = list(_fields(columns, row, requested))
        width = max(len(name) for name, _ in shown)
        lines += [f"  record {row + 1}", *(f"    {name:<{width}}  {value}" for name, value in shown)]
    lines += _never_found(columns, requested, sample)
    lines += _of_another_kind(columns, requested)
    if (doubted := doubt(columns.latency, spec)) is not None:
        lines.append(f"  warning: {doubted}")
    lines += [
        f"  warning: feature '{name}' is listed, but no reference and no type under 'features' says what it is"
        for name in schemas.of("").untyped
        if name not in requested.features.kinds
    ]
    lines += [
        f"  warning: version '{version}' has no file of reference '{name}'"
        for version in versions
        for name in schemas.missing(version)
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
    if len(task.classes) > MOST_SCORED and spec.predictions.fields.score:
        lines.append(
            f"  warning: probabilities of more than {MOST_SCORED} classes are not read; log the predicted class"
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
        known = moment(time) if time != NO_TIME else "not logged"
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


def _requested(schemas: VersionSchemas) -> RequestedFields:
    """All that is decoded when it is measured, ids, and the single paths of what is crossed."""
    requested = schemas.requested()
    paths = [path for scope in requested.scopes if not isinstance(scope, str) for path in scope]
    scopes = {scope_name(scope): scope for scope in (*requested.scopes, *paths)}
    return replace(requested, identified=True, scopes=list(scopes.values()))


def _decode(requested: RequestedFields, sample: bytes, latest: int) -> PredictionColumns:
    with closing(PredictionDecoder(requested)) as decoder:
        return decoder.decode(sample, latest)


def _fields(columns: PredictionColumns, row: int, requested: RequestedFields) -> Iterator[tuple[str, str]]:
    answers, classes = columns.answers, requested.task.classes
    predicted = int(answers.predicted[row])
    yield "timestamp", moment(columns.time[row])
    yield "version", repr(columns.version.names[columns.version.codes[row]])
    yield "status", str(columns.status[row]) if columns.status[row] >= 0 else "not logged"
    yield "latency", number(columns.latency[row], " s")
    yield "score", number(answers.score[row])
    if classes:
        yield "predicted", classes[predicted] if predicted >= 0 else "not known"
    if requested.fields.fallback is not None:
        yield "fallback", {1: "true", 0: "false"}.get(int(columns.fallback[row]), "not logged")
    for name, texts in columns.scopes.items():
        yield f"segment {name}", repr(texts.names[texts.codes[row]])
    yield from feature_lines(requested.features, columns.features, row)
    if columns.attributions is not None:
        found = np.isfinite(columns.attributions[row])
        yield "attributions", f"of {np.count_nonzero(found)} of {len(found)} features"


def _label(label: Any, task: Task) -> str:
    if task.classes:
        return task.classes[label] if label < len(task.classes) else "a class that is not known"
    return repr(label) if isinstance(label, bytes) else f"{label:g}"


def _never_found(columns: PredictionColumns, requested: RequestedFields, sample: bytes) -> list[str]:
    """A field that no record has is most likely mapped to the wrong path."""
    fields = requested.fields
    if not len(columns.time):
        gone = columns.rejected["missing_timestamp"] == columns.records
        return [_elsewhere("field 'timestamp'", fields.timestamp, sample)] if gone else []
    latency = fields.latency.field if fields.latency else None
    found = {
        ("field 'version'", fields.version): any(columns.version.names),
        ("field 'status'", fields.status): bool((columns.status >= 0).any()),
        ("field 'latency'", latency): not np.isnan(columns.latency).all(),
        ("field 'score'", fields.score): not np.isnan(columns.answers.score).all(),
        ("field 'prediction'", fields.prediction): bool(columns.answers.given.any()),
        ("field 'id'", fields.id): bool((columns.id != 0).any()),
        ("field 'fallback'", fields.fallback): bool((columns.fallback >= 0).any()),
        ("field 'attributions'", fields.attributions): columns.attributions is None
        or bool(np.isfinite(columns.attributions).any()),
    }
    for scope in requested.scopes:
        if isinstance(scope, str):
            found[f"segment or attribute '{scope}'", scope] = columns.scopes[scope].names != [NO_VALUE]
    for name, kind in requested.features.kinds.items():
        values = columns.features.get(kind.primary(name))
        if values is not None:
            there = present(values).any() or _invalid(values).any()
            found[f"feature '{name}'", feature_path(fields, name)] = bool(there)
    return [
        _elsewhere(what, path, sample)
        for (what, path), there in found.items()
        if path is not None and not there
    ]


def _of_another_kind(columns: PredictionColumns, requested: RequestedFields) -> list[str]:
    """A feature that has values in every record, and none of its kind, is most likely declared wrong."""
    lines = []
    for name, kind in requested.features.kinds.items():
        values = columns.features.get(kind.primary(name))
        if values is None or (kind.name == "categorical" and not requested.features.categories(name)):
            continue
        usable = present(values) if isinstance(values, Numbers) else values >= 0
        wrong = _invalid(values) if isinstance(values, Numbers) else values == UNSEEN
        if wrong.any() and not usable.any():
            lines.append(f"  warning: feature '{name}': no value looked at is {named(kind)}")
    return lines


def _invalid(values: Any) -> npt.NDArray[np.bool_]:
    """Rows whose value, of a primary view, is not of its kind."""
    nothing = np.zeros(len(values.values if isinstance(values, Numbers) else values), dtype=bool)
    return values.invalid if isinstance(values, Numbers) and values.invalid is not None else nothing


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
