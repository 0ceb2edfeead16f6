"""Scores, classes and labels of the data, as parts of a reference."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from exporter.features import KINDS
from exporter.features.binning import CategoricalBinning, MixBinning
from exporter.features.kind import number_column
from exporter.parse import json_text, sql
from exporter.parse.json_lines import filled
from exporter.parse.label_sets import LabelSets
from exporter.references.baseline.columns import Column, members
from exporter.references.baseline.source import Source
from exporter.references.baseline.views import categories, comparable, numeric_reference
from exporter.references.reference import Calibration, ViewReference
from exporter.summary.base import Codes, Flags, Floats, Groups
from exporter.summary.categorical import MISSING, CategoricalSummary
from exporter.summary.multilabel import LabelSetsSummary, categories_of
from exporter.summary.outcomes import ROUNDING, as_probabilities
from mlslo.monitor import Monitor, Predictions

_ROWS = 1 << 19
_NUMBERS = 1 << 22
_MOST_CALIBRATED = 100
_UNKNOWN = -1


def predicted(source: Source, monitor: Monitor, values: dict[str, Any]) -> dict[str, Any]:
    """Return the attributes of a ``Reference`` that follow from predictions and labels; of a ranking none.

    ``values``: gets those of all rows, by the names of ``Reference.answers``, as the binnings of these take them.
    """
    fields, labels = monitor.spec.predictions.fields, monitor.spec.labels
    score, prediction, label = (
        _column(source, path)
        for path in (fields.score, fields.prediction, labels.fields.label if labels else None)
    )
    match monitor.spec.task:
        case "binary":
            return _binary(source, score, prediction, label, monitor.spec.predictions, values)
        case "multiclass":
            columns = [column for column in members(source, fields.score or "") if column.feature]
            scored = [column.feature for column in columns] != [fields.score]
            listed = _listed(score, monitor.spec.predictions.classes or [])
            return _multiclass(source, columns if scored else listed, prediction, label, values)
        case "multilabel":
            sets = LabelSets(monitor.spec.predictions.classes or ())
            found = _mix(source, sets, prediction, score)
            return {"classes": found, "labels": _mix(source, sets, label, None)}
        case "regression":
            value = score if fields.score else prediction
            return {
                "score": _numbers(source, value, "(score)", values),
                "labels": _numbers(source, label, "(label)", values),
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
    values: dict[str, Any],
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
    found = numeric_reference(probability) if scored.any() else None
    values |= {"(score)": probability, "(predicted)": _codes(classes), "(label)": _codes(labels)}
    return {
        "score": found,
        "classes": _counted(("0", "1"), classes),
        "labels": _counted(("0", "1"), labels),
        "calibration": found and _calibration(found, probability, labels == 1, labels != _UNKNOWN),
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
    values: dict[str, Any],
) -> dict[str, Any]:
    """``columns``: the probability of each class."""
    classes = _categories(source, prediction, "(predicted)", values)
    labels = _categories(source, label, "(label)", values)
    if not columns:
        return {"classes": classes, "labels": labels}
    names = tuple(column.feature for column in columns)
    canonical = tuple(map(sql.canonical_text, names))
    names = canonical if len(set(canonical)) == len(names) else names
    requested = {f"class {position}": column.parsed("number") for position, column in enumerate(columns)}
    known = " ".join(f"WHEN {sql.text(name)} THEN {position}" for position, name in enumerate(names))
    requested["label"] = f"CASE {sql.canonical(label.text)} {known} END" if label else "NULL::INTEGER"
    requested["labelled"] = f"{label.text} IS NOT NULL" if label else "false"
    parts: list[Floats] = []
    highest, likeliest, codes, labelled = [], [], [], []
    for block in source.blocks(requested, max(1, _NUMBERS // len(names))):
        numbers = [number_column(block[f"class {position}"]) for position in range(len(names))]
        part = as_probabilities(np.stack(numbers, axis=1))
        none, filled_part = np.isnan(part).all(axis=1), np.where(np.isnan(part), -1.0, part)
        parts.append(part)
        highest.append(np.where(none, np.nan, filled_part.max(axis=1)))
        likeliest.append(np.where(none, _UNKNOWN, filled_part.argmax(axis=1)))
        codes.append(filled(block["label"], _UNKNOWN).astype(np.intp))
        labelled.append(np.asarray(block["labelled"], dtype=bool))
    score = values["(score)"] = np.concatenate(highest)
    values.setdefault("(predicted)", _codes(np.concatenate(likeliest)))
    calibrated = {}
    if label and len(names) <= _MOST_CALIBRATED:
        label_codes, has_label = np.concatenate(codes), np.concatenate(labelled)
        for position, name in enumerate(names):
            probability = np.concatenate([part[:, position] for part in parts])
            if np.isfinite(probability).any():
                edges = numeric_reference(probability)
                calibrated[name] = _calibration(edges, probability, label_codes == position, has_label)
    return {
        "score": numeric_reference(score) if np.isfinite(score).any() else None,
        "classes": classes or _counted(names, np.concatenate(likeliest)),
        "labels": labels,
        "class_calibration": {name: found for name, found in calibrated.items() if found},
    }


def _calibration(
    score: ViewReference, values: Floats, positive: Flags, labelled: Flags
) -> Calibration | None:
    usable = labelled & ~np.isnan(values)
    if not usable.any():
        return None
    edges = score.summary.edges
    cells = np.searchsorted(edges, values[usable], side="left")
    rows, positives = (
        np.bincount(some, minlength=len(edges) + 1).astype(np.float64)
        for some in (cells, cells[positive[usable]])
    )
    return Calibration(edges, rows, positives)


def _mix(
    source: Source, sets: LabelSets, column: Column | None, score: Column | None
) -> ViewReference | None:
    """Return what sets of classes hold: those of ``column``, else those that ``score`` gives."""
    requested = {
        name: "NULL::VARCHAR" if part is None else _json_text(part)
        for name, part in (("set", column), ("scores", score))
    }
    empty = LabelSetsSummary.fold(
        sets.classes, np.empty((0, len(sets.classes) + 1), dtype=bool), _group(0), 1
    )
    found, rows = empty[0], 0
    for block in source.blocks(requested, max(1, _NUMBERS // (len(sets.classes) + 1))):
        texts = block["set"].tolist()
        members, given = sets.read(texts)
        if score is not None:
            probabilities, other = sets.probabilities(block["scores"].tolist(), 0.5, ROUNDING)
            derived = np.array([text is None for text in texts]) & np.isfinite(probabilities).all(axis=1)
            members[derived] = np.column_stack([probabilities[derived] >= 0.5, other[derived]])
            given |= derived
        rows += len(texts)
        found += LabelSetsSummary.fold(sets.classes, members[given], _group(int(given.sum())), 1)[0]
    if not found.present:
        return None
    missing = np.asarray(rows - found.present)
    return ViewReference(MixBinning(categories_of(sets.classes)), replace(found.as_mix(), missing=missing))


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


def _numbers(
    source: Source, column: Column | None, name: str, values: dict[str, Any]
) -> ViewReference | None:
    if column is None:
        return None
    blocks = source.blocks({"value": column.parsed("number")}, _ROWS)
    numbers = values[name] = np.concatenate([number_column(block["value"]) for block in blocks])
    found = numeric_reference(numbers) if np.isfinite(numbers).any() else None
    return found if found and comparable(found) else None


def _categories(
    source: Source, column: Column | None, name: str, values: dict[str, Any]
) -> ViewReference | None:
    found = None if column is None else categories(source, column)
    if column is None or found is None or isinstance(found, str):
        return None
    kind, enumeration = KINDS["categorical"], source.enumeration(found.summary.categories)
    requested = kind.expressions(column.parsed(kind.parsed_as), {"value": enumeration})
    parts = [kind.decode(block, {})["value"] for block in source.blocks(requested, _ROWS)]
    values[name] = np.concatenate(parts)
    return found


def _codes(codes: Codes) -> Codes:
    return np.where(codes == _UNKNOWN, MISSING, codes)


def _counted(names: tuple[str, ...], codes: Codes) -> ViewReference | None:
    known = codes[codes != _UNKNOWN]
    if not len(known):
        return None
    counts = np.bincount(known, minlength=len(names)).astype(np.float64)
    missing = np.asarray(len(codes) - len(known), dtype=np.float64)
    summary = CategoricalSummary(names, missing, np.zeros(()), counts)
    return ViewReference(CategoricalBinning(names), summary)
