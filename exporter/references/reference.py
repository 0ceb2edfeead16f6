"""Static references: summaries of a model's data from when it was right."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np

from exporter.features import KINDS
from exporter.features.binning import Binning
from exporter.references.noise import Noise, ViewNoise
from exporter.summary.base import Floats
from exporter.summary.second_moments import SecondMomentsSummary


@dataclass(frozen=True, eq=False)
class ViewReference:
    """Counts of one feature view. ``deciles``: of numbers, the edges of PSI, a subset of their fine edges.

    ``noise``: of the stretches of its data, where that is known. Equal to itself only: levels are kept by reference.
    """

    binning: Binning
    summary: Any
    deciles: Floats = field(default_factory=lambda: np.empty(0))
    noise: ViewNoise | None = None


@dataclass(frozen=True)
class FeatureViews:
    """``kind``: a name of KINDS. ``views``: every view of that kind."""

    kind: str
    views: Mapping[str, ViewReference]

    def names(self, feature: str) -> dict[str, str]:
        """View -> its name, as gauges of ``feature`` have it."""
        return KINDS[self.kind].views(feature)

    @property
    def primary(self) -> ViewReference:
        """The view that knows how many values are missing."""
        return self.views[KINDS[self.kind].primary_view]


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


_ANSWERS = {"(score)": "score", "(predicted)": "classes", "(label)": "labels"}


@dataclass(frozen=True)
class Reference:
    """All but ``described`` is there only where the data had it.

    ``created``: Unix seconds. ``hash``: names the content. ``score``: of a binary model the probability, of a
    multiclass one the highest, of a regression the predicted value. ``classes``: predicted ones; those of a binary
    model are 0 and 1, of a multilabel one the mix of its sets. ``labels``: numbers for a regression, such a mix for
    multilabel. ``calibration``: of a binary model's score;
    ``class_calibration``: class -> that of its probability. ``attributions``: feature -> mean |attribution|. ``noise``:
    where the data was enough to learn it.
    """

    created: float
    hash: str
    rows: int
    described: Mapping[str, FeatureViews]
    score: ViewReference | None = None
    classes: ViewReference | None = None
    labels: ViewReference | None = None
    calibration: Calibration | None = None
    class_calibration: Mapping[str, Calibration] = field(default_factory=dict)
    moments: Moments | None = None
    attributions: Mapping[str, float] = field(default_factory=dict)
    noise: Noise | None = None

    @property
    def answers(self) -> dict[str, ViewReference | None]:
        """Score, predicted class and label, by the names that people and files have for them."""
        return {name: getattr(self, attribute) for name, attribute in _ANSWERS.items()}

    def with_noise(self, noise: Noise | None) -> Reference:
        """Return it with ``noise``, as a whole and of each view."""
        if noise is None:
            return self

        def noisy(name: str, view: ViewReference) -> ViewReference:
            share = float(view.summary.present) / self.rows if self.rows else 0.0
            return replace(view, noise=noise.of_view(name, share))

        described = {
            feature: replace(
                item,
                views={view: noisy(name, item.views[view]) for view, name in item.names(feature).items()},
            )
            for feature, item in self.described.items()
        }
        answers: dict[str, Any] = {
            _ANSWERS[name]: view and noisy(name, view) for name, view in self.answers.items()
        }
        return replace(self, described=described, noise=noise, **answers)

    @cached_property
    def features(self) -> dict[str, ViewReference]:
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
