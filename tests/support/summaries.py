"""Empty summaries, and a comparison of those whose sums are rounded."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import numpy as np

from exporter.summary.base import Summary
from exporter.summary.categorical import CategoricalSummary
from exporter.summary.hashed import RepetitionSummary
from exporter.summary.labels import AccuracyByDelaySummary, LabelBinsSummary
from exporter.summary.multiclass import MulticlassOutcomeSummary
from exporter.summary.numeric import DurationSummary, NumericSummary
from exporter.summary.outcomes import ClassScoresSummary, GroupOutcomeSummary, OutcomeSummary
from exporter.summary.ranking import MEASURES, RankingOutcomeSummary
from exporter.summary.regression import RegressionOutcomeSummary
from exporter.summary.second_moments import SecondMomentsSummary
from exporter.summary.traffic import AttributionSummary, MeansSummary, TrafficSummary

Kind = TypeVar("Kind", bound=Summary)
_NUMBERS, _CODES, _FLAGS = np.empty(0), np.empty(0, dtype=np.intp), np.empty(0, dtype=bool)

_STACKS: Mapping[type[Summary], Callable[..., Any]] = {
    NumericSummary: lambda edges, pivot=0.0: NumericSummary.fold(edges, pivot, _NUMBERS, _CODES, 1),
    CategoricalSummary: lambda categories: CategoricalSummary.fold(categories, _CODES, _CODES, 1),
    SecondMomentsSummary: lambda means, deviations: SecondMomentsSummary.fold(
        means, deviations, [_NUMBERS] * len(means), _CODES, 1
    ),
    TrafficSummary: lambda: TrafficSummary.fold(_FLAGS, _FLAGS, _FLAGS, _CODES, 1),
    MeansSummary: lambda names: MeansSummary.fold(dict.fromkeys(names, _NUMBERS), _CODES, 1),
    DurationSummary: lambda: DurationSummary.fold(_NUMBERS, _CODES, 1),
    RepetitionSummary: lambda: RepetitionSummary.fold(_NUMBERS, _CODES, 1),
    AttributionSummary: lambda names: AttributionSummary.fold(names, np.empty((0, len(names))), _CODES, 1),
    LabelBinsSummary: lambda edges: LabelBinsSummary.fold(edges, _NUMBERS, _CODES, 1),
    AccuracyByDelaySummary: lambda: AccuracyByDelaySummary.fold(_NUMBERS, _NUMBERS, _CODES, 1),
    ClassScoresSummary: lambda edges: ClassScoresSummary.fold(edges, _NUMBERS, _CODES, _CODES, 1),
    GroupOutcomeSummary: lambda: GroupOutcomeSummary.fold(_NUMBERS, _CODES, _CODES, _CODES, 1),
    OutcomeSummary: lambda: OutcomeSummary.fold(_NUMBERS, _CODES, _CODES, _CODES, 1),
    MulticlassOutcomeSummary: lambda classes: MulticlassOutcomeSummary.fold(
        classes, np.empty((0, len(classes))), _CODES, _CODES, _CODES, 1
    ),
    RankingOutcomeSummary: lambda ks=(1, 3, 5, 10, 20): RankingOutcomeSummary.fold(
        ks, np.empty((0, len(MEASURES), len(ks))), _CODES, 1
    ),
    RegressionOutcomeSummary: lambda pivot=0.0: RegressionOutcomeSummary.fold(
        pivot, _NUMBERS, _NUMBERS, _CODES, 1
    ),
}


def empty_of(kind: type[Kind], *constants: Any) -> Kind:
    """The summary of no rows; ``constants``: edges, classes or names that it is over."""
    found: Kind = _STACKS[kind](*constants)[0]
    return found


def isclose(one: Summary, other: Summary) -> bool:
    """Whether two summaries are equal up to the rounding of sums."""
    return np.allclose(one.vector(), other.vector(), rtol=1e-9, atol=1e-9)
