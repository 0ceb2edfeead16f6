"""What is counted of one version of a model: the shapes of its summaries."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from exporter.features.binning.binning import Frame
from exporter.features.binning.categorical import CategoricalFrame
from exporter.features.binning.numeric import Numbers, NumericFrame
from exporter.features.kind import Kind
from exporter.features.kinds import KINDS
from exporter.fold.calibrated_confidence import Certainty
from exporter.fold.decoded_batch import Prepared
from exporter.records import FeatureSet, PredictionColumns
from exporter.references.common_binning import frame_of, ranged
from exporter.references.reference import CategoricalReference, NumericReference, Reference, ViewReference
from exporter.summary.attributions import AttributionSummary
from exporter.summary.base import Floats, Groups, Summary
from exporter.summary.categorical import UNSEEN, CategoricalSummary
from exporter.summary.class_scores import ClassScoresSummary
from exporter.summary.composite import Composite
from exporter.summary.delays import AccuracyByDelaySummary
from exporter.summary.durations import DurationSummary
from exporter.summary.group_outcomes import GroupOutcomeSummary
from exporter.summary.label_bins import LabelBinsSummary
from exporter.summary.means import MeansSummary
from exporter.summary.repetition import RepetitionSummary
from exporter.summary.second_moments import SecondMomentsSummary
from exporter.summary.shape import Shape
from exporter.summary.support import SupportSummary
from exporter.summary.traffic import TrafficSummary
from exporter.tasks.answers import Answers
from exporter.tasks.task import Labelled, Task
from mlslo.monitor import Monitor
from mlslo.yamlfile import InputError

TRAFFIC, OUTCOME, SELECTION, GROUP = "traffic", "outcome", "selection", "group"

MEANS = ("confidence", "entropy", "fallback")


def view_part(view: str) -> str:
    """The part of a traffic summary that counts a view."""
    return f"view {view}"


class Layout:
    """Edges and categories of every view and of the score, from the monitor file and a version's references.

    ``kinds``: feature -> kind. ``frames``: view -> what it is counted over. ``ranges``: view -> declared range.
    ``untyped``: features that are listed, but whose kind neither a reference nor the file knows.
    ``certainty``: what the confidence in a predicted class is worth. ``shapes``: of the summaries of each kind.
    """

    def __init__(self, monitor: Monitor, task: Task, references: Mapping[str, Reference]) -> None:
        """Raises InputError where file and references disagree on a feature's type."""
        self.references = dict(references)
        self._task = task
        self._document = monitor.document
        spec = monitor.spec
        self.ranges = {
            name: (feature.range[0], feature.range[1])
            for name, feature in spec.features.items()
            if feature.range is not None
        }
        self.kinds = _kinds(monitor, references)
        self.views = {
            view: feature for feature, kind in self.kinds.items() for view in kind.views(feature).values()
        }
        frames = {view: self._frame(view) for view in self.views}
        self.frames = {view: frame for view, frame in frames.items() if frame is not None}
        listed = spec.predictions.fields.features
        self.untyped = [name for name in listed if name not in self.kinds] if isinstance(listed, list) else []
        scores = [reference.score for reference in references.values() if reference.score is not None]
        frame = frame_of(list(scores), None) if scores else NumericFrame(np.empty(0), 0.0)
        assert isinstance(frame, NumericFrame)
        self.score = frame
        self.calibrated = any(reference.calibration is not None for reference in references.values())
        self.certainty = Certainty.of(references.values(), task.classes) if task.scored else None
        self.moments = next(
            (found.moments for found in references.values() if found.moments is not None), None
        )
        self.attributed = _attributed(monitor, references, self.kinds)
        self._label_edges = _label_edges(references.values()) if spec.task == "regression" else None
        self._supports = [self._supports_of(reference) for reference in references.values()]
        self.shapes = self._shapes(fairness=spec.fairness is not None)

    def prepare(self, columns: PredictionColumns, decoded: FeatureSet) -> Prepared:
        """Decoded records, ready to be folded. ``decoded``: what the codes of a view stand for."""
        views: dict[str, Any] = {}
        outside = np.zeros((len(columns.time), len(self.references)), dtype=bool)
        for view, frame in self.frames.items():
            values = columns.features[view]
            known = decoded.categories(view)
            if isinstance(frame, CategoricalFrame) and known != frame.categories:
                values = _recoded(values, known, frame.categories)
            for position, supports in enumerate(self._supports):
                if view in supports:
                    outside[:, position] |= supports[view](values)
            views[view] = frame.prepare(values)
        answers = columns.answers
        return Prepared(
            status=columns.status,
            latency=columns.latency,
            answers=answers,
            fallback=np.where(columns.fallback < 0, np.nan, columns.fallback),
            has_features=columns.has_features,
            views=views,
            frames=self.frames,
            score=self.score.prepare(Numbers(np.where(answers.given, answers.score, np.nan), None)),
            score_frame=self.score,
            outside=outside,
            correlated=self._correlated(columns.features),
            attributions=self._attributions(columns.attributions, decoded.attributed),
        )

    def primary(self, view: str) -> bool:
        """Whether ``view`` is the primary one of its feature."""
        feature = self.views[view]
        return self.kinds[feature].primary(feature) == view

    def follows_the_clock(self, view: str) -> bool:
        """Whether values are points in time, always later than a reference's: that they differ is no drift."""
        return self.kinds[self.views[view]].name == "timestamp" and self.primary(view)

    def fold_traffic(self, rows: Prepared, groups: Groups, size: int) -> Composite:
        """A stack of ``size`` summaries of prediction records, one per group."""
        answers = rows.answers
        given = answers.given
        parts: dict[str, Summary] = {
            "traffic": TrafficSummary.fold(rows.status >= 0, rows.status >= 400, given, groups, size),
            "latency": DurationSummary.fold(rows.latency, groups, size),
            "score": self.score.fold(*rows.given_scores(groups), size),
            "repetition": RepetitionSummary.fold(answers.value, groups, size),
            "means": MeansSummary.fold(
                {
                    "confidence": answers.confidence,
                    "entropy": answers.entropy,
                    "fallback": rows.fallback,
                },
                groups,
                size,
            ),
        }
        if self._task.classes:
            parts["classes"] = CategoricalSummary.fold(
                self._task.classes, answers.predicted[given], groups[given], size
            )
        if self.calibrated:
            parts["class scores"] = ClassScoresSummary.fold(
                self.score.edges, answers.score, answers.predicted, groups, size
            )
        if self.certainty is not None:
            parts["certainty"] = MeansSummary.fold({"right": self.certainty.right(answers)}, groups, size)
        featured = None if rows.has_features.all() else np.flatnonzero(rows.has_features)
        members = groups if featured is None else groups[featured]
        if self.references:
            outside = rows.outside if featured is None else rows.outside[featured]
            parts["support"] = SupportSummary.fold(tuple(self.references), outside, members, size)
        if self.moments is not None:
            columns = [column if featured is None else column[featured] for column in rows.correlated]
            of = self.moments.summary
            parts["moments"] = SecondMomentsSummary.fold_columns(
                of.means, of.deviations, columns, members, size
            )
        if self.attributed and rows.attributions is not None:
            parts["attributions"] = AttributionSummary.fold(self.attributed, rows.attributions, groups, size)
        for view, prepared in rows.views.items():
            frame = self.frames[view]
            if featured is not None:
                prepared = frame.rows(prepared, featured)
            parts[view_part(view)] = frame.fold(prepared, members, size)
        return Composite(parts)

    def fold_selection(self, rows: Prepared, groups: Groups, size: int) -> Composite:
        """A stack of ``size`` summaries of the predicted classes of groups of people."""
        given = rows.answers.given
        return Composite(
            {
                "classes": CategoricalSummary.fold(
                    self._task.classes, rows.answers.predicted[given], groups[given], size
                )
            }
        )

    def fold_outcome(self, rows: Labelled, groups: Groups, size: int) -> Composite:
        """A stack of ``size`` summaries of labelled predictions."""
        quality = self._task.quality(rows)
        drifting: dict[str, Summary] = {}
        if self._label_edges is not None:
            label = rows.label.astype(np.float64)
            drifting["labels"] = LabelBinsSummary.fold(self._label_edges, label, groups, size, rows.weight)
        return Composite(
            {
                **self._task.fold_outcome(rows, groups, size, pivot=self.score.pivot),
                **drifting,
                "delay": DurationSummary.fold(np.maximum(rows.delay, 0.0), groups, size),
                "by delay": AccuracyByDelaySummary.fold(rows.delay, quality, groups, size, rows.weight),
            }
        )

    def fold_group(self, rows: Labelled, groups: Groups, size: int) -> Composite:
        """A stack of ``size`` summaries of labelled predictions of groups of people."""
        label = rows.label.astype(np.intp)
        return Composite(
            {
                "outcomes": GroupOutcomeSummary.fold(
                    rows.score, rows.predicted, label, groups, size, rows.weight
                )
            }
        )

    def _frame(self, view: str) -> Frame | None:
        """What a view is counted over; None where only a reference could say, and none does."""
        found = [reference.views[view] for reference in self.references.values() if view in reference.views]
        feature = self.views[view]
        kind = self.kinds[feature]
        if found:
            try:
                return frame_of(found, self.ranges.get(feature) if self.primary(view) else None)
            except ValueError as error:
                message = f"references of feature '{feature}' cannot be used together: {error}"
                raise InputError([self._document.problem(("spec", "references"), message)]) from None
        names = {label: name for name, label in kind.views(feature).items()}
        frame = kind.frames().get(names[view])
        if isinstance(frame, NumericFrame) and self.primary(view) and feature in self.ranges:
            return ranged(frame, self.ranges[feature])
        return frame

    def _supports_of(self, reference: Reference) -> dict[str, Callable[[Any], npt.NDArray[np.bool_]]]:
        """By view; time goes on, and a row is no outlier for having been made on another day."""
        found = {
            view: _support(item, self.frames[view])
            for view, item in reference.views.items()
            if view in self.frames and self.kinds[self.views[view]].name != "timestamp"
        }
        return {view: outside for view, outside in found.items() if outside is not None}

    def _shapes(self, *, fairness: bool) -> dict[str, Shape]:
        nowhere = np.empty(0, dtype=np.intp)
        nothing, unlabelled = self._nothing(), Labelled.nothing()
        stacks = {
            TRAFFIC: self.fold_traffic(nothing, nowhere, 1),
            OUTCOME: self.fold_outcome(unlabelled, nowhere, 1),
        }
        if fairness and len(self._task.classes) == 2:
            stacks[SELECTION] = self.fold_selection(nothing, nowhere, 1)
            stacks[GROUP] = self.fold_group(unlabelled, nowhere, 1)
        shapes = {}
        for kind, stack in stacks.items():
            parts = {name: part[0] for name, part in stack.items()}
            if kind == TRAFFIC:
                parts |= {view_part(view): frame.empty() for view, frame in self.frames.items()}
            empty = Composite(parts)
            shapes[kind] = Shape(kind, self._digest(kind, empty), empty)
        return shapes

    def _nothing(self) -> Prepared:
        """No rows, and no views."""
        moments = self.moments
        return Prepared(
            status=np.empty(0, dtype=np.int32),
            latency=np.empty(0),
            answers=Answers.nothing(),
            fallback=np.empty(0),
            has_features=np.empty(0, dtype=bool),
            views={},
            frames=self.frames,
            score=self.score.prepare(Numbers(np.empty(0), None)),
            score_frame=self.score,
            outside=np.empty((0, len(self.references)), dtype=bool),
            correlated=[] if moments is None else [np.empty(0)] * len(moments.features),
            attributions=np.empty((0, len(self.attributed))) if self.attributed else None,
        )

    def _digest(self, kind: str, empty: Composite) -> str:
        digest = hashlib.sha256()
        for name, part in empty.items():
            digest.update(f"{name}:{type(part).__name__}:{part.vector().size};".encode() + part.signature())
        digest.update("\0".join(self._task.classes).encode())
        if kind == TRAFFIC:
            for view, frame in [*self.frames.items(), ("", self.score)]:
                digest.update(view.encode() + b"\0" + frame.signature())
            digest.update("\0".join((*self.references, "", *self.attributed)).encode())
            if self.certainty is not None:
                digest.update(self.certainty.signature())
            if self.moments is not None:
                of = self.moments.summary
                digest.update(of.means.tobytes() + of.deviations.tobytes())
        return digest.hexdigest()[:16]

    def _attributions(self, columns: Floats | None, known: tuple[str, ...]) -> Floats | None:
        """Those of this version's features, which may be fewer than ``known`` of all versions."""
        if columns is None or known == self.attributed:
            return columns
        return columns[:, [known.index(name) for name in self.attributed]]

    def _correlated(self, features: Mapping[str, Any]) -> list[Floats]:
        return [] if self.moments is None else [features[name].values for name in self.moments.features]


