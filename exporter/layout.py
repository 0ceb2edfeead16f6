"""What is counted of one model: the shape of its summaries."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import reduce

import numpy as np
import numpy.typing as npt

from exporter.monitor import Monitor
from exporter.records import PredictionColumns, prediction_expressions
from exporter.reference import CategoricalReference, FeatureReference, NumericReference, Reference
from exporter.summary.base import Floats, Summary
from exporter.summary.categorical import CategoricalSummary
from exporter.summary.composite import Composite
from exporter.summary.durations import DurationSummary
from exporter.summary.numeric import NumericSummary
from exporter.summary.outcomes import OutcomeSummary
from exporter.summary.repetition import RepetitionSummary
from exporter.summary.traffic import TrafficSummary
from exporter.yamlfile import InputError

Groups = npt.NDArray[np.intp]


@dataclass(frozen=True)
class NumericFrame:
    """``edges``: all that any reference needs. ``pivot``: near the values, for sums without cancellation."""

    edges: Floats
    pivot: float


@dataclass(frozen=True)
class CategoricalFrame:
    """``categories``: all that any reference has seen."""

    categories: tuple[str, ...]


Frame = NumericFrame | CategoricalFrame


class Layout:
    """Edges and categories of every feature and of the score, from the monitor file and its references.

    ``untyped``: features that are listed, but whose type neither a reference nor the file knows.
    """

    def __init__(self, monitor: Monitor, references: Mapping[str, Reference]) -> None:
        """Raises InputError where file and references disagree on a feature's type, or names cannot be told apart."""
        self.ranges = {
            name: (feature.range[0], feature.range[1])
            for name, feature in monitor.spec.features.items()
            if feature.range is not None
        }
        self.features = {
            name: _frame(found, self.ranges.get(name))
            for name, found in _features(monitor, references).items()
        }
        spec = monitor.spec
        listed = spec.predictions.fields.features
        self.untyped = (
            [name for name in listed if name not in self.features] if isinstance(listed, list) else []
        )
        try:
            prediction_expressions(
                spec.predictions.fields, self.categories, probability=spec.task == "binary"
            )
        except ValueError as error:
            raise monitor.document.error(("spec", "predictions", "fields"), str(error), key=True) from None
        scores = [reference.score for reference in references.values() if reference.score is not None]
        self.score = _numeric_frame(scores) if scores else NumericFrame(np.empty(0), 0.0)
        self.traffic = self._composite()
        self.outcome = Composite({"outcomes": OutcomeSummary.empty(), "delay": DurationSummary.empty()})
        self._digests = {kind: self._digest(kind) for kind in ("traffic", "outcome")}

    @property
    def categories(self) -> dict[str, tuple[str, ...] | None]:
        """Feature -> its categories, or None for a numeric one."""
        return {
            name: frame.categories if isinstance(frame, CategoricalFrame) else None
            for name, frame in self.features.items()
        }

    def digest(self, kind: str) -> str:
        """Names the shape of the summaries of ``kind``; those of another shape do not merge."""
        return self._digests[kind]

    def _digest(self, kind: str) -> str:
        digest = hashlib.sha256()
        for name, part in getattr(self, kind).items():
            digest.update(f"{name}:{type(part).__name__}:{part.vector().size};".encode())
        if kind == "traffic":
            for name, frame in [*self.features.items(), ("", self.score)]:
                digest.update(name.encode() + b"\0")
                if isinstance(frame, NumericFrame):
                    digest.update(frame.edges.tobytes() + np.float64(frame.pivot).tobytes())
                else:
                    digest.update("\0".join(frame.categories).encode())
        return digest.hexdigest()[:16]

    def fold_traffic(self, columns: PredictionColumns, groups: Groups, size: int) -> Composite:
        """A stack of ``size`` summaries of prediction records, one per group."""
        answered = columns.answered
        parts: dict[str, Summary] = {
            "traffic": TrafficSummary.fold(
                columns.status >= 0, columns.status >= 400, answered, groups, size
            ),
            "latency": DurationSummary.fold(columns.latency, groups, size),
            "score": self._fold_numeric(self.score, columns.score[answered], groups[answered], size),
            "repetition": RepetitionSummary.fold(columns.score, groups, size),
            "classes": CategoricalSummary.fold(
                ("0", "1"), columns.predicted[answered], groups[answered], size
            ),
        }
        everywhere = bool(columns.has_features.all())
        members = groups if everywhere else groups[columns.has_features]
        for name, frame in self.features.items():
            values = columns.features[name]
            if not everywhere:
                values = values[columns.has_features]
            parts[f"feature {name}"] = (
                self._fold_numeric(frame, values, members, size)
                if isinstance(frame, NumericFrame)
                else CategoricalSummary.fold(frame.categories, values, members, size)
            )
        return Composite(parts)

    def fold_outcome(
        self,
        score: Floats,
        predicted: npt.NDArray[np.intp],
        label: npt.NDArray[np.intp],
        delay: Floats,
        groups: Groups,
        size: int,
    ) -> Composite:
        """A stack of ``size`` summaries of labelled predictions; ``delay`` in seconds, NaN where unknown."""
        return Composite(
            {
                "outcomes": OutcomeSummary.fold(score, predicted, label, groups, size),
                "delay": DurationSummary.fold(np.maximum(delay, 0.0), groups, size),
            }
        )

    @staticmethod
    def _fold_numeric(frame: NumericFrame, values: Floats, groups: Groups, size: int) -> NumericSummary:
        return NumericSummary.fold(frame.edges, frame.pivot, values, groups, size)

    def _composite(self) -> Composite:
        parts: dict[str, Summary] = {
            "traffic": TrafficSummary.empty(),
            "latency": DurationSummary.empty(),
            "score": NumericSummary.empty(self.score.edges, self.score.pivot),
            "repetition": RepetitionSummary.empty(),
            "classes": CategoricalSummary.empty(("0", "1")),
        }
        for name, frame in self.features.items():
            parts[f"feature {name}"] = (
                NumericSummary.empty(frame.edges, frame.pivot)
                if isinstance(frame, NumericFrame)
                else CategoricalSummary.empty(frame.categories)
            )
        return Composite(parts)


