"""Schema of one version: binnings of its views and score, calibrated classes, decoded rows and their summaries."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from exporter.features import KINDS, Kind
from exporter.features.binning import (
    Binning,
    CategoricalBinning,
    IsOutside,
    Numbers,
    NumericBinning,
    common_binning,
)
from exporter.fold.class_calibration import ClassCalibration
from exporter.fold.float_sums import FloatSums, width_of_floats
from exporter.records.columns import ERROR, PredictionColumns
from exporter.records.compared import COMPARABLE, NUMERIC
from exporter.records.features import FeatureSet
from exporter.references.reference import Reference, view_part
from exporter.summary.base import Codes, Columns, Composite, Flags, Floats, Groups, Integers, Shape, Summary
from exporter.summary.categorical import UNSEEN, CategoricalSummary
from exporter.summary.hashed import RepetitionSummary
from exporter.summary.labels import AccuracyByDelaySummary, LabelBinsSummary
from exporter.summary.numeric import DurationSummary
from exporter.summary.outcomes import ClassScoresSummary, GroupOutcomeSummary
from exporter.summary.second_moments import SecondMomentsSummary
from exporter.summary.skew import FeatureAgeSummary, SkewSummary, differing
from exporter.summary.traffic import AttributionSummary, MeansSummary, SupportSummary, TrafficSummary
from exporter.tasks.task import Labelled, Outputs, Task
from mlslo.monitor import Monitor


@dataclass(frozen=True)
class DecodedBatch(Columns):
    """Arrays of shape (rows,), but ``outside`` (rows, references) and ``attributions`` (rows, features).

    ``views`` and ``score``: as their binnings prepared them. ``fallback``: 1, 0 or NaN. ``correlated``: the column of
    each feature whose moments are counted. ``losses``: estimates of |error| and of its square. ``ages``: of features,
    in seconds.
    """

    status: npt.NDArray[np.int32]
    latency: Floats
    outputs: Outputs
    fallback: Floats
    has_features: Flags
    views: Mapping[str, Any]
    score: Any
    outside: Flags
    correlated: Mapping[str, Floats]
    attributions: Floats | None
    losses: Mapping[str, Floats]
    ages: Mapping[str, Floats]


@dataclass(frozen=True)
class Compared(Columns):
    """Served values beside offline ones of the same ids, as codes of shape (rows, features).

    ``known``: whether both sides have the column. ``weight``: predictions a row stands for, shape (rows,).
    """

    served: Integers
    offline: Integers
    known: Flags
    weight: Floats


TRAFFIC, OUTCOME, SELECTION, GROUP = "traffic", "outcome", "selection", "group"
SKEW, AGE = "skew", "age"


class Schema:
    """Binnings and summaries of one version, from the monitor file and the version's references.

    ``kinds``: feature -> kind. ``views``: view -> feature. ``binnings``: view -> what it is counted over.
    ``ranges``: feature -> declared range. ``untyped``: features that are listed, but whose kind neither a reference nor
    the file knows. ``classes``: what the probabilities of several classes are worth. ``loss``: estimates
    errors. ``shapes``: of the summaries of
    each kind.
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
        binnings = {view: self._binning(view) for view in self.views}
        self.binnings = {view: binning for view, binning in binnings.items() if binning is not None}
        listed = spec.predictions.fields.feature_names or []
        self.untyped = [name for name in listed if name not in self.kinds]
        known = list(references.values())
        scores = [reference.score.binning for reference in known if reference.score is not None]
        numeric = [binning for binning in scores if isinstance(binning, NumericBinning)]
        self.score = NumericBinning.common(numeric) if numeric else NumericBinning.without_edges()
        self.calibrated = any(reference.calibration is not None for reference in known)
        self.classes = ClassCalibration.of(known, task.classes) if task.scored else None
        self.loss = next((found.loss_estimator for found in known if found.loss_estimator is not None), None)
        self.moments = next((found.moments for found in known if found.moments is not None), None)
        self.attributed: tuple[str, ...] = ()
        if spec.predictions.fields.attributions is not None:
            attributed = [name for reference in known for name in reference.attributions]
            self.attributed = tuple(dict.fromkeys([*attributed, *self.kinds]))
        labels = [reference.labels for reference in known if reference.labels is not None]
        deciles = [found.deciles for found in labels if isinstance(found.binning, NumericBinning)]
        # All edges that the drift of labels from any reference needs.
        edges = np.unique(np.concatenate(deciles)) if deciles else None
        self._label_edges: Floats | None = edges if spec.task == "regression" else None
        self.made = spec.featureTimestamps
        self._skew = spec.skew
        asked = spec.skew.features or [*self.kinds] if spec.skew is not None else []
        self.compared = {
            name: self.kinds[name].name
            for name in asked
            if name in self.kinds and self.kinds[name].name in COMPARABLE
        }
        self._outside = [self._outside_of(reference) for reference in known]
        self.shapes = self._shapes(fairness=spec.fairness is not None)

    def prepare(self, columns: PredictionColumns, decoded: FeatureSet) -> DecodedBatch:
        """Prepare decoded records for folding. ``decoded``: what the codes of a view stand for."""
        views: dict[str, Any] = {}
        outside = np.zeros((len(columns.time), len(self.references)), dtype=bool)
        for view, binning in self.binnings.items():
            values = columns.features[view]
            known = decoded.categories(view)
            if isinstance(binning, CategoricalBinning) and known != binning.categories:
                values = _recoded(values, known, binning.categories)
            for position, tests in enumerate(self._outside):
                if view in tests:
                    outside[:, position] |= tests[view](values)
            views[view] = binning.prepare(values)
        outputs, attributions = columns.outputs, columns.attributions
        if attributions is not None and decoded.attributed != self.attributed:
            # Other versions may have more features.
            attributions = attributions[:, [decoded.attributed.index(name) for name in self.attributed]]
        correlated = () if self.moments is None else self.moments.features
        return DecodedBatch(
            status=columns.status,
            latency=columns.latency,
            outputs=outputs,
            fallback=np.where(columns.fallback < 0, np.nan, columns.fallback),
            has_features=columns.has_features,
            views=views,
            score=self.score.prepare(np.where(outputs.given, outputs.score, np.nan)),
            outside=outside,
            correlated={name: columns.features[name].values for name in correlated},
            attributions=attributions,
            losses=self._losses(columns, decoded),
            ages=columns.ages,
        )

    def _losses(self, columns: PredictionColumns, decoded: FeatureSet) -> dict[str, Floats]:
        """Estimate the losses of rows that have an answer."""
        if self.loss is None:
            return {}
        score = np.where(columns.outputs.given, columns.outputs.score, np.nan)
        inputs = np.full((len(score), len(self.loss.features) + 1), np.nan)
        inputs[:, -1] = score
        for place, (name, categories) in enumerate(self.loss.features.items()):
            values = columns.features.get(name)
            if isinstance(values, Numbers):
                inputs[:, place] = values.values
            elif values is not None and categories:
                codes = _recoded(values, decoded.categories(name), categories)
                inputs[:, place] = np.where(codes >= 0, codes, np.nan)
        absolute, squared = self.loss.estimate(inputs)
        return {"absolute": absolute, "squared": squared}

    def primary(self, view: str) -> bool:
        """Return True where ``view`` is the primary one of its feature."""
        feature = self.views[view]
        return self.kinds[feature].primary(feature) == view

    def fold_traffic(self, rows: DecodedBatch, groups: Groups, size: int) -> Composite:
        """Return a stack of ``size`` summaries of prediction records, one per group."""
        outputs = rows.outputs
        given = outputs.given
        answers = slice(None) if given.all() else np.flatnonzero(given)
        means = {"confidence": outputs.confidence, "entropy": outputs.entropy, "fallback": rows.fallback}
        parts: dict[str, Summary] = {
            "traffic": TrafficSummary.fold(rows.status >= 0, rows.status >= ERROR, given, groups, size),
            "latency": DurationSummary.fold(rows.latency, groups, size),
            "score": self.score.fold(rows.score[answers], groups[answers], size),
            "repetition": RepetitionSummary.fold(outputs.value, groups, size),
            "means": MeansSummary.fold(means, groups, size),
        }
        if self._task.classes:
            parts |= self.fold_selection(rows, groups, size)
        parts |= self._task.fold_answers(outputs, groups, size)
        if self.calibrated:
            parts["class scores"] = ClassScoresSummary.fold(
                self.score.edges, outputs.score, outputs.predicted, groups, size
            )
        if self.classes is not None:
            parts["chances"] = self.classes.fold(outputs, groups, size)
        if self.loss is not None:
            parts["losses"] = MeansSummary.fold(dict(rows.losses), groups, size)
        featured = slice(None) if rows.has_features.all() else np.flatnonzero(rows.has_features)
        members = groups[featured]
        if self.references:
            parts["support"] = SupportSummary.fold(
                tuple(self.references), rows.outside[featured], members, size
            )
        if self.moments is not None:
            columns = [column[featured] for column in rows.correlated.values()]
            of = self.moments.summary
            parts["moments"] = SecondMomentsSummary.fold(of.means, of.deviations, columns, members, size)
        if self.attributed and rows.attributions is not None:
            parts["attributions"] = AttributionSummary.fold(self.attributed, rows.attributions, groups, size)
        for view, prepared in rows.views.items():
            some = prepared if isinstance(featured, slice) else prepared[featured]
            parts[view_part(view)] = self.binnings[view].fold(some, members, size)
        return Composite(parts)

    def fold_selection(self, rows: DecodedBatch, groups: Groups, size: int) -> Composite:
        """Return a stack of ``size`` summaries of predicted classes."""
        given = rows.outputs.given
        predicted = rows.outputs.predicted[given]
        return Composite(
            {"classes": CategoricalSummary.fold(self._task.classes, predicted, groups[given], size)}
        )

    def fold_outcome(self, rows: Labelled, groups: Groups, size: int) -> Composite:
        """Return a stack of ``size`` summaries of labelled predictions."""
        parts = {"outcomes": self._task.fold_outcome(rows, groups, size, pivot=self.score.pivot)}
        parts |= self._task.fold_labels(rows, groups, size)
        if self._label_edges is not None:
            label = rows.label.astype(np.float64)
            parts["labels"] = LabelBinsSummary.fold(self._label_edges, label, groups, size, rows.weight)
        parts["delay"] = DurationSummary.fold(np.maximum(rows.delay, 0.0), groups, size)
        parts["by delay"] = AccuracyByDelaySummary.fold(
            rows.delay, self._task.quality(rows), groups, size, rows.weight
        )
        return Composite(parts)

    def fold_group(self, rows: Labelled, groups: Groups, size: int) -> Composite:
        """Return a stack of ``size`` summaries of labelled predictions of groups of people."""
        # A label of an unknown class is neither positive nor negative.
        known = np.flatnonzero(rows.label < len(self._task.classes))
        rows, groups = self._task.as_binary(rows.take(known)), groups[known]
        label = rows.label.astype(np.intp)
        outcomes = GroupOutcomeSummary.fold(rows.score, rows.predicted, label, groups, size, rows.weight)
        return Composite({"outcomes": outcomes})

    def fold_ages(self, rows: DecodedBatch, groups: Groups, size: int) -> Composite:
        """Return a stack of ``size`` summaries of the ages of features."""
        return Composite(
            {name: FeatureAgeSummary.fold(ages, groups, size) for name, ages in rows.ages.items()}
        )

    def fold_skew(self, rows: Compared, groups: Groups, size: int) -> Composite:
        """Return a stack of ``size`` summaries of served and offline values, whose columns are ``compared``."""
        assert self._skew is not None
        numeric = np.array([kind == NUMERIC for kind in self.compared.values()], dtype=bool)
        tolerance = self._skew.tolerance
        differ = differing(rows.served, rows.offline, numeric, tolerance.relative, tolerance.absolute)
        features = tuple(self.compared)
        of = (rows.served, rows.offline, differ, rows.known, rows.weight)
        return Composite({SKEW: SkewSummary.fold(features, *of, groups, size)})

    def _binning(self, view: str) -> Binning | None:
        """Return what a view is counted over; None where only a reference could say, and none does."""
        known = self.references.values()
        found = [reference.views[view].binning for reference in known if view in reference.views]
        feature = self.views[view]
        kind = self.kinds[feature]
        if found:
            try:
                binning: Binning | None = common_binning(found)
            except ValueError as error:
                message = f"references of feature '{feature}' cannot be used together: {error}"
                raise self._document.error(("spec", "references"), message) from None
        else:
            names = {label: name for name, label in kind.views(feature).items()}
            binning = kind.binnings.get(names[view])
        if isinstance(binning, NumericBinning) and self.primary(view) and feature in self.ranges:
            return binning.ranged(*self.ranges[feature])
        return binning

    def _outside_of(self, reference: Reference) -> dict[str, IsOutside]:
        """View -> test of values; time goes on, and a row of another day is no outlier for that."""
        found = {
            view: self.binnings[view].is_outside(item.summary)
            for view, item in reference.views.items()
            if view in self.binnings and self.kinds[self.views[view]].name != "timestamp"
        }
        return {view: test for view, test in found.items() if test is not None}

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
        if self.made:
            stacks[AGE] = self.fold_ages(nothing, nowhere, 1)
        if self._skew is not None:
            none = np.empty((0, len(self.compared)), dtype=np.int64)
            uncompared = Compared(none, none, none.astype(bool), np.empty(0))
            stacks[SKEW] = self.fold_skew(uncompared, nowhere, 1)
        shapes = {}
        for kind, stack in stacks.items():
            parts = {name: part[0] for name, part in stack.items()}
            if kind == TRAFFIC:
                parts |= {view_part(view): binning.empty() for view, binning in self.binnings.items()}
            empty = Composite(parts)
            shapes[kind] = Shape(kind, self._digest(kind, empty), empty)
        return shapes

    def _nothing(self) -> DecodedBatch:
        """No rows, and no views."""
        none = np.empty(0)
        return DecodedBatch(
            status=np.empty(0, dtype=np.int32),
            latency=none,
            outputs=Outputs.unknown(0),
            fallback=none,
            has_features=np.empty(0, dtype=bool),
            views={},
            score=self.score.prepare(none),
            outside=np.empty((0, len(self.references)), dtype=bool),
            correlated={} if self.moments is None else dict.fromkeys(self.moments.features, none),
            attributions=np.empty((0, len(self.attributed))),
            losses={} if self.loss is None else {"absolute": none, "squared": none},
            ages=dict.fromkeys(self.made, none),
        )

    def float_sums(self, shape: Shape) -> FloatSums:
        """Return what ``shape`` was in state files of schema 6 and before."""
        digest = self._digest(shape.kind, shape.empty, width_of_floats)
        return FloatSums(digest, shape.empty)

    def _digest(
        self, kind: str, empty: Composite, width: Callable[[Summary], int] = lambda part: part.vector().size
    ) -> str:
        digest = hashlib.sha256()
        for name, part in empty.items():
            digest.update(f"{name}:{type(part).__name__}:{width(part)};".encode() + part.signature())
        digest.update("\0".join(self._task.classes).encode())
        if kind == SKEW:
            digest.update(f"{self.compared};{self._skew and self._skew.tolerance}".encode())
        if kind == TRAFFIC:
            for view, binning in [*self.binnings.items(), ("", self.score)]:
                digest.update(f"{view}:{type(binning).__name__};".encode())
            if self.classes is not None:
                digest.update(self.classes.signature())
            if self.loss is not None:
                digest.update(self.loss.signature())
        return digest.hexdigest()[:16]


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
                raise monitor.document.error(("spec", "references"), message)
    for feature, declaration in declared.items():
        found.setdefault(feature, declaration.type)
    return {feature: KINDS[kind] for feature, kind in found.items()}


def _recoded(codes: Codes, known: tuple[str, ...], target: tuple[str, ...]) -> Codes:
    """Convert codes of ``known`` to codes of ``target``; negative ones stay what they are."""
    index = {category: position for position, category in enumerate(target)}
    table = np.array([index.get(category, UNSEEN) for category in known] or [UNSEEN], dtype=np.intp)
    return np.where(codes >= 0, table[np.maximum(codes, 0)], codes)
