"""Static references: summaries of a model's data from when it was right."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np

from exporter.features import KINDS
from exporter.features.binning import Binning
from exporter.references.loss_estimator import LossEstimator
from exporter.references.noise import Noise, ViewNoise
from exporter.state import OTHER
from exporter.statistics.attribution_ranking import mean_absolute_attribution
from exporter.summary.base import Composite, Floats, Merge, Summary, merged_by
from exporter.summary.outcomes import CalibrationSummary
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


@dataclass(frozen=True, eq=False)
class Calibration(Summary):
    """Labels by score: ``rows`` and ``positives`` by bin (edge, next edge], the outer ones open.

    ``edges``: shape (bins - 1,), of the reference of the same scores. ``rows``, ``positives``: shape (bins,).
    """

    edges: Floats
    rows: Floats = merged_by(Merge.SUM)
    positives: Floats = merged_by(Merge.SUM)


@dataclass(frozen=True, eq=False)
class Moments:
    """``features``: the numeric ones, in the order that ``summary`` has them."""

    features: tuple[str, ...]
    summary: SecondMomentsSummary


@dataclass(frozen=True, eq=False)
class SegmentCounts:
    """Rows of one segment value, or of several. ``counts``: part -> summary, named as in ``Reference.counts``.

    Attributions are summed, as a log's are, so that those of several values merge.
    """

    rows: int
    counts: Composite

    def __add__(self, other: SegmentCounts) -> SegmentCounts:
        return SegmentCounts(self.rows + other.rows, self.counts + other.counts)


ANSWERS = {"(score)": "score", "(predicted)": "classes", "(label)": "labels"}
"""Names of scores, classes and labels in accounts and files -> attributes of a ``Reference``."""


@dataclass(frozen=True)
class Reference:
    """All but ``described`` is there only where the data had it.

    ``created``: Unix seconds. ``hash``: names the content. ``score``: of a binary model the probability, of a
    multiclass one the highest, of a regression the predicted value. ``classes``: predicted ones; those of a binary
    model are 0 and 1, of a multilabel one the mix of its sets. ``labels``: numbers for a regression, such a mix for
    multilabel. ``calibration``: of a binary model's score;
    ``class_calibration``: class -> that of its probability. ``attributions``: feature -> mean |attribution|.
    ``outcomes``: labelled predictions of a classifier; of a binary one with their confusion. ``segments``: segment ->
    value -> what its rows are, of every segment that was asked for and that the data has; ``groups``: the same of
    attributes, whose rows have predicted classes and outcomes only.
    ``loss_estimator``: of a regression, fitted where ``baseline`` was asked to. ``noise``: where the data was enough to
    learn it.
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
    outcomes: CalibrationSummary | None = None
    segments: Mapping[str, Mapping[str, SegmentCounts]] = field(default_factory=dict)
    groups: Mapping[str, Mapping[str, SegmentCounts]] = field(default_factory=dict)
    loss_estimator: LossEstimator | None = None
    noise: Noise | None = None

    @property
    def answers(self) -> dict[str, ViewReference | None]:
        """Score, predicted class and label, by the names that people and files have for them."""
        return {name: getattr(self, attribute) for name, attribute in ANSWERS.items()}

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
            ANSWERS[name]: view and noisy(name, view) for name, view in self.answers.items()
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

    def of_segment(self, segment: str, value: str, apart: Collection[str] = ()) -> Reference | None:
        """Return the reference of one segment value, over the same binnings; itself for all traffic.

        ``apart``: the values that the log counts by themselves. OTHER is what is left by both: what the reference
        counts under it, and its values that the log does not count by themselves. None where the rows of the value are
        not known: the data had none, or it is among OTHER; of OTHER, where a value of ``apart`` is.
        """
        if not segment:
            return self
        values = self.segments.get(segment, {})
        names: tuple[str, ...] = (value,) if value in values else ()
        if value == OTHER:
            unknown = OTHER in values and not values.keys() >= set(apart)
            names = () if unknown else tuple(name for name in values if name == OTHER or name not in apart)
        if not names:
            return None
        known, reference = self._of_segments.get((segment, value), ((), self))
        if known != names:
            first, *others = (values[name] for name in names)
            reference = self._counting(sum(others, first), segment, names)
            self._of_segments[segment, value] = names, reference
        return reference

    @cached_property
    def _of_segments(self) -> dict[tuple[str, str], tuple[tuple[str, ...], Reference]]:
        """Segment and value -> what it is of, and its reference: what is worked out of one is kept by identity."""
        return {}

    @property
    def counts(self) -> Composite:
        """Part -> summary, of every part that a segment has, too; attributions are no counts here."""
        parts = {view_part(name): view.summary for name, view in self.views.items()}
        for name in ("score", "classes", "labels", "moments"):
            part = getattr(self, name)
            if part is not None:
                parts[name] = part.summary
        for name in ("calibration", "outcomes"):
            if (part := getattr(self, name)) is not None:
                parts[name] = part
        parts |= {calibration_part(name): part for name, part in self.class_calibration.items()}
        return Composite(parts)

    def _counting(self, found: SegmentCounts, segment: str, values: Sequence[str]) -> Reference:
        """Return this reference with what was found of ``values`` of a segment, without the parts that they lack."""
        counts = found.counts

        def counted(part: Any, name: str) -> Any:
            return replace(part, summary=counts[name]) if part is not None and name in counts else None

        described = {
            feature: FeatureViews(
                item.kind,
                {
                    view: counted(item.views[view], view_part(name))
                    for view, name in item.names(feature).items()
                },
            )
            for feature, item in self.described.items()
        }
        attributed = mean_absolute_attribution(counts["attributions"]) if "attributions" in counts else {}
        reference = Reference(
            created=self.created,
            hash=self.hash,
            rows=found.rows,
            described=described,
            score=counted(self.score, "score"),
            classes=counted(self.classes, "classes"),
            labels=counted(self.labels, "labels"),
            calibration=counts.get("calibration"),
            class_calibration={
                name: counts[calibration_part(name)]
                for name in self.class_calibration
                if calibration_part(name) in counts
            },
            moments=counted(self.moments, "moments"),
            attributions={name: mean for name, mean in attributed.items() if mean is not None},
            outcomes=counts.get("outcomes"),
        )
        if self.noise is None or not found.rows:
            return reference
        return reference.with_noise(self.noise.of_segment(segment, values, found.rows / self.rows))


def view_part(view: str) -> str:
    """Return the name of the part that counts a view."""
    return f"view {view}"


def calibration_part(name: str) -> str:
    """Return the name of the part that is the calibration of a class."""
    return f"calibration of {name}"
