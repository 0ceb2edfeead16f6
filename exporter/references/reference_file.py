"""Reference files: JSON, with a hash of the content."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
from pydantic import Field, ValidationError

from exporter.features import KINDS
from exporter.features.binning import NumericBinning
from exporter.references.reference import (
    Calibration,
    CategoricalReference,
    EmbeddingReference,
    FeatureReference,
    FeatureViews,
    MixReference,
    Moments,
    NumericReference,
    Reference,
    ViewReference,
    VocabularyReference,
)
from exporter.summary.base import Floats
from exporter.summary.categorical import CategoricalSummary
from exporter.summary.embedding import EmbeddingSummary
from exporter.summary.hashed import SLOTS, VocabularySummary
from exporter.summary.numeric import NumericSummary
from exporter.summary.second_moments import SecondMomentsSummary
from mlslo.yamlfile import InputError, Problem, StrictModel

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

    def arrays(self, *names: str) -> dict[str, Floats]:
        """Name -> float64 array, of shape () for a single number."""
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


class _Categorical(_Part):
    type: Literal["categorical"]
    categories: list[str]
    counts: list[int]
    unseen: int
    missing: int


class _Mix(_Part):
    type: Literal["mix"]
    categories: list[str]
    counts: list[float]
    missing: int


class _Vocabulary(_Part):
    type: Literal["vocabulary"]
    counts: list[int]
    texts: int
    missing: int


class _Embedding(_Part):
    type: Literal["vector"]
    total: list[float]
    squaredNorm: float
    vectors: int
    missing: int
    invalid: int = 0


class _Moments(_Part):
    features: list[str]
    means: list[float]
    deviations: list[float]
    rows: int
    sums: list[float]
    products: list[float]


class _Calibration(_Part):
    edges: list[float]
    rows: list[int]
    positives: list[int]


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
    score: dict[str, Any] | None = None
    classes: dict[str, Any] | None = None
    labels: dict[str, Any] | None = None
    calibration: _Calibration | None = None
    classCalibration: dict[str, _Calibration] = Field(default_factory=dict)
    moments: _Moments | None = None
    attributions: dict[str, float] = Field(default_factory=dict)


def dump(model: str, reference: Reference) -> str:
    """Return the text of a reference file; the same reference gives the same text."""
    content = _content(reference)
    head = {"apiVersion": "mlslo/v1", "kind": "Reference", "model": model, "created": reference.created}
    return json.dumps({**head, "hash": _hash(content), **content}, indent=1, ensure_ascii=False) + "\n"


def load(path: Path) -> Reference:
    """Read a reference file.

    Raises InputError where it is missing, is no reference, or was changed after it was built.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise InputError.of_file(path, f"cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise InputError.of_file(path, "expected UTF-8 text") from None
    return parse(text, path)


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
    names = [name for feature, item in described.items() for name in item.names(feature).values()]
    if len(set(names)) != len(names):
        raise ValueError("a feature has the name of another one's view")
    return Reference(
        created=file.created,
        hash=file.hash,
        rows=file.rows,
        described=described,
        score=_numeric(file.score) if file.score else None,
        classes=_categorical(file.classes) if file.classes else None,
        labels=_primary(file.labels) if file.labels else None,
        calibration=_calibration(file.calibration) if file.calibration else None,
        class_calibration={name: _calibration(item) for name, item in file.classCalibration.items()},
        moments=_moments(file.moments) if file.moments else None,
        attributions=file.attributions,
    )


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
    }
    return {
        "rows": reference.rows,
        "features": {name: _feature_data(item) for name, item in sorted(reference.described.items())},
        "score": _data(reference.score) if reference.score else None,
        **{key: value for key, value in where_present.items() if value},
    }


def _hash(content: Mapping[str, Any]) -> str:
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return "sha256:" + hashlib.sha256(text.encode()).hexdigest()[:32]


def _feature_data(item: FeatureViews) -> dict[str, Any]:
    if len(item.views) == 1:
        return {**_data(item.primary), "type": item.kind}
    return {"type": item.kind, "views": {name: _data(view) for name, view in item.views.items()}}


