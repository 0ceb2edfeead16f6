"""Static references: summaries of a model's data from when it was right."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, reduce
from typing import Any

import numpy as np
import numpy.typing as npt

from exporter.features import KINDS
from exporter.features.binning import (
    Binning,
    CategoricalBinning,
    EmbeddingBinning,
    MixBinning,
    NumericBinning,
    VocabularyBinning,
)
from exporter.summary.base import Floats
from exporter.summary.categorical import UNSEEN, CategoricalSummary
from exporter.summary.embedding import EmbeddingSummary
from exporter.summary.hashed import VocabularySummary
from exporter.summary.numeric import NumericSummary
from exporter.summary.second_moments import SecondMomentsSummary

IsOutside = Callable[[Any], npt.NDArray[np.bool_]]


class ViewReference(ABC):
    """Counts of one feature view, over a binning of its own.

    Equal to itself only: levels are kept by reference.
    """

    summary: Any

    @staticmethod
    @abstractmethod
    def common_binning(references: Sequence[Any]) -> Binning:
        """Return the binning in which each of ``references``, all of this class, can be compared.

        Raises ValueError where there is none.
        """

    def is_outside(self, binning: Binning) -> IsOutside | None:
        """Return a test for decoded values that are like none of the reference's; None where any may come."""
        return None


@dataclass(frozen=True, eq=False)
class NumericReference(ViewReference):
    """``summary``: counts over the fine quantile edges. ``deciles``: the edges of PSI, a subset of them."""

    summary: NumericSummary
    deciles: Floats

    @staticmethod
    def common_binning(references: Sequence[NumericReference]) -> NumericBinning:
        edges = reduce(np.union1d, [item.summary.edges for item in references])
        return NumericBinning(edges, references[0].summary.pivot)

    def is_outside(self, binning: Binning) -> IsOutside | None:
        low, high = float(self.summary.minimum), float(self.summary.maximum)
        return lambda numbers: (numbers.values < low) | (numbers.values > high)


@dataclass(frozen=True, eq=False)
class CategoricalReference(ViewReference):
    """``summary``: counts per category that the reference has seen."""

    summary: CategoricalSummary

    @staticmethod
    def common_binning(references: Sequence[CategoricalReference]) -> Binning:
        return CategoricalBinning(_all_categories(references))

    def is_outside(self, binning: Binning) -> IsOutside | None:
        assert isinstance(binning, CategoricalBinning)
        seen = dict(zip(self.summary.categories, self.summary.counts, strict=True))
        # MISSING and UNSEEN count from the end.
        new = np.array([not seen.get(name) for name in binning.categories] + [False, not self.summary.unseen])
        if not new[:-1].any() and new[-1]:
            return lambda codes: np.asarray(codes == UNSEEN)
        return lambda codes: new[codes]


@dataclass(frozen=True, eq=False)
class MixReference(CategoricalReference):
    """``summary``: shares of what each value consists of; a value counts as one."""

    @staticmethod
    def common_binning(references: Sequence[CategoricalReference]) -> Binning:
        return MixBinning(_all_categories(references))

    def is_outside(self, binning: Binning) -> IsOutside | None:
        return None


@dataclass(frozen=True, eq=False)
class VocabularyReference(ViewReference):
    """``summary``: counts of hashed tokens."""

    summary: VocabularySummary

    @staticmethod
    def common_binning(references: Sequence[Any]) -> Binning:
        return VocabularyBinning()


@dataclass(frozen=True, eq=False)
class EmbeddingReference(ViewReference):
    """``summary``: the sum of the vectors."""

    summary: EmbeddingSummary

    @staticmethod
    def common_binning(references: Sequence[EmbeddingReference]) -> Binning:
        dimensions = {item.summary.total.size for item in references}
        if len(dimensions) > 1:
            raise ValueError(
                f"vectors of {' and '.join(map(str, sorted(dimensions)))} dimensions do not compare"
            )
        return EmbeddingBinning(dimensions.pop())


FeatureReference = NumericReference | CategoricalReference


def common_binning(references: Sequence[ViewReference]) -> Binning:
    """Return the binning in which every one of ``references`` can be compared: all edges, or all categories.

    Raises ValueError where they are of different types, or vectors of different dimensions.
    """
    if len({type(reference) for reference in references}) != 1:
        raise ValueError("expected references of one type")
    return references[0].common_binning(references)


def _all_categories(references: Sequence[CategoricalReference]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(name for item in references for name in item.summary.categories))


@dataclass(frozen=True)
class FeatureViews:
    """``kind``: a name of KINDS. ``views``: every view of that kind."""

    kind: str
    views: Mapping[str, ViewReference]

    def names(self, feature: str) -> dict[str, str]:
        """View -> its name, as gauges of ``feature`` have it."""
        return KINDS[self.kind].views(feature)

    @property
    def primary(self) -> FeatureReference:
        """The view that knows how many values are missing."""
        first = self.views[KINDS[self.kind].primary_view]
        assert isinstance(first, NumericReference | CategoricalReference)
        return first


@dataclass(frozen=True)
class Calibration:
    """Labels by score: ``rows`` and ``positives`` by bin (edge, next edge], the outer ones open.

    ``edges``: shape (bins - 1,), of the reference of the same scores. ``rows``, ``positives``: shape (bins,).
    """

    edges: Floats
    rows: Floats
    positives: Floats


@dataclass(frozen=True, eq=False)
class Moments:
    """``features``: the numeric ones, in the order that ``summary`` has them."""

    features: tuple[str, ...]
    summary: SecondMomentsSummary


@dataclass(frozen=True)
class Reference:
    """All but ``described`` is there only where the data had it.

    ``created``: Unix seconds. ``hash``: names the content. ``score``: of a binary model the probability, of a
    multiclass one the highest, of a regression the predicted value. ``classes``: predicted ones; those of a binary
    model are 0 and 1. ``labels``: numbers for a regression. ``calibration``: of a binary model's score;
    ``class_calibration``: class -> that of its probability. ``attributions``: feature -> mean |attribution|.
    """

    created: float
    hash: str
    rows: int
    described: Mapping[str, FeatureViews]
    score: NumericReference | None = None
    classes: CategoricalReference | None = None
    labels: FeatureReference | None = None
    calibration: Calibration | None = None
    class_calibration: Mapping[str, Calibration] = field(default_factory=dict)
    moments: Moments | None = None
    attributions: Mapping[str, float] = field(default_factory=dict)

    @cached_property
    def features(self) -> dict[str, FeatureReference]:
        """Feature -> its primary view."""
        return {feature: item.primary for feature, item in self.described.items()}

    @cached_property
    def kinds(self) -> dict[str, str]:
        """Feature -> name of its kind."""
        return {feature: item.kind for feature, item in self.described.items()}

    @cached_property
    def views(self) -> dict[str, ViewReference]:
        """Name of a view, as gauges have it -> that view."""
        return {
            name: item.views[view]
            for feature, item in self.described.items()
            for view, name in item.names(feature).items()
        }
