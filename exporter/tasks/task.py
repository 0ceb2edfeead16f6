"""Base class of tasks: how outputs and labels are read, and the summary that both fold into."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from exporter.parse.field_paths import FieldPaths
from exporter.parse.json_lines import filled
from exporter.references.reference import Reference
from exporter.summary.base import Codes, Columns, Flags, Floats, Groups, Summary
from mlslo.monitor import Spec

Column = npt.NDArray[Any]
Payloads = npt.NDArray[np.object_]


@dataclass(frozen=True)
class Outputs(Columns):
    """Arrays of shape (rows,).

    ``score``: what drift is measured of: P(positive), the largest probability, the value, the first item's
    score; NaN where there is none. ``predicted``: a class as its code, -1 where unknown or no class.
    ``confidence``: probability of the predicted class, and ``entropy`` of the distribution in bits; NaN where
    unknown. ``value``: what tells equal outputs from different ones, NaN where there is none, -1 for a class that
    nobody knows and for an empty list. ``payload``: more that a label is compared with, as bytes; None where the task
    needs nothing more. ``probabilities``: (rows, classes) of several classes, NaN where unknown; None where nothing
    is estimated from them.
    """

    score: Floats
    predicted: Codes
    confidence: Floats
    entropy: Floats
    value: Floats
    payload: Payloads | None = None
    probabilities: Floats | None = None

    @classmethod
    def unknown(cls, rows: int, **known: Any) -> Self:
        """Return outputs of which nothing is known but the columns given."""
        nothing = np.full(rows, np.nan)
        columns = dict.fromkeys(("score", "confidence", "entropy", "value"), nothing)
        return cls(**{**columns, "predicted": np.full(rows, -1, dtype=np.intp), **known})

    @property
    def given(self) -> Flags:
        """Rows with an answer that a label can be compared with."""
        found: Flags = ~np.isnan(self.value) | (self.predicted >= 0)
        return found


@dataclass(frozen=True)
class Labelled(Columns):
    """Predictions with their labels, as they waited; arrays of shape (rows,).

    ``label``: int, float or bytes, as the task's ``labels`` gave them. ``delay``: seconds, NaN where unknown.
    ``weight``: how many predictions the row stands for (1, unless only a sample of them waited).
    """

    score: Floats
    predicted: Codes
    payload: Payloads
    label: Column
    delay: Floats
    weight: Floats

    @classmethod
    def nothing(cls) -> Self:
        """No rows."""
        none = np.empty(0)
        return cls(none, np.empty(0, dtype=np.intp), np.empty(0, dtype=object), none, none, none)


@dataclass(frozen=True)
class Corrected(Labelled):
    """Predictions whose label is another now. ``replaced``: what counted before, as ``label``."""

    replaced: Column

    @classmethod
    def of(cls, rows: Labelled, replaced: Column) -> Self:
        return cls(rows.score, rows.predicted, rows.payload, rows.label, rows.delay, rows.weight, replaced)

    @property
    def before(self) -> Labelled:
        """The predictions as they counted."""
        return Labelled(self.score, self.predicted, self.payload, self.replaced, self.delay, self.weight)


class Task(ABC):
    """``classes``: what predicted codes stand for; empty where no answer is one of several classes.

    ``score``: the path of what a score is read from, None where the monitor file names none. ``scored``: whether it is
    read.
    """

    classes: tuple[str, ...] = ()

    def __init__(self, spec: Spec, references: Mapping[str, Reference]) -> None:
        self._fields = spec.predictions.fields
        self._label = spec.labels.fields.label if spec.labels else None
        self.score = self._fields.score
        self.scored = self.score is not None

    @abstractmethod
    def output_expressions(self, paths: FieldPaths) -> dict[str, str]:
        """Alias -> SQL over the fields of a prediction record."""

    def logged(self, paths: FieldPaths) -> dict[str, str]:
        """``scored`` -> SQL for whether a record has a score at all; asked where that is ``unclear``."""
        return {"scored": f"{paths.text(self.score)} IS NOT NULL"} if self.scored else {}

    def unclear(self, raw: Mapping[str, Column]) -> bool:
        """Return True where some record has no score, or one that is none: both come as NULL."""
        return bool(np.ma.is_masked(raw["score"]))

    @abstractmethod
    def outputs(self, raw: Mapping[str, Column], usable: Flags, rejected: Counter[str]) -> Outputs:
        """Return the outputs of the usable rows; impossible ones are counted as ``invalid_score``."""

    def answered(self, outputs: Outputs) -> Flags:
        """Return the rows whose answer, apart from a score, can be measured."""
        return outputs.predicted >= 0 if self.classes else outputs.given

    def label_expression(self, paths: FieldPaths) -> str:
        """Return SQL for the label of a label record."""
        return self.class_code(paths.text(self._label))

    def class_code(self, text: str) -> str:
        """Return SQL for the code of a class, NULL where there is none; for the text, where a task has no classes."""
        return text

    def labels(self, raw: Column) -> tuple[Column, Flags]:
        """Return labels as they are kept (int64, float64 or bytes), and which of them are none."""
        label = filled(raw, -1).astype(np.int64)
        return label, label < 0

    def unknown(self, label: Column) -> Flags:
        """Return the labels that name a class which nobody knows."""
        return np.zeros(len(label), dtype=bool)

    def fold_answers(self, outputs: Outputs, groups: Groups, size: int) -> dict[str, Summary]:
        """Return stacks of ``size`` summaries of answers, by their names, beside those that all tasks have."""
        return {}

    def fold_labels(self, rows: Labelled, groups: Groups, size: int) -> dict[str, Summary]:
        """Return stacks of ``size`` summaries of labels, by their names, beside the outcomes."""
        return {}

    @abstractmethod
    def fold_outcome(self, rows: Labelled, groups: Groups, size: int, *, pivot: float) -> Summary:
        """Return a stack of ``size`` summaries. ``pivot``: a number near the scores, for sums without cancellation."""

    def as_binary(self, rows: Labelled) -> Labelled:
        """Return labelled predictions of two classes with P(the second) as their score."""
        return rows

    @abstractmethod
    def quality(self, rows: Labelled) -> Floats:
        """Return how good each output was: 1 or 0 for a class that is right or wrong, an error for a number, or NaN."""


def logged(raw: Mapping[str, Column], usable: Flags) -> Flags:
    """Usable rows with a score, possible or not; where it was not asked which have one: all, or none if unmapped."""
    if "scored" not in raw:
        return np.full(int(np.count_nonzero(usable)), "score" in raw)
    found: Flags = filled(raw["scored"], False)[usable].astype(bool)
    return found


def scores(raw: Mapping[str, Column], usable: Flags) -> Floats:
    """Return the scores of the usable rows, NaN where there is none, or none is mapped."""
    if "score" not in raw:
        return np.full(int(np.count_nonzero(usable)), np.nan)
    return filled(raw["score"], np.nan)[usable].astype(np.float64)


def objects(values: Sequence[bytes]) -> Payloads:
    """Return ``values`` as an array of objects."""
    found = np.empty(len(values), dtype=object)
    found[:] = values
    return found


def reject(rejected: Counter[str], reason: str, rows: Flags) -> None:
    """Count rows under a reason; none leave no trace."""
    number = int(np.count_nonzero(rows))
    if number:
        rejected[reason] += number