def _kinds(monitor: Monitor, references: Mapping[str, Reference]) -> dict[str, Kind]:
    declared = monitor.spec.features
    found: dict[str, str] = {}
    for reference_name, reference in references.items():
        for feature, kind in reference.kinds.items():
            if feature in declared and declared[feature].type != kind:
                raise monitor.document.error(
                    ("spec", "features", feature, "type"),
                    f"reference '{reference_name}' knows '{feature}' as {kind}; "
                    f"build the reference again or say {kind}",
                )
            if found.setdefault(feature, kind) != kind:
                message = f"references differ in the type of feature '{feature}'"
                raise InputError([monitor.document.problem(("spec", "references"), message)])
    for feature, declaration in declared.items():
        found.setdefault(feature, declaration.type)
    return {feature: KINDS[kind] for feature, kind in found.items()}


def _attributed(
    monitor: Monitor, references: Mapping[str, Reference], kinds: Mapping[str, Kind]
) -> tuple[str, ...]:
    if monitor.spec.predictions.fields.attributions is None:
        return ()
    known = [name for reference in references.values() for name in reference.attributions]
    return tuple(dict.fromkeys([*known, *kinds]))


def _label_edges(references: Iterable[Reference]) -> Floats | None:
    """All that the drift of labels from any reference needs; None where none has labels."""
    known = [
        reference.labels.deciles for reference in references if isinstance(reference.labels, NumericReference)
    ]
    return np.unique(np.concatenate(known)) if known else None


