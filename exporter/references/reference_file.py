"""Reference files: JSON, with a hash of the content.

Parts are checked for their types only: the hash proves that their arrays fit each other, as they were written.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
from pydantic import Field, ValidationError

from exporter.features import KINDS
from exporter.features.binning import (
    Binning,
    CategoricalBinning,
    EmbeddingBinning,
    MixBinning,
    NumericBinning,
    VocabularyBinning,
)
from exporter.references.loss_estimator import Boosted, LossEstimator, Tree
from exporter.references.noise import Noise
from exporter.references.reference import Calibration, FeatureViews, Moments, Reference, ViewReference
from exporter.references.segment_parts import Outcomes, Segments, segments_data, with_segments
from exporter.summary.base import Floats
from exporter.summary.categorical import CategoricalSummary
from exporter.summary.embedding import EmbeddingSummary
from exporter.summary.hashed import VocabularySummary
from exporter.summary.numeric import NumericSummary
from exporter.summary.second_moments import SecondMomentsSummary
from mlslo.yamlfile import InputError, Problem, StrictModel, read_text

_DENSE = ("segments", "groups")
_HEAD = ("apiVersion", "kind", "model", "created", "hash")


class _Part(StrictModel):
    """Part of a file that holds the arrays of one object, each under its attribute's name."""

    @classmethod
    def data(cls, source: Any, **others: Any) -> dict[str, Any]:
        """Convert ``source`` to JSON, whole numbers where the part declares them. ``others``: of other names."""
        return {
            name: _plain(others[name] if name in others else getattr(source, name, None), item.annotation)
            for name, item in cls.model_fields.items()
        }

    def arrays(self, *without: str) -> dict[str, Floats]:
        """Name -> float64 array, of shape () for a single number; of all but the type and some others."""
        names = [name for name in type(self).model_fields if name not in ("type", *without)]
        return {name: np.asarray(getattr(self, name), dtype=np.float64) for name in names}


def _plain(value: Any, annotation: Any) -> Any:
    if annotation is int or annotation is float:
        return annotation(value)
    if annotation == list[int]:
        return [int(item) for item in value]
    # The type of a part is its own name.
    return get_args(annotation)[0] if value is None else np.asarray(value).tolist()


class _Numeric(_Part):
    type: Literal["numeric"]
    edges: list[float]
    deciles: list[float]
    counts: list[int]
    deviations: list[float]
    missing: int
    infinite: int
    invalid: int = 0
    mean: float
    stddev: float
    minimum: float
    maximum: float

    def view(self) -> ViewReference:
        arrays = self.arrays("mean", "stddev")
        deciles = arrays.pop("deciles")
        squares = np.asarray(self.stddev**2 * float(sum(self.counts)))
        summary = NumericSummary(pivot=self.mean, squared_deviations=squares, **arrays)
        return ViewReference(NumericBinning(summary.edges, self.mean), summary, deciles)


class _Categorical(_Part):
    type: Literal["categorical"]
    categories: list[str]
    counts: list[int]
    unseen: int
    missing: int

    def view(self) -> ViewReference:
        categories = tuple(self.categories)
        summary = CategoricalSummary(categories, **self.arrays("categories"))
        return ViewReference(CategoricalBinning(categories), summary)


class _Mix(_Part):
    type: Literal["mix"]
    categories: list[str]
    counts: list[float]
    missing: int

    def view(self) -> ViewReference:
        categories = tuple(self.categories)
        summary = CategoricalSummary(categories, unseen=np.zeros(()), **self.arrays("categories"))
        return ViewReference(MixBinning(categories), summary)


class _Vocabulary(_Part):
    type: Literal["vocabulary"]
    counts: list[int]
    texts: int
    missing: int

    def view(self) -> ViewReference:
        return ViewReference(VocabularyBinning(), VocabularySummary(**self.arrays()))


class _Embedding(_Part):
    type: Literal["vector"]
    total: list[float]
    squaredNorm: float
    vectors: int
    missing: int
    invalid: int = 0

    def view(self) -> ViewReference:
        arrays = self.arrays()
        summary = EmbeddingSummary(squared_norm=arrays.pop("squaredNorm"), **arrays)
        return ViewReference(EmbeddingBinning(len(self.total)), summary)


_View = _Numeric | _Categorical | _Mix | _Vocabulary | _Embedding
_VIEWS: Mapping[type[Binning], tuple[str, type[_View]]] = {
    NumericBinning: ("numeric", _Numeric),
    CategoricalBinning: ("categorical", _Categorical),
    MixBinning: ("mix", _Mix),
    VocabularyBinning: ("vocabulary", _Vocabulary),
    EmbeddingBinning: ("vector", _Embedding),
}


class _Moments(_Part):
    features: list[str]
    means: list[float]
    deviations: list[float]
    rows: int
    sums: list[float]
    products: list[float]

    def moments(self) -> Moments:
        return Moments(tuple(self.features), SecondMomentsSummary(**self.arrays("features")))


