"""Decode the first records of each sink, and describe them before anything is measured."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, suppress
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np

from exporter.daemon.models import Model
from exporter.features.binning import Numbers
from exporter.features.timestamp import time_text
from exporter.fold.version_schemas import VersionSchemas
from exporter.records.columns import NO_TIME, PredictionColumns
from exporter.records.features import present
from exporter.records.labels import LabelDecoder
from exporter.records.latency import doubt
from exporter.records.predictions import NO_VALUE, PredictionDecoder, RequestedFields
from exporter.sinks import open_sink
from exporter.summary.base import Flags
from exporter.summary.categorical import UNSEEN
from exporter.summary.windows import CLOCK_SKEW
from exporter.tasks import task_of
from exporter.tasks.multiclass import MOST_SCORED
from exporter.tasks.task import Task
from mlslo.monitor import FeatureArray, Monitor, PredictionFields, Sink, scope_name
from mlslo.yamlfile import did_you_mean

# Reasons of records that are used for all but one of their fields.
_KEPT = ("invalid_score", "invalid_features", "unknown_class", "missing_id")
_SHOWN = 3
_LOOKED_AT = 1000


class SinkCheck(NamedTuple):
    """``lines``: for a person. ``found``: records looked at. ``usable``: those of them that can be used."""

    lines: list[str]
    found: int = 0
    usable: int = 0


def check_predictions(model: Model, now: float) -> SinkCheck:
    """Decode the first prediction records; ``now`` in Unix seconds tells which are from the future."""
    monitor = model.monitor
    task = task_of(monitor.spec, model.references)
    schemas = VersionSchemas(monitor, task, model.references)
    sample, source, remark = _sample(monitor, monitor.spec.predictions.sink)
    if not sample:
        return SinkCheck([f"predictions: {source}: {remark}"])
    latest = int(now * 1e6) + CLOCK_SKEW
    versions = _decode(_requested(schemas), sample, latest).version.names
    # Their references say more of features, which another look shows.
    schemas.refresh(versions)
    requested = _requested(schemas)
    columns = _decode(requested, sample, latest)
    lines = [_account("predictions", source, columns.records, len(columns.time), columns.rejected)]
    for row in range(min(_SHOWN, len(columns.time))):
        shown = list(_fields(columns, row, requested))
        width = max(len(name) for name, _ in shown)
        lines += [f"  record {row + 1}", *(f"    {name:<{width}}  {value}" for name, value in shown)]
    warnings = [
        *_never_found(columns, requested, sample),
        *_of_another_kind(columns, requested),
        doubt(columns.latency, monitor.spec),
        *(
            f"feature '{name}' is listed, but no reference and no type under 'features' says what it is"
            for name in schemas.of("").untyped
            if name not in requested.features.kinds
        ),
        *(
            f"version '{version}' has no file of reference '{name}'"
            for version in versions
            for name in schemas.missing(version)
        ),
        *_of_classes(monitor, task, columns),
    ]
    lines += [f"  warning: {warning}" for warning in warnings if warning is not None]
    return SinkCheck(lines, columns.records, len(columns.time))


def check_labels(model: Model, now: float) -> SinkCheck | None:
    """Decode the first label records; None where the file names no labels."""
    labels = model.monitor.spec.labels
    if labels is None:
        return None
    task = task_of(model.monitor.spec, model.references)
    sample, source, remark = _sample(model.monitor, labels.sink)
    if not sample:
        return SinkCheck([f"labels: {source}: {remark}"])
    with closing(LabelDecoder(labels.fields, task)) as decoder:
        columns = decoder.decode(sample, int(now * 1e6) + CLOCK_SKEW)
    lines = [_account("labels", source, columns.records, len(columns.label), columns.rejected)]
    for row in range(min(_SHOWN, len(columns.label))):
        time = columns.time[row]
        known = time_text(time / 1e6) if time != NO_TIME else "not logged"
        lines.append(f"  record {row + 1}: label {_label(columns.label[row], task)}, known at {known}")
    positive = model.monitor.spec.predictions.positiveClass
    if positive and len(columns.label) and not (columns.label == 1).any():
        lines.append(f"  warning: no label looked at is '{positive}', the class of positiveClass")
    if len(task.classes) == 2 and not positive and columns.rejected["invalid_label"]:
        lines.append("  warning: labels that are neither 0/1 nor false/true need predictions.positiveClass")
    return SinkCheck(lines, columns.records, len(columns.label))


def _sample(monitor: Monitor, sink: Sink) -> tuple[bytes, str, str]:
    with closing(open_sink(monitor, sink, {})) as log:
        return log.sample(_LOOKED_AT)


def _account(sink: str, source: str, records: int, usable: int, rejected: Counter[str]) -> str:
    partly = sum(rejected[reason] for reason in _KEPT)
    reasons = ", ".join(f"{number} {reason}" for reason, number in sorted(rejected.items()))
    of_them = f", {partly} of them in part" if partly else ""
    why = f" ({reasons})" if reasons else ""
    return f"{sink}: {source}: {usable} of the first {records} records usable{of_them}{why}"


def _requested(schemas: VersionSchemas) -> RequestedFields:
    """Return all that is decoded when it is measured, ids, and the single paths of what is crossed."""
    requested = schemas.requested()
    paths = [path for scope in requested.scopes if not isinstance(scope, str) for path in scope]
    scopes = {scope_name(scope): scope for scope in (*requested.scopes, *paths)}
    return replace(requested, identified=True, scopes=list(scopes.values()))


def _decode(requested: RequestedFields, sample: bytes, latest: int) -> PredictionColumns:
    with closing(PredictionDecoder(requested)) as decoder:
        return decoder.decode(sample, latest)


def _fields(columns: PredictionColumns, row: int, requested: RequestedFields) -> Iterator[tuple[str, str]]:
    outputs, classes = columns.outputs, requested.task.classes
    predicted = int(outputs.predicted[row])
    yield "timestamp", time_text(columns.time[row] / 1e6)
    yield "version", repr(columns.version.names[columns.version.codes[row]])
    yield "status", str(columns.status[row]) if columns.status[row] >= 0 else "not logged"
    yield "latency", _number(columns.latency[row], " s")
    yield "score", _number(outputs.score[row])
    if classes:
        yield "predicted", classes[predicted] if predicted >= 0 else "not known"
    if requested.fields.fallback is not None:
        yield "fallback", {1: "true", 0: "false"}.get(int(columns.fallback[row]), "not logged")
    for name, texts in columns.scopes.items():
        yield f"segment {name}", repr(texts.names[texts.codes[row]])
    for name, kind in requested.features.kinds.items():
        for view in kind.views(name).values():
            binning = requested.features.binnings.get(view)
            if binning is None:
                yield view, "not compared: no reference says how many numbers a vector has"
            else:
                yield view, kind.text(columns.features[view], row, binning)
    if columns.attributions is not None:
        found = np.isfinite(columns.attributions[row])
        yield "attributions", f"of {np.count_nonzero(found)} of {len(found)} features"


def _number(value: float, unit: str = "") -> str:
    return "missing" if np.isnan(value) else f"{float(value):.6g}{unit}"


def _label(label: Any, task: Task) -> str:
    if task.classes:
        return task.classes[label] if label < len(task.classes) else "a class that is not known"
    return repr(label) if isinstance(label, bytes) else f"{label:g}"


def _never_found(columns: PredictionColumns, requested: RequestedFields, sample: bytes) -> list[str]:
    """Name fields that no record has: most likely they are mapped to the wrong path."""
    fields = requested.fields
    if not len(columns.time):
        gone = columns.rejected["missing_timestamp"] == columns.records
        return [_elsewhere("field 'timestamp'", fields.timestamp, sample)] if gone else []
    latency = fields.latency.field if fields.latency else None
    found = {
        ("field 'version'", fields.version): any(columns.version.names),
        ("field 'status'", fields.status): bool((columns.status >= 0).any()),
        ("field 'latency'", latency): not np.isnan(columns.latency).all(),
        ("field 'score'", fields.score): not np.isnan(columns.outputs.score).all(),
        ("field 'prediction'", fields.prediction): bool(columns.outputs.given.any()),
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
            found[f"feature '{name}'", _path_of(name, fields)] = bool(there)
    return [
        _elsewhere(what, path, sample)
        for (what, path), there in found.items()
        if path is not None and not there
    ]


def _path_of(feature: str, fields: PredictionFields) -> str:
    match fields.features:
        case FeatureArray(path=path, names=names) if feature in names:
            return f"{path}.{names.index(feature)}"
        case str(container):
            return f"{container}.{feature}"
    return feature


def _of_another_kind(columns: PredictionColumns, requested: RequestedFields) -> Iterator[str]:
    """Name features that have values, and none of their kind: most likely they are declared wrong."""
    for name, kind in requested.features.kinds.items():
        values = columns.features.get(kind.primary(name))
        if values is None or (kind.name == "categorical" and not requested.features.categories(name)):
            continue
        usable = present(values) if isinstance(values, Numbers) else values >= 0
        if _invalid(values).any() and not usable.any():
            yield f"feature '{name}': no value looked at is {kind.noun}"


def _of_classes(monitor: Monitor, task: Task, columns: PredictionColumns) -> Iterator[str]:
    """Name classes that are not told, or that no prediction has."""
    predictions = monitor.spec.predictions
    positive, fields = predictions.positiveClass, predictions.fields
    if positive and fields.prediction and len(columns.time) and not (columns.outputs.predicted == 1).any():
        yield f"no prediction looked at has the class '{positive}' of positiveClass"
    if monitor.spec.task == "multiclass" and not task.classes:
        yield "no class is known: list them under 'predictions.classes', or build a reference"
    if len(task.classes) > MOST_SCORED and fields.score:
        yield f"probabilities of more than {MOST_SCORED} classes are not read; log the predicted class"


def _invalid(values: Any) -> Flags:
    """Return the rows whose value, of a primary view, is there and not of its kind."""
    if not isinstance(values, Numbers):
        return np.asarray(values == UNSEEN, dtype=bool)
    return np.zeros(len(values.values), dtype=bool) if values.invalid is None else values.invalid


def _elsewhere(what: str, path: str, sample: bytes) -> str:
    paths = sorted(_paths(_first_object(sample)))
    return f"{what} is in no record looked at, at '{path}'{did_you_mean(path, paths)}"


def _first_object(sample: bytes) -> Any:
    for line in sample.splitlines():
        with suppress(ValueError, RecursionError):
            if isinstance(found := json.loads(line), dict):
                return found
    return {}


def _paths(record: Any, prefix: str = "") -> Iterator[str]:
    """Yield the dotted paths of all values of a record, and of its objects."""
    if isinstance(record, dict):
        for key, value in record.items():
            yield prefix + key
            yield from _paths(value, f"{prefix}{key}.")
    elif isinstance(record, list):
        for position, value in enumerate(record[:_SHOWN]):
            yield f"{prefix}{position}"
            yield from _paths(value, f"{prefix}{position}.")
