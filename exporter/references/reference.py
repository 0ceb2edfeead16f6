"""Static references: what a model's data looked like when it was right."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

from exporter.features.kinds import KINDS
from exporter.summary.base import Floats
from exporter.summary.categorical import CategoricalSummary
from exporter.summary.embedding import EmbeddingSummary
from exporter.summary.numeric import NumericSummary
from exporter.summary.second_moments import SecondMomentsSummary
from exporter.summary.vocabulary import VocabularySummary


@dataclass(frozen=True)
class NumericReference:
    """``summary``: counts over the fine quantile edges. ``deciles``: the edges of PSI, a subset of them."""

    summary: NumericSummary
    deciles: Floats


@dataclass(frozen=True)
class CategoricalReference:
    """``summary``: counts per category that the reference has seen."""

    summary: CategoricalSummary


@dataclass(frozen=True)
class MixReference(CategoricalReference):
    """``summary``: what the values were made of, each value counting as one."""


@dataclass(frozen=True)
class VocabularyReference:
    """``summary``: counts of hashed tokens."""

    summary: VocabularySummary


@dataclass(frozen=True)
class EmbeddingReference:
    """``summary``: the sum of the vectors."""

    summary: EmbeddingSummary


FeatureReference = NumericReference | CategoricalReference
ViewReference = NumericReference | CategoricalReference | VocabularyReference | EmbeddingReference


@dataclass(frozen=True)
class FeatureViews:
    """``kind``: a name of KINDS. ``views``: every view of that kind."""

    kind: str
    views: Mapping[str, ViewReference]

    @property
    def primary(self) -> FeatureReference:
        """The view that knows how many values are missing."""
        first = self.views[next(iter(KINDS[self.kind].views("")))]
        assert isinstance(first, NumericReference | CategoricalReference)
        return first


@dataclass(frozen=True)
class Calibration:
    """What came of scores: ``rows`` and ``positives`` by bin (edge, next edge], the outer ones open.

    ``edges``: shape (bins - 1,), of the reference of the same scores. ``rows``, ``positives``: shape (bins,).
    """

    edges: Floats
    rows: Floats
    positives: Floats


@dataclass(frozen=True)
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
            for view, name in KINDS[item.kind].views(feature).items()
        }