class _Calibration(_Part):
    edges: list[float]
    rows: list[int]
    positives: list[int]


class _Tree(_Part):
    feature: list[int]
    threshold: list[float]
    left: list[int]
    right: list[int]
    missingLeft: list[int]
    value: list[float]

    def tree(self) -> Tree:
        feature, left, right = (
            np.array(part, dtype=np.intp) for part in (self.feature, self.left, self.right)
        )
        missing = np.array(self.missingLeft, dtype=bool)
        return Tree(feature, np.array(self.threshold), left, right, missing, np.array(self.value))


class _Boosted(StrictModel):
    base: float
    trees: list[_Tree]

    @classmethod
    def data(cls, source: Boosted) -> dict[str, Any]:
        trees = [_Tree.data(tree, missingLeft=tree.missing_left) for tree in source.trees]
        return {"base": source.base, "trees": trees}

    def boosted(self) -> Boosted:
        return Boosted(self.base, [item.tree() for item in self.trees])


class _LossEstimator(StrictModel):
    features: dict[str, list[str]]
    rows: int
    absolute: _Boosted
    squared: _Boosted

    @classmethod
    def data(cls, source: LossEstimator) -> dict[str, Any]:
        features = {name: list(categories) for name, categories in source.features.items()}
        losses = {name: _Boosted.data(getattr(source, name)) for name in ("absolute", "squared")}
        return {"features": features, "rows": source.rows, **losses}

    def estimator(self) -> LossEstimator:
        features = {name: tuple(categories) for name, categories in self.features.items()}
        return LossEstimator(features, self.rows, self.absolute.boosted(), self.squared.boosted())


class _NoiseOfView(StrictModel):
    effects: list[float]
    single: list[float]
    degrees: list[float]


class _Noise(StrictModel):
    rows: list[int]
    secondsPerRow: float | None = None
    dependence: dict[str, list[float]]
    views: dict[str, _NoiseOfView]
    segments: dict[str, dict[str, list[float]]] = Field(default_factory=dict)

    def noise(self) -> Noise:
        views = {
            name: (np.asarray(item.effects), np.asarray(item.single), np.asarray(item.degrees))
            for name, item in self.views.items()
        }
        dependence = {name: np.asarray(item) for name, item in self.dependence.items()}
        segments = {
            segment: {value: np.asarray(effects) for value, effects in values.items()}
            for segment, values in self.segments.items()
        }
        lengths = np.asarray(self.rows, dtype=np.float64)
        return Noise(lengths, self.secondsPerRow, dependence, views, segments)


class _Views(StrictModel):
    type: str
    views: dict[str, dict[str, Any]]


class _File(StrictModel):
    apiVersion: Literal["mlslo/v1"]
    kind: Literal["Reference"]
    model: str
    created: float
    hash: str
    rows: int
    features: dict[str, dict[str, Any]]
    score: _Numeric | None = None
    classes: dict[str, Any] | None = None
    labels: dict[str, Any] | None = None
    calibration: _Calibration | None = None
    classCalibration: dict[str, _Calibration] = Field(default_factory=dict)
    moments: _Moments | None = None
    attributions: dict[str, float] = Field(default_factory=dict)
    outcomes: Outcomes | None = None
    segments: Segments = Field(default_factory=dict)
    groups: Segments = Field(default_factory=dict)
    lossEstimator: _LossEstimator | None = None
    noise: _Noise | None = None


def dump(model: str, reference: Reference) -> str:
    """Return the text of a reference file; the same reference gives the same text."""
    content = _content(reference)
    head = {"apiVersion": "mlslo/v1", "kind": "Reference", "model": model, "created": reference.created}
    whole = {key: value for key, value in content.items() if key not in _DENSE}
    text = json.dumps({**head, "hash": _hash(content), **whole}, indent=1, ensure_ascii=False)
    for key in _DENSE:
        if key in content:
            # A number a line would be as much again in spaces.
            dense = json.dumps(content[key], separators=(",", ":"), ensure_ascii=False)
            text = f'{text.removesuffix("}").rstrip()},\n "{key}": {dense}\n}}'
    return text + "\n"


def load(path: Path) -> Reference:
    """Read a reference file.

    Raises InputError where it is missing, is no reference, or was changed after it was built.
    """
    return parse(read_text(path), path)


def parse(text: str, path: Path) -> Reference:
    """Parse the text of a reference file; ``path``: its name, for errors. Raises InputError as ``load`` does."""
    try:
        data = json.loads(text)
        reference = _reference(_File.model_validate(data))
    except json.JSONDecodeError as error:
        raise InputError([Problem(str(path), error.lineno, error.colno, f"not JSON: {error.msg}")]) from None
    except (RecursionError, OverflowError):
        raise InputError.of_file(
            path, "not a reference file: nested too deep, or too large a number"
        ) from None
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        message = f"not a reference file of this version ({where}: {first['msg'].lower()}); build it again"
        raise InputError.of_file(path, message) from None
    except ValueError as error:
        raise InputError.of_file(path, f"not a reference file: {error}") from None
    if _hash({key: value for key, value in data.items() if key not in _HEAD}) != reference.hash:
        raise InputError.of_file(path, "changed since it was built: its hash does not fit; build it again")
    return reference


