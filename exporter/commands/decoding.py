"""Decode the first records of each sink, and describe them before anything is measured."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from exporter.daemon.models import Model
from exporter.features.timestamp import time_text
from exporter.fold.schema import SKEW, Compared, Schema
from exporter.fold.version_schemas import VersionSchemas
from exporter.inbox import inbox_folder, inbox_path
from exporter.records.accounts import clock_shift
from exporter.records.accounts.field_accounts import Account, MappedField, Records
from exporter.records.accounts.mapped_fields import (
    NO_CLASS,
    Judged,
    has_answers,
    judge,
    of_labels,
    of_offline,
    of_predictions,
)
from exporter.records.columns import ERROR, NO_TIME, PredictionColumns
from exporter.records.ids import repetition
from exporter.records.labels import LabelDecoder
from exporter.records.latency import doubt
from exporter.records.offline import OfflineColumns, OfflineDecoder
from exporter.records.predictions import PredictionDecoder, RequestedFields
from exporter.records.reshaping import Reshaped, plain, reshapings
from exporter.sinks import Sample, open_sink
from exporter.state import Store
from exporter.summary.windows import CLOCK_SKEW
from exporter.tasks import task_of
from exporter.tasks.multiclass import MOST_SCORED
from exporter.tasks.multilabel import MultilabelTask
from exporter.tasks.task import Task
from mlslo.monitor import Monitor, Sink, scope_name
from mlslo.yamlfile import quoted_list

# Reasons of records that are used for all but one of their fields.
_KEPT = ("invalid_score", "invalid_features", "unknown_class", "missing_id")
_NEED_A_CLASS = "that are none of 0/1, -1/1, false/true and no/yes need predictions.positiveClass"
_UNANSWERED = "no score and no prediction can be read in any record: nothing of them would be measured"
_WITHOUT_FEATURES = "no feature can be read in any record: nothing of them would be measured"
_UNTYPED = "no feature is measured: no reference and no type under 'features' says what one is"
_UNCOMPARED = "no feature is compared: no reference and no type under 'features' says what one is"
_SHOWN = 3
_MOST_DIFFERING = 10
_LOOKED_AT = 1000


class SinkCheck(NamedTuple):
    """``lines``: for a person. ``wrong``: whether what the file says of the sink cannot be meant.

    ``records``: those with the ids that were looked at; None where there were none.
    """

    lines: list[str]
    wrong: bool = False
    records: Records | None = None


def check_predictions(model: Model, now: float, state_directory: Path) -> SinkCheck:
    """Decode the first prediction records; ``now`` in Unix seconds tells which are from the future.

    ``state_directory``: where pushed events wait. Raises SinkError where they cannot be read.
    """
    written, monitor = model.monitor, plain(model.monitor)
    task = task_of(monitor.spec, model.references)
    schemas = VersionSchemas(monitor, task, model.references)
    logged, source, remark = _sample(model, "predictions", monitor.spec.predictions.sink, state_directory)
    if not logged:
        return SinkCheck([f"predictions: {source}: {remark}"])
    latest = int(now * 1e6) + CLOCK_SKEW
    reshaped = _reshaped(written, "predictions", logged, now)
    sample = bytes(reshaped.lines)
    versions = _decode(_requested(schemas), sample, latest).version.names
    # Their references say more of features, which another look shows.
    schemas.refresh(versions)
    requested = _requested(schemas)
    columns = _decode(requested, sample, latest)
    untyped = [name for name in schemas.of("").untyped if name not in requested.features.kinds]
    as_written = replace(requested, fields=written.spec.predictions.fields)
    preset = written.spec.predictions.preset
    mapped = of_predictions(columns, as_written, monitor.spec.task, untyped, preset)
    records = Records(reshaped.sample(), [item.field for item in mapped])
    chosen = None if reshaped.lines else none_chosen(written, "predictions", logged)
    judged = judge(records, mapped) if chosen is None else Judged({"records": chosen}, blind=False)
    total, rejected = columns.records + reshaped.records, columns.rejected + reshaped.rejected
    lines = [_account("predictions", source, total, len(columns.time), rejected)]
    for row in range(min(_SHOWN, len(columns.time))):
        shown = list(_fields(columns, row, requested))
        width = max(len(name) for name, _ in shown)
        lines += [f"  record {row + 1}", *(f"    {name:<{width}}  {value}" for name, value in shown)]
    lines += records.table()
    # Errors may have neither an output nor a feature.
    answered = bool((columns.status < ERROR).any())
    fields = monitor.spec.predictions.fields
    unanswered = answered and bool(fields.score or fields.prediction) and not has_answers(columns, requested)
    without_features = answered and judged.blind
    of_ids = written.spec.predictions.fields.id
    repeating = repetition(columns.id, of_ids) if of_ids else None
    warnings = [
        *([remark] if remark else []),
        *judged.warnings,
        doubt(columns.latency, written.spec),
        clock_shift.doubt(written, "predictions", now),
        repeating,
        *(
            f"feature '{name}' is listed, but no reference and no type under 'features' says what it is"
            for name in untyped
        ),
        *(
            f"version '{version}' has no file of reference '{name}'"
            for version in versions
            for name in schemas.missing(version)
            # Of a first time there is no file: it is built when that is over.
            if monitor.spec.references[name].first is None
        ),
        *(
            f"reference '{name}' does not know segment '{segment}', which is not compared with it; "
            "build the reference again with mlslo-exporter baseline"
            for name, reference in model.references.items()
            for segment in schemas.segments
            if segment not in reference.segments
        ),
        *_of_classes(monitor, task, columns),
        _UNTYPED if fields.features and not requested.features.kinds and not untyped else None,
        _UNANSWERED if unanswered else None,
        _WITHOUT_FEATURES if without_features else None,
    ]
    lines += [f"  warning: {warning}" for warning in warnings if warning is not None]
    unusable = (total > 0 or chosen is not None) and not len(columns.time)
    wrong = unusable or unanswered or without_features or repeating is not None
    return SinkCheck(lines, wrong, _of_ids(written, records, sample))


def check_labels(model: Model, now: float, state_directory: Path) -> SinkCheck | None:
    """Decode the first label records; None where the file names no labels.

    Raises SinkError where they cannot be read.
    """
    written, monitor = model.monitor, plain(model.monitor)
    labels = monitor.spec.labels
    if labels is None or written.spec.labels is None:
        return None
    task = task_of(monitor.spec, model.references)
    logged, source, remark = _sample(model, "labels", labels.sink, state_directory)
    if not logged:
        return SinkCheck([f"labels: {source}: {remark}"])
    reshaped = _reshaped(written, "labels", logged, now)
    with closing(LabelDecoder(labels, task)) as decoder:
        columns = decoder.decode(reshaped.lines, int(now * 1e6) + CLOCK_SKEW)
    mapped = of_labels(columns, written.spec.labels.fields, task, monitor.spec.task)
    records = Records(reshaped.sample(), [item.field for item in mapped])
    total, rejected = columns.records + reshaped.records, columns.rejected + reshaped.rejected
    lines = [_account("labels", source, total, len(columns.label), rejected)]
    for row in range(min(_SHOWN, len(columns.label))):
        time = columns.time[row]
        known = time_text(time / 1e6) if time != NO_TIME else "not logged"
        lines.append(f"  record {row + 1}: label {_label(columns.label[row], task)}, known at {known}")
    lines += records.table()
    chosen = None if reshaped.lines else none_chosen(written, "labels", logged)
    judged = judge(records, mapped) if chosen is None else Judged({"records": chosen}, blind=False)
    warnings = [*([remark] if remark else []), *judged.warnings]
    if (shift := clock_shift.doubt(written, "labels", now)) is not None:
        warnings.append(shift)
    positive = model.monitor.spec.predictions.positiveClass
    if positive and len(columns.label) and not (columns.label == 1).any():
        warnings.append(f"no label looked at is '{positive}', the class of positiveClass")
    if model.monitor.spec.task == "binary" and not positive and columns.rejected["invalid_label"]:
        warnings.append(f"labels {_NEED_A_CLASS}")
    lines += [f"  warning: {warning}" for warning in warnings]
    return SinkCheck(
        lines,
        (total > 0 or chosen is not None) and not len(columns.label),
        _of_ids(written, records, bytes(reshaped.lines)),
    )


def check_offline(model: Model, now: float, state_directory: Path) -> SinkCheck | None:
    """Decode the first records of offline features; None where the file names none.

    Raises SinkError where they cannot be read.
    """
    written, monitor = model.monitor, plain(model.monitor)
    skew = monitor.spec.skew
    if skew is None or written.spec.skew is None:
        return None
    schemas = VersionSchemas(monitor, task_of(monitor.spec, model.references), model.references)
    requested = _requested(schemas)
    features = requested.compared
    logged, source, remark = _sample(model, "skew", skew.sink, state_directory)
    if not logged:
        return SinkCheck([f"skew: {source}: {remark}"])
    reshaped = _reshaped(written, "skew", logged, now)
    with closing(OfflineDecoder(skew, features)) as decoder:
        columns = decoder.decode(reshaped.lines, int(now * 1e6) + CLOCK_SKEW)
    served, _, _ = _sample(model, "predictions", monitor.spec.predictions.sink, state_directory)
    served = bytes(_reshaped(written, "predictions", served, now).lines) if served else b""
    compared = _compared(_decode(requested, served, int(now * 1e6) + CLOCK_SKEW), columns, schemas.of(""))
    mapped = of_offline(columns, written.spec.skew, features)
    records = Records(reshaped.sample(), [item.field for item in mapped])
    total, rejected = columns.records + reshaped.records, columns.rejected + reshaped.rejected
    lines = [_account("skew", source, total, len(columns.id), rejected), *records.table(), compared]
    chosen = None if reshaped.lines else none_chosen(written, "skew", logged)
    judged = judge(records, mapped) if chosen is None else Judged({"records": chosen}, blind=False)
    untyped = [name for name in written.spec.skew.features or () if name not in features]
    warnings = [
        *([remark] if remark else []),
        *judged.warnings,
        *(
            f"feature '{name}' is not compared: no reference and no type under 'features' says what it is"
            for name in untyped
        ),
        *([] if features or untyped else [_UNCOMPARED]),
    ]
    lines += [f"  warning: {warning}" for warning in warnings]
    wrong = (total > 0 or chosen is not None) and (not len(columns.id) or judged.blind)
    return SinkCheck(lines, wrong, _of_ids(written, records, bytes(reshaped.lines)))


def _compared(served: PredictionColumns, offline: OfflineColumns, schema: Schema) -> str:
    """Say how many ids of both logs are among the first records, and the share of them in which features differ."""
    _, ours, theirs = np.intersect1d(served.id, offline.id, return_indices=True)
    if served.compared is None or not len(ours) or served.compared.shape[1] != len(schema.compared):
        return f"  compared: {len(ours)} of the ids looked at are in both logs"
    known = np.ones((len(ours), len(schema.compared)), dtype=bool)
    rows = Compared(served.compared[ours], offline.codes[theirs], known, np.ones(len(ours)))
    summary = schema.fold_skew(rows, np.zeros(len(ours), dtype=np.intp), 1)[SKEW][0]
    shares = dict(zip(summary.features, summary.mismatched / len(ours), strict=True))
    worst = sorted((-share, name) for name, share in shares.items() if share)
    differ = ", ".join(f"{name} {-share:.1%}" for share, name in worst[:_MOST_DIFFERING]) or "none"
    return f"  compared: {len(ours)} of the ids looked at are in both logs; features that differ: {differ}"


def _reshaped(monitor: Monitor, sink: str, lines: bytes, now: float) -> Reshaped:
    with closing(Store()) as store, store.transaction():
        return reshapings(monitor, store)[sink].plain(lines, int(now * 1e6))


def _of_ids(monitor: Monitor, records: Records, lines: bytes) -> Records:
    """Return the records that ids are looked for in: plain ones, where rows have ids of their own."""
    return records if plain(monitor) is monitor else Records(lines)


def _sample(model: Model, log_name: str, sink: Sink, state_directory: Path) -> Sample:
    inbox = inbox_path(inbox_folder(model.state_file(state_directory)), log_name)
    with closing(open_sink(plain(model.monitor), sink, {}, inbox)) as log:
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
    if isinstance(requested.task, MultilabelTask) and outputs.payload is not None:
        yield "predicted", requested.task.shown(outputs.payload[row])
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
    if isinstance(task, MultilabelTask):
        return task.shown(label)
    return repr(label) if isinstance(label, bytes) else f"{label:g}"


def _of_classes(monitor: Monitor, task: Task, columns: PredictionColumns) -> Iterator[str]:
    """Name classes that are not told, or that no prediction has."""
    predictions = monitor.spec.predictions
    positive, fields = predictions.positiveClass, predictions.fields
    if positive and fields.prediction and len(columns.time) and not (columns.outputs.predicted == 1).any():
        yield f"no prediction looked at has the class '{positive}' of positiveClass"
    if monitor.spec.task == "binary" and columns.rejected["unknown_class"]:
        yield f"predictions {_NEED_A_CLASS}"
    if monitor.spec.task == "multiclass" and not task.classes:
        yield NO_CLASS
    if len(task.classes) > MOST_SCORED and fields.score:
        yield f"probabilities of more than {MOST_SCORED} classes are not read; log the predicted class"


def none_chosen(monitor: Monitor, sink: str, lines: bytes) -> str | None:
    """Say why the records of a log give no whole one; None where that is not by its conditions."""
    log = monitor.spec.logs[sink]
    with closing(Store()) as store, store.transaction():
        reshaped = reshapings(monitor, store)[sink].plain(lines, 0)
        requests, responses = (store.halves.count(sink, role) for role in ("request", "response"))
    if requests or responses:
        return (
            f"of the records looked at {requests} are requests and {responses} responses, and none belong together by "
            "'join'; are both logged?"
        )
    number = reshaped.rejected["not_selected"]
    if not number:
        return None
    conditions = log.where
    if conditions is None:
        join = monitor.spec.predictions.join
        assert join is not None
        conditions = {**join.request, **join.response}
    records = Records(lines, [MappedField(path, path, path) for path in conditions])
    found = "; ".join(_found(records, account) for account in records.accounts)
    return f"no record of {number} is chosen by '{'join' if log.where is None else 'where'}': {found}"


def _found(records: Records, account: Account) -> str:
    if not account.there:
        return f"nothing at '{account.path}'"
    values = [f"'{text}'" for text in sorted(records.texts(account.field.path))]
    return f"'{account.path}' is {quoted_list(values, _SHOWN)}"
