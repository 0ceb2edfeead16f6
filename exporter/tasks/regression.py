"""Regression: a number."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

import numpy as np

from exporter.parse.field_paths import FieldPaths
from exporter.parse.json_lines import filled
from exporter.references.reference import Reference
from exporter.summary.base import Flags, Floats, Groups, Summary
from exporter.summary.regression import RegressionOutcomeSummary
from exporter.tasks.task import Column, Labelled, Outputs, Task, logged, reject, scores
from mlslo.monitor import Spec


class RegressionTask(Task):
    """The value is ``score``, or ``prediction`` where there is no score."""

    def __init__(self, spec: Spec, references: Mapping[str, Reference]) -> None:
        super().__init__(spec, references)
        self.score = self._fields.score or self._fields.prediction
        self.scored = self.score is not None

    def output_expressions(self, paths: FieldPaths) -> dict[str, str]:
        return {"score": paths.number(self.score)} if self.scored else {}

    def outputs(self, raw: Mapping[str, Column], usable: Flags, rejected: Counter[str]) -> Outputs:
        value = scores(raw, usable)
        possible = np.isfinite(value)
        reject(rejected, "invalid_score", logged(raw, usable) & ~possible)
        value[~possible] = np.nan
        return Outputs.unknown(len(value), score=value, value=value)

    def label_expression(self, paths: FieldPaths) -> str:
        return paths.number(self._label)

    def labels(self, raw: Column) -> tuple[Column, Flags]:
        label = filled(raw, np.nan).astype(np.float64)
        return label, ~np.isfinite(label)

    def fold_outcome(self, rows: Labelled, groups: Groups, size: int, *, pivot: float) -> Summary:
        return RegressionOutcomeSummary.fold(pivot, rows.score, rows.label, groups, size, rows.weight)

    def quality(self, rows: Labelled) -> Floats:
        with np.errstate(over="ignore"):  # an error beyond the floats is infinite, and left out
            return np.abs(rows.score - rows.label)
