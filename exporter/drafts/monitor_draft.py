"""A ModelMonitor file as a draft: what is certain as keys, what is not as comments with the alternatives."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from exporter.drafts import label_fields, prediction_fields, roles, tasks
from exporter.drafts.feature_types import FeatureType, infer_types
from exporter.drafts.label_fields import LabelFields
from exporter.drafts.log_sample import LogSample, pattern_of, read_log
from exporter.drafts.prediction_fields import PredictionFields
from mlslo.yamlfile import quoted_list
from mlslo.yamlfile.commented import Block, Noted, dump, one_line

_MODEL_NAMES = ("model_name", "model", "inferenceservicename", "endpoint_name", "modelId", "service")
_PEOPLE = re.compile(
    r"(.*_)?(sex|gender|race|ethnicity|age_?(group|band|class)|nationality|religion|disability)"
)
_ABOUT = {
    "timestamp": "event time",
    "id": "joins labels to predictions",
    "version": "the label `version`",
    "status": "400 and above is an error",
    "fallback": "answered by a fallback",
}
_MIN_SAMPLES = 200
_WINDOWS = (("1h", 3600, "1d"), ("6h", 21_600, "7d"), ("1d", 86_400, "7d"))
_CANDIDATES = 5
_KNOWN_CLASSES = {"openai": ("stop", "length", "tool_calls", "content_filter")}
"""Prediction fields of presets that the first records may lack: why chats end."""


@dataclass
class Draft:
    """``text``: of the file. ``doubts``: what to look at. ``reference``: the file that training data makes."""

    name: str
    text: str
    doubts: list[str]
    found: PredictionFields
    labels: LabelFields | None
    task: str
    reference: str | None


def draft(
    logs: Sequence[Path], labels: Sequence[Path], folder: Path, known: Sequence[str] | None = None
) -> Draft:
    """Return the draft of a file in ``folder`` on the predictions in ``logs``.

    ``known``: columns of the training data, None where there is none. Raises InputError where a log cannot be read, or
    has no time.
    """
    sample = read_log(logs)
    found = prediction_fields.of_log(sample, known or ())
    if formats := roles.time_formats(found.values.get("timestamp", ())):
        found.data["timeFormat"] = formats[0]
    labelled = read_log(labels) if labels else None
    joined = label_fields.of_log(labelled, sample, found) if labelled else None
    if labelled and joined is None:
        found.doubts.append(f"labels: {labels[0]} has no id, or nothing that may be a label")
    if joined and joined.matched and joined.id and joined.id != found.fields.get("id"):
        found.fields["id"] = joined.id
        found.notes["id"] = f"{joined.matched} of {joined.looked_at} labels have it"
    elif joined and not joined.matched:
        found.doubts.append(label_fields.unmatched(joined))
    guess = _task(found, joined)
    name = _name(sample, found, folder)
    reference = None if known is None else f"{name}.reference.json"
    types = {} if reference else _typed(found)
    spec = Block({"task": Noted(guess.task, guess.doubt)})
    _windows(spec, prediction_fields.rows_per_second(found.data, sample))
    spec.comment()
    spec["predictions"] = _predictions(found, guess, pattern_of(logs, folder), sample.format)
    if joined and labelled:
        spec.comment()
        _labels(spec, joined, pattern_of(labels, folder), labelled.format)
    if found.features:
        spec.comment()
        _features(spec, found, types, reference)
        _groups(spec, found, types or _typed(found), reference)
    spec.comment()
    _references(spec, reference)
    content = Block()
    content.comment(
        "Written by `mlslo-exporter init`, from the first records of the log. Look at comments with 'or':"
    )
    content.comment("there the log leaves a choice. `mlslo-exporter check` tells what is read.")
    metadata = Block({"name": Noted(name, "the label `model` of every metric")})
    content.update({"apiVersion": "mlslo/v1", "kind": "ModelMonitor", "metadata": metadata, "spec": spec})
    return Draft(name, dump(content), found.doubts, found, joined, guess.task, reference)


def _task(found: PredictionFields, labels: LabelFields | None) -> tasks.TaskGuess:
    """Guess the task, and settle which fields stay."""
    values, fields = found.values, found.fields
    predictions = [*values.get("prediction", []), *_KNOWN_CLASSES.get(found.data.get("preset", ""), ())]
    guess = tasks.guess(values.get("score", []), predictions, labels.values if labels else [])
    preset = "preset" in found.data
    if guess.prediction_is_score and "prediction" in fields:
        fields["score"] = fields.pop("prediction")
    elif not guess.prediction:
        fields.pop("prediction", None)
    if not guess.score:
        found.doubts.append(f"score: '{fields.pop('score', 'of the preset')}' is left out: {guess.doubt}")
        if preset:
            fields["score"] = None
    if guess.doubt:
        found.doubts.append(f"task {guess.task}: {guess.doubt}")
    return guess


def _typed(found: PredictionFields) -> dict[str, FeatureType]:
    types = infer_types(found.features)
    if isinstance(found.fields.get("features"), list):
        # Of those that are listed each is expected to be measured.
        found.left_out += [name for name, found_type in types.items() if found_type.type is None]
        found.fields["features"] = [name for name, found_type in types.items() if found_type.type]
        types = {name: found_type for name, found_type in types.items() if found_type.type}
    return types


def _name(sample: LogSample, found: PredictionFields, folder: Path) -> str:
    """Return the model's name: what a field such as `model_name` says throughout, else the folder's."""
    for path in _MODEL_NAMES:
        there = {record.get(path) for record in sample.records if isinstance(record.get(path), str)}
        name = there.pop() if len(there) == 1 else ""
        if name and found.fields.get("version") != path and re.fullmatch(r"[\w.-]{1,60}", name, re.ASCII):
            return str(name)
    cleaned = re.sub(r"[^A-Za-z0-9_.-]+", "-", folder.absolute().name)[:60].strip("-._")
    return cleaned or "model"


def _windows(spec: Block, rate: float | None) -> None:
    """Choose windows that have enough rows at the rate of the first records."""
    short, _, long = next(
        (row for row in _WINDOWS if rate is None or rate * row[1] >= 2 * _MIN_SAMPLES), _WINDOWS[-1]
    )
    seen = f"; {rate:.3g} predictions per second in the first records" if rate else ""
    spec["windows"] = Noted([short, long], f"every gauge is computed over each{seen}")
    spec["minSamples"] = Noted(_MIN_SAMPLES, "with fewer rows a gauge is withheld, not guessed")


def _sink(pattern: str, format_: str | None) -> Mapping[str, Any]:
    return {"file": {"path": pattern, **({"format": format_} if format_ else {})}}


def _predictions(found: PredictionFields, guess: tasks.TaskGuess, pattern: str, format_: str | None) -> Block:
    block = Block()
    if preset := found.data.get("preset"):
        block["preset"] = Noted(preset, "the fields of this format; `fields` overrides single ones")
    block["sink"] = _sink(pattern, format_)
    if where := found.data.get("where"):
        block["where"] = Noted(where, "the log has other records too")
    fields = Block()
    for name in (
        "timestamp",
        "id",
        "version",
        "status",
        "latency",
        "score",
        "prediction",
        "fallback",
        "attributions",
        "features",
    ):
        if name in found.fields:
            note = found.notes.get(name) or _ABOUT.get(name, "")
            value = found.fields[name]
            fields[name] = Noted(value, note) if note else value
    if fields:
        block["fields"] = fields
    times = [value for value in found.values.get("timestamp", ()) if value is not None]
    if times and not all(map(roles.has_zone, times)):
        block.comment("timezone: Europe/Berlin    # times have no zone; without this key they are UTC")
        found.doubts.append("timestamp: times have no zone and are taken for UTC; else write 'timezone'")
    if formats := roles.time_formats(times):
        block["timeFormat"] = Noted(
            formats[0], f"or {', '.join(formats[1:])}" if formats[1:] else "as strptime has it"
        )
    for key, value in guess.keys.items():
        block[key] = Noted(value, guess.doubt) if guess.doubt else value
    return block


def _labels(spec: Block, joined: LabelFields, pattern: str, format_: str | None) -> None:
    fields = dict(joined.data["fields"])
    note = f"{joined.matched} of {joined.looked_at} labels have the id of a prediction"
    block = Block({"sink": _sink(pattern, format_)})
    if where := joined.data.get("where"):
        block["where"] = where
    other = f"; the label may be {', '.join(joined.other[:3])}" if joined.other else ""
    block["fields"] = Noted(fields, note + other)
    block["maxDelay"] = Noted("30d", "a prediction waits this long for its label")
    if joined.matched:
        spec["labels"] = block
    else:
        for line in ("labels:", *(f"  {line}" for line in dump(block).splitlines())):
            spec.comment(line)


def _features(
    spec: Block, found: PredictionFields, types: Mapping[str, FeatureType], reference: str | None
) -> None:
    if found.left_out:
        spec.comment(
            f"no features, since they are ids, times, labels or never change: {quoted_list(found.left_out)}"
        )
    if reference:
        spec.comment(
            "features: {amount: {type: categorical}}    # types are the reference's, unless they stand here"
        )
        return
    block = Block()
    for name, (kind, remark, _) in types.items():
        if kind is None:
            block.comment(f"{one_line(name)} is not measured: {remark}")
        elif "whole numbers" in remark:
            block[name] = Noted({"type": kind}, f"or categorical: {remark}")
        else:
            block[name] = {"type": kind}
    if any(item.type for item in types.values()):
        spec["features"] = Noted(block, "a feature without a type is not measured")


def _groups(
    spec: Block, found: PredictionFields, types: Mapping[str, FeatureType], reference: str | None
) -> None:
    """Name what traffic may be split by."""
    again = "; then build the reference again, which counts them too" if reference else ""
    container = found.fields.get("features")
    plain = isinstance(container, str) and "*" not in container and " | " not in container
    paths = {name: f"{container}.{name}" if plain else name for name, item in types.items() if item.groups}
    people = [path for name, path in paths.items() if _PEOPLE.fullmatch(roles.last_key(name))]
    if paths:
        few = one_line(list(paths.values())[:_CANDIDATES])
        spec.comment(f"segments: {few}    # gauges for each value, beside all traffic{again}")
    if people:
        spec.comment(f"fairness: {{attributes: {one_line(people)}}}    # groups that are compared{again}")


def _references(spec: Block, reference: str | None) -> None:
    if reference:
        spec["references"] = Block(
            {"training": Noted({"static": reference}, "what every window is compared with")}
        )
        return
    spec.comment("Compared with the first day of each version. Better is data on which the model was right:")
    spec.comment(
        "mlslo-exporter baseline THIS-FILE --data TRAINING --out reference.json, and {static: reference.json}"
    )
    spec["references"] = Block({"first-day": {"first": "1d"}})
