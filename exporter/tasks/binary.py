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
from exporter.summary.outcomes import OutcomeSummary, as_probabilities
from exporter.tasks.task import Column, Labelled, Outputs, Task, logged, reject, scores
from mlslo.monitor import Spec

_UNKNOWN = 2
"""The code of a prediction that is neither class; of a label like that there is none."""


class BinaryTask(Task):
    """The positive class is 1, true, yes or the monitor file's ``positiveClass``."""

    def __init__(self, spec: Spec, references: Mapping[str, Reference]) -> None:
        super().__init__(spec, references)
        self._positive = spec.predictions.positiveClass
        self.classes = ("other", self._positive) if self._positive else ("0", "1")

    def output_expressions(self, paths: FieldPaths) -> dict[str, str]:
        expressions = {"score": paths.number(self.score)} if self.scored else {}
        if self._fields.prediction:
            text = paths.text(self._fields.prediction)
            unknown = f"CASE WHEN {text} IS NOT NULL THEN {_UNKNOWN} END"
            expressions["predicted"] = f"coalesce({self.class_code(text)}, {unknown})"
        return expressions

    def outputs(self, raw: Mapping[str, Column], usable: Flags, rejected: Counter[str]) -> Outputs:
        score = as_probabilities(scores(raw, usable))
        possible = ~np.isnan(score)
        reject(rejected, "invalid_score", logged(raw, usable) & ~possible)
        none = np.full(len(usable), -1)
        predicted = filled(raw.get("predicted", none), -1)[usable].astype(np.intp)
        unknown = predicted == _UNKNOWN
        reject(rejected, "unknown_class", unknown)
        predicted[unknown] = -1
        # The model gave an answer: another one, from its score, might be the opposite.
        derived = (predicted < 0) & possible & ~unknown
        predicted[derived] = score[derived] >= 0.5
        value = score if self.scored else np.where(predicted < 0, np.nan, predicted)
        confidence = np.where(predicted == 0, 1 - score, score)
        return Outputs(
            score=score,
            predicted=predicted,
            confidence=np.where(unknown, np.nan, confidence),
            entropy=entropy(score),
            value=np.where(unknown & np.isnan(value), -1.0, value),
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
