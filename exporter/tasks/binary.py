"""Binary classification: a probability, a class of two, or both."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

import numpy as np

from exporter.parse import sql
from exporter.parse.field_paths import FieldPaths
from exporter.parse.json_lines import filled
from exporter.references.reference import Reference
from exporter.summary.base import Flags, Floats, Groups, Summary
from exporter.summary.outcomes import OutcomeSummary
from exporter.tasks.task import Column, Labelled, Outputs, Task, logged, reject
from mlslo.monitor import Spec


class BinaryTask(Task):
    """The positive class is 1, true or the monitor file's ``positiveClass``."""

    def __init__(self, spec: Spec, references: Mapping[str, Reference]) -> None:
        super().__init__(spec, references)
        self._positive = spec.predictions.positiveClass
        self.classes = ("other", self._positive) if self._positive else ("0", "1")
        self._listed, self._place = spec.predictions.listed_probabilities

    def output_expressions(self, paths: FieldPaths) -> dict[str, str]:
        expressions = {"score": paths.number(self._fields.score)}
        if (numbers := paths.numbers(self._fields.score)) is not None:
            listed = sql.probability(numbers, self._place, self._listed)
            expressions["score"] = f"coalesce({expressions['score']}, {listed})"
        if self._fields.prediction:
            expressions["predicted"] = self.class_code(paths.text(self._fields.prediction))
        return expressions

    def outputs(self, raw: Mapping[str, Column], usable: Flags, rejected: Counter[str]) -> Outputs:
        score = filled(raw["score"], np.nan)[usable].astype(np.float64)
        possible = (score >= 0) & (score <= 1)
        reject(rejected, "invalid_score", logged(raw, usable) & ~possible)
        score[~possible] = np.nan
        unknown = np.full(len(usable), -1)
        predicted = filled(raw.get("predicted", unknown), -1)[usable].astype(np.intp)
        derived = (predicted < 0) & possible
        predicted[derived] = score[derived] >= 0.5
        return Outputs(
            score=score,
            predicted=predicted,
            confidence=np.where(predicted == 0, 1 - score, score),
            entropy=entropy(score),
            value=score if self.scored else np.where(predicted < 0, np.nan, predicted),
        )

    def fold_outcome(self, rows: Labelled, groups: Groups, size: int, *, pivot: float) -> Summary:
        label = rows.label.astype(np.intp)
        return OutcomeSummary.fold(rows.score, rows.predicted, label, groups, size, rows.weight)

    def quality(self, rows: Labelled) -> Floats:
        return np.where(rows.predicted < 0, np.nan, rows.predicted == rows.label)

    def class_code(self, text: str) -> str:
        return sql.binary_class(text, self._positive)


def entropy(score: Floats) -> Floats:
    """Entropy of a binary distribution, in bits; NaN where the score is."""
    with np.errstate(divide="ignore", invalid="ignore"):
        terms = score * np.log2(score) + (1 - score) * np.log2(1 - score)
    return np.where((score == 0) | (score == 1), 0.0, -terms)
