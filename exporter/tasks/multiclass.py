"""Multiclass classification: an object class -> probability, a class, or both."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

import numpy as np

from exporter import sql
from exporter.leaves import Leaves
from exporter.monitor import Spec
from exporter.parser import filled
from exporter.summary.base import Floats, Groups, Summary
from exporter.summary.multiclass import MulticlassOutcomeSummary
from exporter.tasks.answers import Answers, Payloads
from exporter.tasks.task import Column, Labelled, Mask, Task, reject

_LARGEST_GAP = 0.02
"""By how much probabilities may miss a sum of 1: logs round them."""


class MulticlassTask(Task):
    """``classes``: of the monitor file or of the references; with none, no class can be told."""

    def __init__(self, spec: Spec, classes: tuple[str, ...]) -> None:
        self._fields = spec.predictions.fields
        self._label = spec.labels.fields.label if spec.labels else None
        self.classes = classes
        self.scored = self._fields.score is not None and bool(classes)

    def answer_expressions(self, leaves: Leaves) -> dict[str, str]:
        wanted = {"predicted": self._code(leaves.text(self._fields.prediction))}
        if self.scored:
            for position, name in enumerate(self.classes):
                wanted[f"probability {position}"] = leaves.member_number(self._fields.score, name)
        return wanted

    def answers(self, raw: Mapping[str, Column], usable: Mask, rejected: Counter[str]) -> Answers:
        predicted = filled(raw["predicted"], -1)[usable].astype(np.intp)
        unknown = np.full(len(predicted), np.nan)
        if not self.scored:
            value = np.where(predicted < 0, np.nan, predicted)
            return Answers(unknown, predicted, unknown, unknown, value, None)
        columns = [
            filled(raw[f"probability {position}"], np.nan)[usable] for position in range(len(self.classes))
        ]
        probabilities = np.stack(columns, axis=1).astype(np.float64)
        absent = np.isnan(probabilities)
        logged = ~absent.all(axis=1)
        # A class that a record does not name has probability 0.
        probabilities[absent] = 0.0
        total = probabilities.sum(axis=1)
        possible = (probabilities >= 0).all(axis=1) & (np.abs(total - 1.0) <= _LARGEST_GAP)
        reject(rejected, "invalid_score", logged & ~possible)
        possible &= logged
        probabilities[possible] /= total[possible, None]
        probabilities[~possible] = np.nan
        likeliest = np.argmax(probabilities, axis=1)
        predicted = np.where((predicted < 0) & possible, likeliest, predicted)
        rows = np.arange(len(predicted))
        with np.errstate(divide="ignore", invalid="ignore"):
            terms = np.where(probabilities > 0, probabilities * np.log2(probabilities), 0.0)
        largest = np.where(possible, probabilities.max(axis=1, initial=0.0), np.nan)
        return Answers(
            score=largest,
            predicted=predicted,
            confidence=np.where(predicted < 0, np.nan, probabilities[rows, np.maximum(predicted, 0)]),
            entropy=np.where(possible, -terms.sum(axis=1), np.nan),
            value=largest,
            payload=_packed(probabilities, possible),
        )

    def label_expression(self, leaves: Leaves) -> str:
        text = leaves.text(self._label)
        # A class that nobody knows is a label all the same.
        return f"CASE WHEN {text} IS NOT NULL THEN coalesce({self._code(text)}, {len(self.classes)}) END"

    def labels(self, raw: Column) -> tuple[Column, Mask]:
        label = filled(raw, -1).astype(np.int64)
        return label, label < 0

    def fold_outcome(self, rows: Labelled, groups: Groups, size: int, *, pivot: float) -> dict[str, Summary]:
        label = np.where(rows.label < len(self.classes), rows.label, -1).astype(np.intp)
        probabilities = self._unpacked(rows.payload)
        return {
            "outcomes": MulticlassOutcomeSummary.fold(
                self.classes, probabilities, rows.predicted, label, groups, size, rows.weight
            )
        }

    def quality(self, rows: Labelled) -> Floats:
        return np.where(rows.predicted < 0, np.nan, rows.predicted == rows.label)

    def _code(self, text: str) -> str:
        if not self.classes:
            return "NULL::INTEGER"
        text = sql.canonical(text)
        cases = " ".join(
            f"WHEN {text} = {sql.text(name)} THEN {code}" for code, name in enumerate(self.classes)
        )
        return f"CASE {cases} END"

    def _unpacked(self, payloads: Payloads) -> Floats:
        probabilities = np.full((len(payloads), len(self.classes)), np.nan)
        width = 4 * len(self.classes)
        rows = [row for row, content in enumerate(payloads) if content is not None and len(content) == width]
        if rows:
            content = b"".join(payloads[rows].tolist())
            probabilities[rows] = np.frombuffer(content, dtype=np.float32).reshape(len(rows), -1)
        return probabilities


def _packed(probabilities: Floats, possible: Mask) -> Payloads:
    """Single precision: a label is compared with them within 1e-7."""
    content = probabilities.astype(np.float32)
    payloads = np.full(len(content), None, dtype=object)
    for row in np.flatnonzero(possible):
        payloads[row] = content[row].tobytes()
    return payloads