def _recoded(
    codes: npt.NDArray[np.intp], known: tuple[str, ...], wanted: tuple[str, ...]
) -> npt.NDArray[np.intp]:
    """Codes of ``known`` as codes of ``wanted``; negative ones stay what they are."""
    index = {category: position for position, category in enumerate(wanted)}
    table = np.array([index.get(category, UNSEEN) for category in known] or [UNSEEN], dtype=np.intp)
    return np.where(codes >= 0, table[np.maximum(codes, 0)], codes)


def _support(found: ViewReference, frame: Frame) -> Callable[[Any], npt.NDArray[np.bool_]] | None:
    """Tells the values over ``frame`` that ``found`` has never seen the like of; None for what has no such limits."""
    if isinstance(found, NumericReference):
        low, high = float(found.summary.minimum), float(found.summary.maximum)
        return lambda numbers: (numbers.values < low) | (numbers.values > high)
    if isinstance(found, CategoricalReference) and isinstance(frame, CategoricalFrame):
        summary = found.summary
        seen = dict(zip(summary.categories, summary.counts, strict=True))
        # MISSING and UNSEEN count from the end.
        new = np.array([not seen.get(name) for name in frame.categories] + [False, not summary.unseen])
        if not new[:-1].any() and new[-1]:
            return lambda codes: np.asarray(codes == UNSEEN)
        return lambda codes: new[codes]
    return None
