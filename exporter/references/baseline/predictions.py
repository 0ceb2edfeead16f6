"""Scores, classes and labels of the data, as parts of a reference."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple, TypeVar

import numpy as np

from exporter.features.binning import CategoricalBinning, MixBinning
from exporter.features.kind import number_column
from exporter.parse import json_text, sql
from exporter.parse.json_lines import filled
from exporter.parse.label_sets import LabelSets
from exporter.references.baseline.columns import Column, members
from exporter.references.baseline.counting import Read, count
from exporter.references.baseline.noise import Noisy
from exporter.references.baseline.segments import SegmentParts
from exporter.references.baseline.source import Part, Source
from exporter.references.baseline.views import Quantiles, comparable, describe, ranks
from exporter.references.reference import ANSWERS, Calibration, ViewReference, calibration_part
from exporter.summary.base import Codes, Flags, Floats, count_cells
from exporter.summary.base import count as count_groups
from exporter.summary.categorical import MISSING, CategoricalSummary
from exporter.summary.multilabel import LabelSetsSummary, categories_of
from exporter.summary.outcomes import (
    ROUNDING,
    CalibrationSummary,
    GroupOutcomeSummary,
    as_probabilities,
    calibration_arrays,
)
from mlslo.monitor import Monitor, Predictions

_NAMES = {attribute: name for name, attribute in ANSWERS.items()}
_BINARY = ("0", "1")
_NUMBERS = 1 << 22
_MOST_CALIBRATED = 100
_UNKNOWN = -1

Values = TypeVar("Values")


class Predicted(NamedTuple):
    """``attributes``: of a ``Reference``. ``noisy``: what of them has a p-value, by the names of ``ANSWERS``."""

    attributes: dict[str, Any]
    noisy: list[Noisy]


def predicted(source: Source, monitor: Monitor, parts: SegmentParts) -> Predicted:
    """Return what follows from predictions and labels; of a ranking nothing.

    The same of segments, and of groups, becomes ``parts``.
    """
    fields, labels = monitor.spec.predictions.fields, monitor.spec.labels
    score, prediction, label = (
        _column(source, path)
        for path in (fields.score, fields.prediction, labels.fields.label if labels else None)
    )
    match monitor.spec.task:
        case "binary":
            return _binary(source, score, prediction, label, monitor.spec.predictions, parts)
        case "multiclass":
            columns = [column for column in members(source, fields.score or "") if column.feature]
            scored = [column.feature for column in columns] != [fields.score]
            listed = _listed(score, monitor.spec.predictions.classes or [])
            return _multiclass(source, columns if scored else listed, prediction, label, parts)
        case "multilabel":
            sets = LabelSets(monitor.spec.predictions.classes or ())
            found = _mix(source, sets, prediction, score, parts, "classes")
            return Predicted(
                {"classes": found, "labels": _mix(source, sets, label, None, parts, "labels")}, []
            )
        case "regression":
            return _regression(source, score if fields.score else prediction, label, parts)
    return Predicted({}, [])


def _column(source: Source, path: str | None) -> Column | None:
    expression = source.at(path)
    if expression is None or path is None:
        return None
    return Column(path, expression, source.type_of(expression))


def _binary(
    source: Source,
    score: Column | None,
    prediction: Column | None,
    label: Column | None,
    predictions: Predictions,
    parts: SegmentParts,
) -> Predicted:
    positive = predictions.positiveClass
    value = score.parsed("number") if score else "NULL::DOUBLE"
    if score is not None and score.numbers is not None:
        length, place = predictions.listed_probabilities
        value = f"coalesce({value}, {sql.probability(score.numbers, place, length, ROUNDING)})"
    requested = {
        "score": value,
        "predicted": sql.binary_class(prediction.text, positive) if prediction else "NULL::INTEGER",
        "label": sql.binary_class(label.text, positive) if label else "NULL::INTEGER",
    }

    def read(part: Part) -> Iterator[tuple[int, _Answers]]:
        for block in part.blocks(requested):
            probability = as_probabilities(number_column(block["score"]))
            classes, labels = (
                filled(block[name], _UNKNOWN).astype(np.intp) for name in ("predicted", "label")
            )
            derived = (classes == _UNKNOWN) & ~np.isnan(probability)
            classes = np.where(derived, (probability >= 0.5).astype(np.intp), classes)
            yield len(labels), _Answers(probability, classes, labels, labels != _UNKNOWN)

    quantiles = _quantiles(source, read, lambda answers: {"score": answers.score})["score"]
    binning = quantiles.binning

    def fold(answers: _Answers, groups: Codes, size: int) -> dict[str, Any]:
        labelled = answers.labelled
        scores, classes, labels = (
            answers.score[labelled],
            answers.classes[labelled],
            answers.labels[labelled],
        )
        return {
            "score": binning.fold(binning.prepare(answers.score), groups, size),
            "outcomes": GroupOutcomeSummary.fold(scores, classes, labels, groups[labelled], size),
            "classes": CategoricalSummary.fold(_BINARY, _codes(answers.classes), groups, size),
            "labels": CategoricalSummary.fold(_BINARY, _codes(answers.labels), groups, size),
            "calibration": _calibration(
                binning.edges, answers.score, answers.labels == 1, labelled, groups, size
            ),
        }

    counted = count(source, read, fold, parts.groupings)
    whole = counted.whole
    known = {name: whole[name].present for name in ("score", "classes", "labels")}
    known |= {"outcomes": whole["outcomes"].labelled, "calibration": whole["calibration"].rows.sum()}
    for name in ("score", "outcomes", "classes", "labels", "calibration"):
        if known[name]:
            parts.keep(counted, {name: name}, attributes=name in ("outcomes", "classes"))
    views: dict[str, ViewReference] = {}
    if known["score"]:
        views["score"] = quantiles.reference(whole["score"])
    views |= {
        name: ViewReference(CategoricalBinning(_BINARY), whole[name])
        for name in ("classes", "labels")
        if known[name]
    }
    others = {name: whole[name] for name in ("outcomes", "calibration") if known[name]}
    return Predicted(views | others, [_noisy(views, read)])


def _listed(score: Column | None, classes: Sequence[str]) -> list[Column]:
    """Return the probability of each class, of lists in their order or of objects; nothing where there are no lists."""
    if score is None or score.numbers is None:
        return []
    found = []
    for position, name in enumerate(classes):
        number = f"CASE WHEN len({score.numbers}) = {len(classes)} THEN {score.numbers}[{position + 1}] END"
        if score.type == "JSON":
            member = f"json_extract({score.expression}, {sql.text(json_text.pointer((name,)))})"
            of_object = f"json_type({score.expression}) = 'OBJECT'"
            number = f"coalesce({number}, CASE WHEN {of_object} THEN TRY_CAST({member} AS DOUBLE) END)"
        found.append(Column(name, number, "DOUBLE"))
    return found


def _multiclass(
    source: Source,
    columns: list[Column],
    prediction: Column | None,
    label: Column | None,
    parts: SegmentParts,
) -> Predicted:
    """``columns``: the probability of each class."""
    found = {
        name: _categories(source, column, parts, name)
        for name, column in (("classes", prediction), ("labels", label))
    }
    views = {name: item[0] for name, item in found.items() if item}
    noisy = [item[1] for item in found.values() if item]
    if not columns:
        return Predicted(views, noisy)
    names = tuple(column.feature for column in columns)
    canonical = tuple(map(sql.canonical_text, names))
    names = canonical if len(set(canonical)) == len(names) else names
    requested = {f"class {position}": column.parsed("number") for position, column in enumerate(columns)}
    known = " ".join(f"WHEN {sql.text(name)} THEN {position}" for position, name in enumerate(names))
    requested["label"] = f"CASE {sql.canonical(label.text)} {known} END" if label else "NULL::INTEGER"
    requested["labelled"] = f"{label.text} IS NOT NULL" if label else "false"
    calibrated = names if label and len(names) <= _MOST_CALIBRATED else ()
    counts_classes = "classes" not in views

    def read(part: Part) -> Iterator[tuple[int, tuple[_Answers, Floats]]]:
        for block in part.blocks(requested, max(1, _NUMBERS // len(names))):
            numbers = [number_column(block[f"class {position}"]) for position in range(len(names))]
            chances = as_probabilities(np.stack(numbers, axis=1))
            none, filled_chances = np.isnan(chances).all(axis=1), np.where(np.isnan(chances), -1.0, chances)
            answers = _Answers(
                np.where(none, np.nan, filled_chances.max(axis=1)),
                np.where(none, _UNKNOWN, filled_chances.argmax(axis=1)),
                filled(block["label"], _UNKNOWN).astype(np.intp),
                np.asarray(block["labelled"], dtype=bool),
            )
            yield len(chances), (answers, chances)

    def values(item: tuple[_Answers, Floats]) -> dict[str, Floats]:
        answers, chances = item
        own = {calibration_part(name): chances[:, place] for place, name in enumerate(calibrated)}
        return {"score": answers.score, **own}

    quantiles = _quantiles(source, read, values)
    binnings = {name: item.binning for name, item in quantiles.items()}

    def fold(item: tuple[_Answers, Floats], groups: Codes, size: int) -> dict[str, Any]:
        answers, chances = item
        score, top, labels, labelled = answers
        scored = (labels != _UNKNOWN) & ~np.isnan(score)
        right = top[scored] == labels[scored]
        found: dict[str, Any] = {
            calibration_part(name): _calibration(
                binnings[calibration_part(name)].edges,
                chances[:, place],
                labels == place,
                labelled,
                groups,
                size,
            )
            for place, name in enumerate(calibrated)
        }
        found["outcomes"] = CalibrationSummary(
            **calibration_arrays(score[scored], right, groups[scored], size)
        )
        found["score"] = binnings["score"].fold(binnings["score"].prepare(score), groups, size)
        if counts_classes:
            found["classes"] = CategoricalSummary.fold(names, _codes(top), groups, size)
        return found

    counted = count(source, read, fold, parts.segments)
    whole = counted.whole
    calibrations = {name: whole[calibration_part(name)] for name in calibrated}
    calibrations = {name: item for name, item in calibrations.items() if item.rows.sum()}
    for name in calibrations:
        parts.keep(counted, {calibration_part(name): calibration_part(name)})
    attributes: dict[str, Any] = {"class_calibration": calibrations}
    if whole["outcomes"].scored:
        attributes["outcomes"] = whole["outcomes"]
        parts.keep(counted, {"outcomes": "outcomes"})
    own: dict[str, ViewReference] = {}
    if whole["score"].present:
        own["score"] = quantiles["score"].reference(whole["score"])
        parts.keep(counted, {"score": "score"})
    if counts_classes and whole["classes"].present:
        own["classes"] = ViewReference(CategoricalBinning(names), whole["classes"])
        parts.keep(counted, {"classes": "classes"})

    def answers_of(part: Part) -> Iterator[tuple[int, _Answers]]:
        for rows, (answers, _) in read(part):
            yield rows, answers

    return Predicted(attributes | views | own, [*noisy, _noisy(own, answers_of)])


class _Answers(NamedTuple):
    """Rows. ``score``: NaN where there is none. ``classes``, ``labels``: their places, or -1."""

    score: Floats
    classes: Codes
    labels: Codes
    labelled: Flags


def _codes(places: Codes) -> Codes:
    return np.where(places == _UNKNOWN, MISSING, places)


def _noisy(views: Mapping[str, ViewReference], read: Read[_Answers]) -> Noisy:
    names = {name: _NAMES[name] for name in views}
    binnings = {name: view.binning for name, view in views.items()}

    def again(part: Part) -> Iterator[tuple[int, dict[str, Any]]]:
        for rows, answers in read(part):
            values = {
                "score": answers.score,
                "classes": _codes(answers.classes),
                "labels": _codes(answers.labels),
            }
            yield rows, {names[name]: binning.prepare(values[name]) for name, binning in binnings.items()}

    return Noisy("", {names[name]: view for name, view in views.items()}, again)


def _quantiles(
    source: Source, read: Read[Values], arrays: Callable[[Values], dict[str, Floats]]
) -> dict[str, Quantiles]:
    """Return those of each of the arrays that values hold."""

    def of_part(part: Part) -> dict[str, Floats]:
        blocks = [arrays(values) for _, values in read(part)]
        return {name: np.concatenate([block[name] for block in blocks]) for name in blocks[0]}

    return {name: Quantiles.of(found) for name, found in source.order(of_part, ranks).items()}


def _calibration(
    edges: Floats, values: Floats, positive: Flags, labelled: Flags, groups: Codes, size: int
) -> Calibration:
    usable = labelled & ~np.isnan(values)
    cells, members, right = (
        np.searchsorted(edges, values[usable], side="left"),
        groups[usable],
        positive[usable],
    )
    rows, positives = (
        count_cells(members[some], size, cells[some], len(edges) + 1) for some in (slice(None), right)
    )
    return Calibration(edges, rows, positives)


def _mix(
    source: Source,
    sets: LabelSets,
    column: Column | None,
    score: Column | None,
    parts: SegmentParts,
    part: str,
) -> ViewReference | None:
    """Return what sets of classes hold: those of ``column``, else those that ``score`` gives."""
    requested = {
        name: "NULL::VARCHAR" if own is None else _json_text(own)
        for name, own in (("set", column), ("scores", score))
    }

    scored = score is not None

    def read(of: Part) -> Iterator[tuple[int, tuple[Flags, Flags]]]:
        for block in of.blocks(requested, max(1, _NUMBERS // (len(sets.classes) + 1))):
            texts = block["set"].tolist()
            members, given = sets.read(texts)
            if scored:
                probabilities, other = sets.probabilities(block["scores"].tolist(), 0.5, ROUNDING)
                derived = np.array([text is None for text in texts]) & np.isfinite(probabilities).all(axis=1)
                members[derived] = np.column_stack([probabilities[derived] >= 0.5, other[derived]])
                given |= derived
            yield len(texts), (members, given)

    def fold(values: tuple[Flags, Flags], groups: Codes, size: int) -> dict[str, Any]:
        members, given = values
        found = LabelSetsSummary.fold(sets.classes, members[given], groups[given], size)
        missing = count_groups(groups[~given], size)
        return {part: CategoricalSummary(categories_of(sets.classes), missing, np.zeros(size), found.mix)}

    counted = count(source, read, fold, parts.segments)
    parts.keep(counted, {part: part})
    summary = counted.whole[part]
    return ViewReference(MixBinning(summary.categories), summary) if summary.present else None


def _json_text(column: Column) -> str:
    """SQL for the JSON of a value, be it a column of its own type or text."""
    if column.type == "VARCHAR":
        return column.expression
    if column.type == "JSON":
        text = f"json_extract_string({column.expression}, '$')"
        return f"CASE WHEN json_type({column.expression}) = 'VARCHAR' THEN {text} ELSE {column.expression}::VARCHAR END"
    return f"to_json({column.expression})::VARCHAR"


def _regression(source: Source, value: Column | None, label: Column | None, parts: SegmentParts) -> Predicted:
    requested = {
        name: column.parsed("number")
        for name, column in (("score", value), ("labels", label))
        if column is not None
    }
    if not requested:
        return Predicted({}, [])

    def read(part: Part) -> Iterator[tuple[int, dict[str, Floats]]]:
        for block in part.blocks(requested):
            yield len(next(iter(block.values()))), {name: number_column(block[name]) for name in requested}

    quantiles = _quantiles(source, read, dict)
    binnings = {name: item.binning for name, item in quantiles.items() if len(item.fine)}

    def fold(values: dict[str, Floats], groups: Codes, size: int) -> dict[str, Any]:
        return {
            name: binning.fold(binning.prepare(values[name]), groups, size)
            for name, binning in binnings.items()
        }

    counted = count(source, read, fold, parts.segments)
    views = {name: quantiles[name].reference(counted.whole[name]) for name in binnings}
    views = {name: view for name, view in views.items() if comparable(view)}
    parts.keep(counted, {name: name for name in views})
    names = {name: _NAMES[name] for name in views}

    def again(part: Part) -> Iterator[tuple[int, dict[str, Any]]]:
        for rows, values in read(part):
            yield rows, {own: binnings[name].prepare(values[name]) for name, own in names.items()}

    return Predicted(views, [Noisy("", {names[name]: view for name, view in views.items()}, again)])


def _categories(
    source: Source, column: Column | None, parts: SegmentParts, part: str
) -> tuple[ViewReference, Noisy] | None:
    found = None if column is None else describe(source, column, "categorical", parts.segments)
    if column is None or found is None or isinstance(found, str):
        return None
    view = found.item.primary
    parts.keep(found.counted, {"value": part})
    read, name = found.read, _NAMES[part]

    def renamed(of: Part) -> Iterator[tuple[int, dict[str, Any]]]:
        for rows, values in read(of):
            yield rows, {name: values["value"]}

    return view, Noisy("", {name: view}, renamed)
