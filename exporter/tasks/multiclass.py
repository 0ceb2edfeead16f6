"""Multiclass classification: an object class -> probability or a list of them, a class, or both."""

from __future__ import annotations

import zlib
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from exporter.parse import sql
from exporter.parse.field_paths import FieldPaths
from exporter.parse.json_lines import filled
from exporter.references.reference import Reference
from exporter.summary.base import Flags, Floats, Groups, Summary
from exporter.summary.categorical import CategoricalSummary
from exporter.summary.multiclass import MulticlassOutcomeSummary
from exporter.summary.outcomes import ROUNDING
from exporter.tasks.task import Column, Labelled, Outputs, Payloads, Task, logged, objects, reject
from mlslo.monitor import Spec

MOST_SCORED = 1000
"""Most classes of which the probabilities are read: they are a column each, and 10,000 would take gigabytes."""


class MulticlassTask(Task):
    """``classes``: of the monitor file or of the static references; with none, no class can be told.

    A class that is not among them is an output, and a label, all the same: it is counted as ``unknown_class``.
    """

    def __init__(self, spec: Spec, references: Mapping[str, Reference]) -> None:
        super().__init__(spec, references)
        # A list of probabilities has the order of the file.
        self._listed = list(map(sql.canonical_text, spec.predictions.classes or ()))
        classes = spec.predictions.classes or sorted(_known(references))
        # As categories, each once: ``3.0`` is ``3``.
        self.classes = tuple(dict.fromkeys(map(sql.canonical_text, classes)))
        self.scored = self.scored and 0 < len(self.classes) <= MOST_SCORED
        self._calibrated = any(reference.class_calibration for reference in references.values())
        # Codes that wait for a label mean nothing once the classes are others.
        self._mark = zlib.crc32("\0".join(self.classes).encode()).to_bytes(4, "little")

    def output_expressions(self, paths: FieldPaths) -> dict[str, str]:
        expressions = {"predicted": self.class_code(paths.text(self._fields.prediction))}
        if self.scored:
            assert self.score is not None
            numbers = paths.numbers(self.score) if self._listed else None
            for position, name in enumerate(self.classes):
                found = [paths.member(self.score, key, "number", literal=True) for key in _keys(name)]
                if numbers is not None:
                    number = f"{numbers}[{self._listed.index(name) + 1}]"
                    found.append(f"CASE WHEN len({numbers}) = {len(self._listed)} THEN {number} END")
                expressions[f"probability {position}"] = f"coalesce({', '.join(found)})"
        return expressions

    def unclear(self, raw: Mapping[str, Column]) -> bool:
        return self.scored and bool(np.isnan(self._probabilities(raw)).all(axis=1).any())

    def outputs(self, raw: Mapping[str, Column], usable: Flags, rejected: Counter[str]) -> Outputs:
        predicted = filled(raw["predicted"], -1)[usable].astype(np.intp)
        unknown = predicted == len(self.classes)
        reject(rejected, "unknown_class", unknown)
        predicted[unknown] = -1
        # What is there and not known is an answer: no class's, so the value of none.
        value = np.where(unknown, -1.0, np.where(predicted < 0, np.nan, predicted))
        if not self.scored:
            payload = self._packed(None, ~np.isnan(value))
            return Outputs.unknown(len(predicted), predicted=predicted, value=value, payload=payload)
        probabilities = self._probabilities(raw)[usable]
        absent = np.isnan(probabilities)
        # A class that a record does not name has probability 0.
        probabilities[absent] = 0.0
        possible = (probabilities >= -ROUNDING).all(axis=1)
        probabilities = np.maximum(probabilities, 0.0)
        with np.errstate(over="ignore", invalid="ignore"):
            total = probabilities.sum(axis=1)
            possible &= np.abs(total - 1.0) <= sql.LARGEST_GAP + ROUNDING
        some = ~absent.all(axis=1)
        possible &= some
        reject(rejected, "invalid_score", (logged(raw, usable) | some) & ~possible)
        probabilities[possible] /= total[possible, None]
        probabilities[~possible] = np.nan
        likeliest = np.argmax(probabilities, axis=1)
        predicted = np.where((predicted < 0) & possible & ~unknown, likeliest, predicted)
        rows = np.arange(len(predicted))
        with np.errstate(divide="ignore", invalid="ignore"):
            terms = np.where(probabilities > 0, probabilities * np.log2(probabilities), 0.0)
        largest = np.where(possible, probabilities.max(axis=1, initial=0.0), np.nan)
        return Outputs(
            score=largest,
            predicted=predicted,
            confidence=np.where(predicted < 0, np.nan, probabilities[rows, np.maximum(predicted, 0)]),
            entropy=np.where(possible, np.abs(terms.sum(axis=1)), np.nan),
            value=np.where(possible, 2.0 * likeliest + largest, value),
            payload=self._packed(probabilities, possible | ~np.isnan(value)),
            probabilities=probabilities if self._calibrated else None,
        )

    def unknown(self, label: Column) -> Flags:
        found: Flags = label == len(self.classes)
        return found

    def fold_outcome(self, rows: Labelled, groups: Groups, size: int, *, pivot: float) -> Summary:
        label = np.where(rows.label < len(self.classes), rows.label, -1).astype(np.intp)
        predicted = np.where(self._mine(rows), rows.predicted, -1)
        return MulticlassOutcomeSummary.fold(
            self.classes, self._waited(rows), predicted, label, groups, size, rows.weight
        )

    def as_binary(self, rows: Labelled) -> Labelled:
        """Return labelled predictions of two classes; unknown is what waited for a label under other classes."""
        predicted = np.where(self._mine(rows), rows.predicted, -1)
        return replace(rows, score=self._waited(rows)[:, 1], predicted=predicted)

    def quality(self, rows: Labelled) -> Floats:
        predicted = np.where(self._mine(rows), rows.predicted, -1)
        # A label of an unknown class is none that was predicted.
        return np.where(predicted >= 0, predicted == rows.label, np.nan)

    def class_code(self, text: str) -> str:
        """SQL for the code of a class, their number for one that is not known, NULL where there is none."""
        if not self.classes or text == "NULL::VARCHAR":
            return "NULL::INTEGER"
        names = ", ".join(map(sql.text, self.classes))
        code = f"enum_code(TRY_CAST({sql.canonical(text)} AS ENUM({names})))::INTEGER"
        return f"CASE WHEN {text} IS NOT NULL THEN coalesce({code}, {len(self.classes)}) END"

    def _probabilities(self, raw: Mapping[str, Column]) -> Floats:
        """(rows, classes), NaN where a record does not name the class or what it has is no number."""
        columns = [filled(raw[f"probability {position}"], np.nan) for position in range(len(self.classes))]
        return np.stack(columns, axis=1).astype(np.float64)

    def _packed(self, probabilities: Floats | None, given: Flags) -> Payloads:
        """Probabilities in single precision: a label is compared with them within 1e-7 of each."""
        payloads = np.full(len(given), None, dtype=object)
        if probabilities is None:
            payloads[given] = self._mark
        elif given.any():
            content = np.ascontiguousarray(probabilities[given], dtype=np.float32)
            rows: list[Any] = content.view(np.dtype((np.void, content.shape[1] * 4))).ravel().tolist()
            payloads[given] = objects([self._mark + row for row in rows])
        return payloads

    def _mine(self, rows: Labelled) -> Flags:
        """Predictions that waited, and were of these classes."""
        mark = self._mark
        return np.array([content is not None and content[:4] == mark for content in rows.payload], dtype=bool)

    def _waited(self, rows: Labelled) -> Floats:
        """Probabilities of predictions that waited; NaN where there were none, or of other classes."""
        width = len(self._mark) + 4 * len(self.classes)
        mine = np.flatnonzero(self._mine(rows))
        whole = mine[np.fromiter(map(len, rows.payload[mine]), dtype=np.int64, count=len(mine)) == width]
        probabilities = np.full((len(rows.payload), len(self.classes)), np.nan)
        if len(whole):
            content = np.frombuffer(b"".join(rows.payload[whole].tolist()), dtype=np.uint8)
            numbers = np.ascontiguousarray(content.reshape(len(whole), width)[:, len(self._mark) :])
            probabilities[whole] = numbers.view(np.float32)
        return probabilities


def _known(references: Mapping[str, Reference]) -> Iterator[str]:
    """Classes that were predicted, that were labels, or that had a probability: a rare one is seldom all of them."""
    for reference in references.values():
        for counted in (reference.classes, reference.labels):
            if counted is not None and isinstance(counted.summary, CategoricalSummary):
                yield from counted.summary.categories
        yield from reference.class_calibration


def _keys(name: str) -> list[str]:
    """The keys that a class can have in an object: those of numbers come with and without ``.0``."""
    return [name, f"{name}.0"] if sql.is_whole_number(name) else [name]
