"""What the model answered in the data, and what turned out to be true."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from exporter.features.kind import Column as Values
from exporter.features.kind import number_column
from exporter.parse import sql
from exporter.references.baseline.columns import Column, members
from exporter.references.baseline.source import Source
from exporter.references.baseline.views import categories, comparable, numeric_reference
from exporter.references.reference import (
    Calibration,
    CategoricalReference,
    FeatureReference,
    NumericReference,
)
from exporter.summary.base import Floats
from exporter.summary.categorical import CategoricalSummary
from mlslo.monitor import Monitor

_ROWS = 1 << 19
_NUMBERS = 1 << 22
_MOST_CALIBRATED = 100
_UNKNOWN = -1

Codes = npt.NDArray[np.intp]


@dataclass(frozen=True)
class Answers:
    """As ``Reference`` has them."""

    score: NumericReference | None = None
    classes: CategoricalReference | None = None
    labels: FeatureReference | None = None
    calibration: Calibration | None = None
    class_calibration: dict[str, Calibration] = field(default_factory=dict)


def answers(source: Source, monitor: Monitor) -> Answers:
    """By the model's task; of a ranking nothing."""
    if monitor.spec.task == "binary":
        return _binary(source, monitor)
    if monitor.spec.task == "regression":
        return _regression(source, monitor)
    if monitor.spec.task == "multiclass":
        return _multiclass(source, monitor)
    return Answers()


def _column(source: Source, path: str | None) -> Column | None:
    expression = source.at(path)
    return (
        None if expression is None or path is None else Column(path, expression, source.type_of(expression))
    )


def _label_path(monitor: Monitor) -> str | None:
    return monitor.spec.labels.fields.label if monitor.spec.labels else None


def _binary(source: Source, monitor: Monitor) -> Answers:
    fields, positive = monitor.spec.predictions.fields, monitor.spec.predictions.positiveClass
    score, predicted, label = (
        _column(source, path) for path in (fields.score, fields.prediction, _label_path(monitor))
    )
    wanted = {
        "score": score.leaf("number") if score else "NULL::DOUBLE",
        "predicted": sql.binary_class(predicted.text, positive) if predicted else "NULL::INTEGER",
        "label": sql.binary_class(label.text, positive) if label else "NULL::INTEGER",
    }
    blocks = list(source.blocks(wanted, _ROWS))
    probability = np.concatenate([number_column(block["score"]) for block in blocks])
    with np.errstate(invalid="ignore"):
        probability[~((probability >= 0) & (probability <= 1))] = np.nan
    scored = ~np.isnan(probability)
    classes = np.concatenate([_codes(block["predicted"]) for block in blocks])
    classes = np.where((classes == _UNKNOWN) & scored, (probability >= 0.5).astype(np.intp), classes)
    labels = np.concatenate([_codes(block["label"]) for block in blocks])
    found = numeric_reference(probability) if scored.any() else None
    return Answers(
        score=found,
        classes=_counted(("0", "1"), classes),
        labels=_counted(("0", "1"), labels),
        calibration=_calibration(found, probability, labels == 1, labels != _UNKNOWN) if found else None,
    )


def _regression(source: Source, monitor: Monitor) -> Answers:
    fields = monitor.spec.predictions.fields
    score = _column(source, fields.score or fields.prediction)
    label = _column(source, _label_path(monitor))
    return Answers(
        score=_numbers(source, score) if score else None, labels=_numbers(source, label) if label else None
    )


