"""Regression: a number."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

import numpy as np

from exporter.parse.field_paths import FieldPaths
from exporter.parse.json_lines import filled
from exporter.summary.base import Floats, Groups, Summary
from exporter.summary.regression import RegressionOutcomeSummary
from exporter.tasks.answers import Answers
from exporter.tasks.task import Column, Labelled, Mask, Task, logged, reject
from mlslo.monitor import Spec


class RegressionTask(Task):
    """The value is ``score``, or ``prediction`` where there is no score."""

    def __init__(self, spec: Spec) -> None:
        self._value = spec.predictions.fields.score or spec.predictions.fields.prediction
        self._label = spec.labels.fields.label if spec.labels else None
        self.scored = self._value is not None

    def answer_expressions(self, paths: FieldPaths) -> dict[str, str]:
        return {"score": paths.number(self._value)}

    def logged(self, paths: FieldPaths) -> dict[str, str]:
        return {"scored": f"{paths.text(self._value)} IS NOT NULL"} if self.scored else {}

    def answers(self, raw: Mapping[str, Column], usable: Mask, rejected: Counter[str]) -> Answers:
        value = filled(raw["score"], np.nan)[usable].astype(np.float64)
        possible = np.isfinite(value)
        reject(rejected, "invalid_score", logged(raw, usable) & ~possible)
        value[~possible] = np.nan
        unknown = np.full(len(value), np.nan)
        return Answers(
            score=value,
            predicted=np.full(len(value), -1, dtype=np.intp),
            confidence=unknown,
            entropy=unknown,
            value=value,
        )

    def label_expression(self, paths: FieldPaths) -> str:
        return paths.number(self._label)

    def labels(self, raw: Column) -> tuple[Column, Mask]:
        label = filled(raw, np.nan).astype(np.float64)
        return label, ~np.isfinite(label)

    def fold_outcome(self, rows: Labelled, groups: Groups, size: int, *, pivot: float) -> dict[str, Summary]:
        return {
            "outcomes": RegressionOutcomeSummary.fold(
                pivot, rows.score, rows.label, groups, size, rows.weight
            )
        }

    def quality(self, rows: Labelled) -> Floats:
        with np.errstate(over="ignore"):  # an error beyond the floats is infinite, and left out
            return np.abs(rows.score - rows.label)