def _reference(file: _File) -> Reference:
    described = {name: _feature(item) for name, item in file.features.items()}
    whole = Reference(
        created=file.created,
        hash=file.hash,
        rows=file.rows,
        described=described,
        score=file.score.view() if file.score else None,
        classes=_view(file.classes) if file.classes else None,
        labels=_view(file.labels) if file.labels else None,
        calibration=Calibration(**file.calibration.arrays()) if file.calibration else None,
        class_calibration={
            name: Calibration(**item.arrays()) for name, item in file.classCalibration.items()
        },
        moments=file.moments.moments() if file.moments else None,
        attributions=file.attributions,
        outcomes=file.outcomes.summary() if file.outcomes else None,
        loss_estimator=file.lossEstimator.estimator() if file.lossEstimator else None,
    )
    noisy = whole.with_noise(file.noise.noise() if file.noise else None)
    return with_segments(noisy, file.segments, file.groups)


def _content(reference: Reference) -> dict[str, Any]:
    moments = reference.moments
    where_present = {
        "classes": reference.classes and _data(reference.classes),
        "labels": reference.labels and _data(reference.labels),
        "calibration": reference.calibration and _Calibration.data(reference.calibration),
        "classCalibration": {
            name: _Calibration.data(item) for name, item in reference.class_calibration.items()
        },
        "moments": moments and _Moments.data(moments.summary, features=moments.features),
        "attributions": dict(reference.attributions),
        "outcomes": reference.outcomes and Outcomes.data(reference.outcomes),
        "lossEstimator": reference.loss_estimator and _LossEstimator.data(reference.loss_estimator),
        "noise": reference.noise and _noise_data(reference.noise),
        **segments_data(reference),
    }
    return {
        "rows": reference.rows,
        "features": {name: _feature_data(item) for name, item in sorted(reference.described.items())},
        "score": _data(reference.score) if reference.score else None,
        **{key: value for key, value in where_present.items() if value},
    }


def _noise_data(noise: Noise) -> dict[str, Any]:
    return {
        "rows": [int(length) for length in noise.lengths],
        "secondsPerRow": noise.seconds and _short(noise.seconds),
        "dependence": {
            name: [_short(number) for number in item] for name, item in sorted(noise.dependence.items())
        },
        "views": {
            name: {
                "effects": [_short(number) for number in effects],
                "single": [_short(number) for number in single],
                "degrees": [_short(number) for number in degrees],
            }
            for name, (effects, single, degrees) in sorted(noise.views.items())
        },
        **({"segments": _together_data(noise)} if noise.segments else {}),
    }


def _together_data(noise: Noise) -> dict[str, Any]:
    return {
        segment: {value: [_short(number) for number in effects] for value, effects in values.items()}
        for segment, values in noise.segments.items()
    }


def _short(number: float) -> float:
    """Round an estimate to what it tells."""
    return float(f"{number:.4g}")


def _hash(content: Mapping[str, Any]) -> str:
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return "sha256:" + hashlib.sha256(text.encode()).hexdigest()[:32]


def _feature_data(item: FeatureViews) -> dict[str, Any]:
    if len(item.views) == 1:
        return {**_data(item.primary), "type": item.kind}
    return {"type": item.kind, "views": {name: _data(view) for name, view in item.views.items()}}


def _data(view: ViewReference) -> dict[str, Any]:
    summary, others = view.summary, {}
    if isinstance(summary, NumericSummary):
        others = {"deciles": view.deciles, "mean": summary.pivot, "stddev": np.sqrt(summary.variance)}
    elif isinstance(summary, EmbeddingSummary):
        others = {"squaredNorm": summary.squared_norm}
    _, part = _VIEWS[type(view.binning)]
    found = part.data(summary, **others)
    # Files from before values were counted as invalid have no such key.
    return {key: value for key, value in found.items() if key != "invalid" or value}


def _feature(data: dict[str, Any]) -> FeatureViews:
    name = str(data.get("type"))
    kind = KINDS.get(name)
    if kind is None:
        raise ValueError(f"expected a feature of type {', '.join(KINDS)}, got '{name}'")
    if len(kind.suffixes) == 1:
        type_, _ = _VIEWS[type(kind.binnings[kind.primary_view])]
        return FeatureViews(name, {kind.primary_view: _view({**data, "type": type_})})
    item = _Views.model_validate(data)
    expected = list(kind.suffixes)
    if sorted(item.views) != sorted(expected):
        raise ValueError(f"expected the views {', '.join(expected)} of a feature of type {item.type}")
    return FeatureViews(item.type, {view: _view(item.views[view]) for view in expected})


def _view(item: dict[str, Any]) -> ViewReference:
    parts = dict(_VIEWS.values())
    return parts.get(str(item.get("type")), _Categorical).model_validate(item).view()