def _data(view: ViewReference) -> dict[str, Any]:
    summary = view.summary
    match view:
        case NumericReference():
            stddev = np.sqrt(summary.variance)
            found = _Numeric.data(summary, deciles=view.deciles, mean=summary.pivot, stddev=stddev)
        case MixReference():
            found = _Mix.data(summary)
        case CategoricalReference():
            found = _Categorical.data(summary)
        case VocabularyReference():
            found = _Vocabulary.data(summary)
        case _:
            found = _Embedding.data(summary, squaredNorm=summary.squared_norm)
    # Files from before values were counted as invalid have no such key.
    return {key: value for key, value in found.items() if key != "invalid" or value}


def _feature(data: dict[str, Any]) -> FeatureViews:
    name = str(data.get("type"))
    kind = KINDS.get(name)
    if kind is None:
        raise ValueError(f"expected a feature of type {', '.join(KINDS)}, got '{name}'")
    if len(kind.suffixes) == 1:
        read = _numeric if isinstance(kind.binnings[kind.primary_view], NumericBinning) else _categorical
        type_ = "numeric" if read is _numeric else "categorical"
        return FeatureViews(name, {kind.primary_view: read({**data, "type": type_})})
    item = _Views.model_validate(data)
    expected = list(kind.suffixes)
    if sorted(item.views) != sorted(expected):
        raise ValueError(f"expected the views {', '.join(expected)} of a feature of type {item.type}")
    return FeatureViews(item.type, {view: _view(item.views[view]) for view in expected})


def _view(item: dict[str, Any]) -> ViewReference:
    match item.get("type"):
        case "mix":
            mix = _Mix.model_validate(item)
            return MixReference(
                _categories(mix.categories, unseen=np.zeros(()), **mix.arrays("missing", "counts"))
            )
        case "vocabulary":
            words = _Vocabulary.model_validate(item)
            if len(words.counts) != SLOTS:
                raise ValueError(f"expected {SLOTS} counts of a vocabulary")
            return VocabularyReference(VocabularySummary(**words.arrays("texts", "missing", "counts")))
        case "vector":
            vector = _Embedding.model_validate(item)
            if not vector.total:
                raise ValueError("expected vectors of one dimension or more")
            squared_norm = np.asarray(vector.squaredNorm, dtype=np.float64)
            arrays = vector.arrays("vectors", "missing", "invalid", "total")
            return EmbeddingReference(EmbeddingSummary(squared_norm=squared_norm, **arrays))
    return _primary(item)


def _primary(item: dict[str, Any]) -> FeatureReference:
    return _numeric(item) if item.get("type") == "numeric" else _categorical(item)


def _categorical(item: dict[str, Any]) -> CategoricalReference:
    found = _Categorical.model_validate(item)
    return CategoricalReference(_categories(found.categories, **found.arrays("unseen", "missing", "counts")))


def _categories(categories: Sequence[str], **arrays: Floats) -> CategoricalSummary:
    if len(arrays["counts"]) != len(categories) or len(set(categories)) != len(categories):
        raise ValueError("expected one count for each category")
    return CategoricalSummary(categories=tuple(categories), **arrays)


def _numeric(item: dict[str, Any]) -> NumericReference:
    found = _Numeric.model_validate(item)
    arrays = found.arrays(
        "edges", "counts", "deviations", "missing", "infinite", "invalid", "minimum", "maximum"
    )
    deciles, edges = np.asarray(found.deciles, dtype=np.float64), arrays["edges"]
    if (
        not len(found.counts) == len(found.deviations) == len(edges) + 1
        or np.any(np.diff(edges) <= 0)
        or not np.isin(deciles, edges).all()
    ):
        raise ValueError(
            "expected ascending edges, deciles among them, and one count and deviation for each bin"
        )
    squares = np.asarray(found.stddev**2 * float(sum(found.counts)))
    return NumericReference(NumericSummary(pivot=found.mean, squared_deviations=squares, **arrays), deciles)


def _moments(item: _Moments) -> Moments:
    number = len(item.features)
    if (
        not len(item.means) == len(item.deviations) == len(item.sums) == number
        or len(item.products) != number * (number + 1) // 2
    ):
        raise ValueError("expected moments of each feature, and of each pair")
    arrays = item.arrays("means", "deviations", "rows", "sums", "products")
    return Moments(tuple(item.features), SecondMomentsSummary(**arrays))


def _calibration(item: _Calibration) -> Calibration:
    calibration = Calibration(**item.arrays("edges", "rows", "positives"))
    edges, rows, positives = calibration.edges, calibration.rows, calibration.positives
    if not len(rows) == len(positives) == len(edges) + 1 or (positives > rows).any():
        raise ValueError("expected rows and positives for each bin of a calibration")
    return calibration