def _features(monitor: Monitor, references: Mapping[str, Reference]) -> dict[str, list[FeatureReference]]:
    declared = monitor.spec.features
    found: dict[str, list[FeatureReference]] = {}
    for reference_name, reference in references.items():
        for name, feature in reference.features.items():
            kind = "numeric" if isinstance(feature, NumericReference) else "categorical"
            if name in declared and declared[name].type != kind:
                raise monitor.document.error(
                    ("spec", "features", name, "type"),
                    f"reference '{reference_name}' knows '{name}' as {kind}; build the reference again or say {kind}",
                )
            found.setdefault(name, []).append(feature)
    for name, kinds in found.items():
        if len({type(kind) for kind in kinds}) > 1:
            raise InputError(
                [
                    monitor.document.problem(
                        ("spec", "references"), f"references differ in the type of feature '{name}'"
                    )
                ]
            )
    for name, declaration in declared.items():
        if name not in found:
            found[name] = [_without_reference(declaration.type)]
    return found


def _without_reference(kind: str) -> FeatureReference:
    if kind == "numeric":
        return NumericReference(NumericSummary.empty(np.empty(0)), np.empty(0))
    return CategoricalReference(CategoricalSummary.empty(()))


def _numeric_frame(found: list[NumericReference]) -> NumericFrame:
    edges = reduce(np.union1d, [item.summary.edges for item in found])
    return NumericFrame(edges, found[0].summary.pivot)


def _frame(found: list[FeatureReference], declared: tuple[float, float] | None) -> Frame:
    numeric = [item for item in found if isinstance(item, NumericReference)]
    if numeric:
        frame = _numeric_frame(numeric)
        if declared is None:
            return frame
        ends = (np.nextafter(declared[0], -np.inf), declared[1])
        return NumericFrame(np.union1d(frame.edges, ends), frame.pivot)
    categories = dict.fromkeys(
        category
        for item in found
        if isinstance(item, CategoricalReference)
        for category in item.summary.categories
    )
    return CategoricalFrame(tuple(categories))
