"""Scores, classes and labels of the data, as parts of a reference."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from exporter.features.binning import CategoricalBinning, MixBinning
from exporter.features.kind import number_column
from exporter.parse import json_text, sql
from exporter.parse.json_lines import filled
from exporter.parse.label_sets import LabelSets
from exporter.references.baseline.columns import Column, members
from exporter.references.baseline.segments import SegmentParts
from exporter.references.baseline.source import Source
from exporter.references.baseline.views import categories, comparable, numeric_reference
from exporter.references.reference import Calibration, FeatureViews, ViewReference, calibration_part
from exporter.summary.base import Codes, Flags, Floats, Groups, count, count_cells
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

_ROWS = 1 << 19
_NUMBERS = 1 << 22
_MOST_CALIBRATED = 100
_UNKNOWN = -1


def predicted(source: Source, monitor: Monitor, parts: SegmentParts) -> dict[str, Any]:
    """Return the attributes of a ``Reference`` that follow from predictions and labels; of a ranking none.

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
            return {"classes": found, "labels": _mix(source, sets, label, None, parts, "labels")}
        case "regression":
            value = score if fields.score else prediction
            return {
                "score": _numbers(source, value, parts, "score"),
                "labels": _numbers(source, label, parts, "labels"),
            }
    return {}


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
) -> dict[str, Any]:
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
    blocks = list(source.blocks(requested, _ROWS))
    probability = as_probabilities(np.concatenate([number_column(block["score"]) for block in blocks]))
    classes, labels = (
        np.concatenate([filled(block[name], _UNKNOWN).astype(np.intp) for block in blocks])
        for name in ("predicted", "label")
    )
    scored = ~np.isnan(probability)
    classes = np.where((classes == _UNKNOWN) & scored, (probability >= 0.5).astype(np.intp), classes)
    found = _numeric(probability, parts, "score") if scored.any() else None
    labelled = labels != _UNKNOWN
    outcomes = None
    if labelled.any():
        with_label = np.flatnonzero(labelled)

        def fold(groups: Codes, size: int) -> GroupOutcomeSummary:
            return GroupOutcomeSummary.fold(
                probability[with_label], classes[with_label], labels[with_label], groups[with_label], size
            )

        outcomes = fold(_group(len(labels)), 1)[0]
        parts.add("outcomes", fold, attributes=True)
    return {
        "score": found,
        "classes": _counted(("0", "1"), classes, parts, "classes", attributes=True),
        "labels": _counted(("0", "1"), labels, parts, "labels"),
        "calibration": found
        and _calibration(found, probability, labels == 1, labelled, parts, "calibration"),
        "outcomes": outcomes,
    }


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
) -> dict[str, Any]:
    """``columns``: the probability of each class."""
    classes, labels = (
        _categories(source, prediction, parts, "classes"),
        _categories(source, label, parts, "labels"),
    )
    if not columns:
        return {"classes": classes, "labels": labels}
    names = tuple(column.feature for column in columns)
    canonical = tuple(map(sql.canonical_text, names))
    names = canonical if len(set(canonical)) == len(names) else names
    requested = {f"class {position}": column.parsed("number") for position, column in enumerate(columns)}
    known = " ".join(f"WHEN {sql.text(name)} THEN {position}" for position, name in enumerate(names))
    requested["label"] = f"CASE {sql.canonical(label.text)} {known} END" if label else "NULL::INTEGER"
    requested["labelled"] = f"{label.text} IS NOT NULL" if label else "false"
    blocks: list[Floats] = []
    highest, likeliest, codes, labelled = [], [], [], []
    for block in source.blocks(requested, max(1, _NUMBERS // len(names))):
        numbers = [number_column(block[f"class {position}"]) for position in range(len(names))]
        part = as_probabilities(np.stack(numbers, axis=1))
        none, filled_part = np.isnan(part).all(axis=1), np.where(np.isnan(part), -1.0, part)
        blocks.append(part)
        highest.append(np.where(none, np.nan, filled_part.max(axis=1)))
        likeliest.append(np.where(none, _UNKNOWN, filled_part.argmax(axis=1)))
        codes.append(filled(block["label"], _UNKNOWN).astype(np.intp))
        labelled.append(np.asarray(block["labelled"], dtype=bool))
    score = np.concatenate(highest)
    label_codes, has_label = np.concatenate(codes), np.concatenate(labelled)
    top = np.concatenate(likeliest)
    calibrated = {}
    if label and len(names) <= _MOST_CALIBRATED:
        for position, name in enumerate(names):
            probability = np.concatenate([part[:, position] for part in blocks])
            if np.isfinite(probability).any():
                edges, right = numeric_reference(probability), label_codes == position
                part_name = calibration_part(name)
                calibrated[name] = _calibration(edges, probability, right, has_label, parts, part_name)
    outcomes = None
    scored_rows = np.flatnonzero((label_codes != _UNKNOWN) & ~np.isnan(score))
    if len(scored_rows):

        def fold(groups: Codes, size: int) -> CalibrationSummary:
            right = top[scored_rows] == label_codes[scored_rows]
            return CalibrationSummary(
                **calibration_arrays(score[scored_rows], right, groups[scored_rows], size)
            )

        outcomes = fold(_group(len(score)), 1)[0]
        parts.add("outcomes", fold)
    return {
        "score": _numeric(score, parts, "score") if np.isfinite(score).any() else None,
        "classes": classes or _counted(names, top, parts, "classes"),
        "labels": labels,
        "class_calibration": {name: found for name, found in calibrated.items() if found},
        "outcomes": outcomes,
    }


def _numeric(values: Floats, parts: SegmentParts, part: str) -> ViewReference:
    """``numeric_reference`` of all rows, and of segments over its bins."""
    found = numeric_reference(values)
    binning = found.binning
    prepared = binning.prepare(values)
    parts.add(part, lambda groups, size: binning.fold(prepared, groups, size))
    return found


def _calibration(
    score: ViewReference, values: Floats, positive: Flags, labelled: Flags, parts: SegmentParts, part: str
) -> Calibration | None:
    usable = labelled & ~np.isnan(values)
    if not usable.any():
        return None
    edges = score.summary.edges
    cells = np.searchsorted(edges, values[usable], side="left")
    right = positive[usable]

    def fold(groups: Codes, size: int) -> Calibration:
        members = groups[usable]
        rows, positives = (
            count_cells(members[some], size, cells[some], len(edges) + 1) for some in (slice(None), right)
        )
        return Calibration(edges, rows, positives)

    parts.add(part, fold)
    return fold(_group(len(values)), 1)[0]


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
        name: "NULL::VARCHAR" if part is None else _json_text(part)
        for name, part in (("set", column), ("scores", score))
    }

    def blocks() -> Iterator[tuple[int, tuple[Flags, Flags]]]:
        for block in source.blocks(requested, max(1, _NUMBERS // (len(sets.classes) + 1))):
            texts = block["set"].tolist()
            members, given = sets.read(texts)
            if score is not None:
                probabilities, other = sets.probabilities(block["scores"].tolist(), 0.5, ROUNDING)
                derived = np.array([text is None for text in texts]) & np.isfinite(probabilities).all(axis=1)
                members[derived] = np.column_stack([probabilities[derived] >= 0.5, other[derived]])
                given |= derived
            yield len(texts), (members, given)

    def fold(values: tuple[Flags, Flags], groups: Codes, size: int) -> CategoricalSummary:
        members, given = values
        found = LabelSetsSummary.fold(sets.classes, members[given], groups[given], size)
        missing = count(groups[~given], size)
        return CategoricalSummary(categories_of(sets.classes), missing, np.zeros(size), found.mix)

    summary = parts.add_blocks(part, blocks(), fold)[0]
    return ViewReference(MixBinning(summary.categories), summary) if summary.present else None


def _group(rows: int) -> Groups:
    return np.zeros(rows, dtype=np.intp)


def _json_text(column: Column) -> str:
    """SQL for the JSON of a value, be it a column of its own type or text."""
    if column.type == "VARCHAR":
        return column.expression
    if column.type == "JSON":
        text = f"json_extract_string({column.expression}, '$')"
        return f"CASE WHEN json_type({column.expression}) = 'VARCHAR' THEN {text} ELSE {column.expression}::VARCHAR END"
    return f"to_json({column.expression})::VARCHAR"


def _numbers(source: Source, column: Column | None, parts: SegmentParts, part: str) -> ViewReference | None:
    if column is None:
        return None
    blocks = source.blocks({"value": column.parsed("number")}, _ROWS)
    values = np.concatenate([number_column(block["value"]) for block in blocks])
    found = _numeric(values, parts, part) if np.isfinite(values).any() else None
    return found if found and comparable(found) else None


def _categories(
    source: Source, column: Column | None, parts: SegmentParts, part: str
) -> ViewReference | None:
    found = None if column is None else categories(source, column)
    if column is None or found is None or isinstance(found, str):
        return None
    parts.add_feature(source, column, FeatureViews("categorical", {"value": found}), part)
    return found


def _counted(
    names: tuple[str, ...], codes: Codes, parts: SegmentParts, part: str, *, attributes: bool = False
) -> ViewReference | None:
    if not (codes != _UNKNOWN).any():
        return None
    known = np.where(codes == _UNKNOWN, MISSING, codes)

    def fold(groups: Codes, size: int) -> CategoricalSummary:
        return CategoricalSummary.fold(names, known, groups, size)

    parts.add(part, fold, attributes=attributes)
    return ViewReference(CategoricalBinning(names), fold(_group(len(codes)), 1)[0])