def _multiclass(source: Source, monitor: Monitor) -> Answers:
    fields = monitor.spec.predictions.fields
    predicted, label = _column(source, fields.prediction), _column(source, _label_path(monitor))
    columns = members(source, fields.score) if fields.score else []
    columns = [column for column in columns if column.feature]
    classes = _categories(source, predicted)
    labels = _categories(source, label)
    if not columns or [column.feature for column in columns] == [fields.score]:
        return Answers(classes=classes, labels=labels)
    names = tuple(column.feature for column in columns)
    canonical = tuple(map(sql.canonical_text, names))
    names = canonical if len(set(canonical)) == len(names) else names
    wanted = {f"class {position}": column.leaf("number") for position, column in enumerate(columns)}
    known = " ".join(f"WHEN {sql.text(name)} THEN {position}" for position, name in enumerate(names))
    wanted["label"] = f"CASE {sql.canonical(label.text)} {known} END" if label else "NULL::INTEGER"
    labelled = f"{label.text} IS NOT NULL" if label else "false"
    wanted["labelled"] = labelled
    highest, most_probable = [], []
    parts: list[tuple[Floats, Codes, npt.NDArray[np.bool_]]] = []
    for block in source.blocks(wanted, max(1, _NUMBERS // len(names))):
        probabilities = np.stack(
            [number_column(block[f"class {position}"]) for position in range(len(names))], axis=1
        )
        with np.errstate(invalid="ignore"):
            probabilities[~((probabilities >= 0) & (probabilities <= 1))] = np.nan
        some = ~np.isnan(probabilities).all(axis=1)
        filled = np.where(np.isnan(probabilities), -1.0, probabilities)
        most_probable.append(np.where(some, filled.argmax(axis=1), _UNKNOWN))
        highest.append(np.where(some, filled.max(axis=1), np.nan))
        parts.append((probabilities, _codes(block["label"]), np.asarray(block["labelled"], dtype=bool)))
    score = np.concatenate(highest)
    calibrated = {}
    if label and len(names) <= _MOST_CALIBRATED:
        label_codes = np.concatenate([codes for _, codes, _ in parts])
        has_label = np.concatenate([flags for _, _, flags in parts])
        for position, name in enumerate(names):
            probability = np.concatenate([part[:, position] for part, _, _ in parts])
            if np.isfinite(probability).any():
                edges = numeric_reference(probability)
                found = _calibration(edges, probability, label_codes == position, has_label)
                if found:
                    calibrated[name] = found
    return Answers(
        score=numeric_reference(score) if np.isfinite(score).any() else None,
        classes=classes or _counted(names, np.concatenate(most_probable)),
        labels=labels,
        class_calibration=calibrated,
    )


def _calibration(
    score: NumericReference, values: Floats, positive: npt.NDArray[np.bool_], labelled: npt.NDArray[np.bool_]
) -> Calibration | None:
    usable = labelled & ~np.isnan(values)
    if not usable.any():
        return None
    edges = score.summary.edges
    cells = np.searchsorted(edges, values[usable], side="left")
    bins = len(edges) + 1
    return Calibration(
        edges=edges,
        rows=np.bincount(cells, minlength=bins).astype(np.float64),
        positives=np.bincount(cells[positive[usable]], minlength=bins).astype(np.float64),
    )


def _numbers(source: Source, column: Column) -> NumericReference | None:
    blocks = source.blocks({"value": column.leaf("number")}, _ROWS)
    values = np.concatenate([number_column(block["value"]) for block in blocks])
    if not np.isfinite(values).any():
        return None
    found = numeric_reference(values)
    return found if comparable(found) else None


def _categories(source: Source, column: Column | None) -> CategoricalReference | None:
    if column is None:
        return None
    found = categories(source, column)
    return None if isinstance(found, str) else found


def _counted(names: tuple[str, ...], codes: Codes) -> CategoricalReference | None:
    known = codes[codes != _UNKNOWN]
    if not len(known):
        return None
    return CategoricalReference(
        CategoricalSummary(
            categories=names,
            missing=np.asarray(len(codes) - len(known), dtype=np.float64),
            unseen=np.zeros(()),
            counts=np.bincount(known, minlength=len(names)).astype(np.float64),
        )
    )


def _codes(column: Values) -> Codes:
    values = np.ma.filled(column, _UNKNOWN) if isinstance(column, np.ma.MaskedArray) else column
    return values.astype(np.intp)
