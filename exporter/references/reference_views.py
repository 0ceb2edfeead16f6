"""The parts of a reference file that hold counts: one model and two functions for each kind of view."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np

from exporter.references import reference
from exporter.references.reference import (
    CategoricalReference,
    EmbeddingReference,
    FeatureReference,
    MixReference,
    NumericReference,
    ViewReference,
    VocabularyReference,
)
from exporter.summary.base import Floats
from exporter.summary.categorical import CategoricalSummary
from exporter.summary.embedding import EmbeddingSummary
from exporter.summary.numeric import NumericSummary
from exporter.summary.second_moments import SecondMomentsSummary
from exporter.summary.vocabulary import SLOTS, VocabularySummary
from mlslo.yamlfile import StrictModel


class _Numeric(StrictModel):
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


class _Categorical(StrictModel):
    type: Literal["categorical", "boolean"]
    categories: list[str]
    counts: list[int]
    unseen: int
    missing: int


class _Mix(StrictModel):
    type: Literal["mix"]
    categories: list[str]
    counts: list[float]
    missing: int


class _Vocabulary(StrictModel):
    type: Literal["vocabulary"]
    counts: list[int]
    texts: int
    missing: int


class _Embedding(StrictModel):
    type: Literal["vector"]
    total: list[float]
    squaredNorm: float
    vectors: int
    missing: int
    invalid: int = 0


class Moments(StrictModel):
    """Sums and products of standardised features."""

    features: list[str]
    means: list[float]
    deviations: list[float]
    rows: int
    sums: list[float]
    products: list[float]


def data(view: ViewReference) -> dict[str, Any]:
    """``view`` as JSON has it."""
    if isinstance(view, NumericReference):
        return _numeric_data(view)
    if isinstance(view, MixReference):
        mix = view.summary
        return {
            "type": "mix",
            "categories": list(mix.categories),
            "counts": mix.counts.tolist(),
            "missing": int(mix.missing),
        }
    if isinstance(view, CategoricalReference):
        categories = view.summary
        return {
            "type": "categorical",
            "categories": list(categories.categories),
            "counts": whole(categories.counts),
            "unseen": int(categories.unseen),
            "missing": int(categories.missing),
        }
    if isinstance(view, VocabularyReference):
        vocabulary = view.summary
        return {
            "type": "vocabulary",
            "counts": whole(vocabulary.counts),
            "texts": int(vocabulary.texts),
            "missing": int(vocabulary.missing),
        }
    vectors = view.summary
    return {
        "type": "vector",
        "total": vectors.total.tolist(),
        "squaredNorm": float(vectors.squared_norm),
        "vectors": int(vectors.vectors),
        "missing": int(vectors.missing),
        **_invalid(vectors.invalid),
    }


def view(item: dict[str, Any]) -> ViewReference:
    """The inverse of ``data``. Raises ValueError where it is none."""
    if item.get("type") == "mix":
        mix = _Mix.model_validate(item)
        _expect_categories(mix.categories, mix.counts)
        return MixReference(_categories(mix.categories, mix.counts, 0, mix.missing))
    if item.get("type") == "vocabulary":
        words = _Vocabulary.model_validate(item)
        if len(words.counts) != SLOTS:
            raise ValueError(f"expected {SLOTS} counts of a vocabulary")
        return VocabularyReference(
            VocabularySummary(
                texts=_scalar(words.texts), missing=_scalar(words.missing), counts=floats(words.counts)
            )
        )
    if item.get("type") == "vector":
        vector = _Embedding.model_validate(item)
        if not vector.total:
            raise ValueError("expected vectors of one dimension or more")
        return EmbeddingReference(
            EmbeddingSummary(
                vectors=_scalar(vector.vectors),
                missing=_scalar(vector.missing),
                invalid=_scalar(vector.invalid),
                squared_norm=_scalar(vector.squaredNorm),
                total=floats(vector.total),
            )
        )
    return primary(item)


def primary(item: dict[str, Any]) -> FeatureReference:
    """Numbers or categories. Raises ValueError where it is neither."""
    return numeric(item) if item.get("type") == "numeric" else categorical(item)


def categorical(item: dict[str, Any]) -> CategoricalReference:
    """Raises ValueError where it holds no categories."""
    found = _Categorical.model_validate(item)
    _expect_categories(found.categories, found.counts)
    return CategoricalReference(_categories(found.categories, found.counts, found.unseen, found.missing))


def numeric(item: dict[str, Any]) -> NumericReference:
    """Raises ValueError where it holds no numbers."""
    found = _Numeric.model_validate(item)
    edges, deciles = floats(found.edges), floats(found.deciles)
    if (
        not len(found.counts) == len(found.deviations) == len(edges) + 1
        or np.any(np.diff(edges) <= 0)
        or not np.isin(deciles, edges).all()
    ):
        raise ValueError(
            "expected ascending edges, deciles among them, and one count and deviation for each bin"
        )
    present = float(sum(found.counts))
    summary = NumericSummary(
        edges=edges,
        pivot=found.mean,
        missing=_scalar(found.missing),
        infinite=_scalar(found.infinite),
        invalid=_scalar(found.invalid),
        counts=floats(found.counts),
        deviations=floats(found.deviations),
        squared_deviations=_scalar(found.stddev**2 * present),
        minimum=_scalar(found.minimum),
        maximum=_scalar(found.maximum),
    )
    return NumericReference(summary, deciles)


def moments(item: Moments) -> reference.Moments:
    """Raises ValueError where the sizes do not fit each other."""
    number = len(item.features)
    if (
        not len(item.means) == len(item.deviations) == len(item.sums) == number
        or len(item.products) != number * (number + 1) // 2
    ):
        raise ValueError("expected moments of each feature, and of each pair")
    summary = SecondMomentsSummary(
        means=floats(item.means),
        deviations=floats(item.deviations),
        rows=_scalar(item.rows),
        sums=floats(item.sums),
        products=floats(item.products),
    )
    return reference.Moments(tuple(item.features), summary)


def moments_data(item: reference.Moments) -> dict[str, Any]:
    """``item`` as JSON has it."""
    summary = item.summary
    return {
        "features": list(item.features),
        "means": summary.means.tolist(),
        "deviations": summary.deviations.tolist(),
        "rows": int(summary.rows),
        "sums": summary.sums.tolist(),
        "products": summary.products.tolist(),
    }


def floats(values: Sequence[float]) -> Floats:
    """As float64."""
    return np.array(values, dtype=np.float64)


def whole(counts: Floats) -> list[int]:
    """Counts as JSON has them."""
    return [int(value) for value in counts]


def _numeric_data(item: NumericReference) -> dict[str, Any]:
    summary = item.summary
    return {
        "type": "numeric",
        "edges": summary.edges.tolist(),
        "deciles": item.deciles.tolist(),
        "counts": whole(summary.counts),
        "deviations": summary.deviations.tolist(),
        "missing": int(summary.missing),
        "infinite": int(summary.infinite),
        **_invalid(summary.invalid),
        "mean": summary.pivot,
        "stddev": float(np.sqrt(summary.variance)),
        "minimum": float(summary.minimum),
        "maximum": float(summary.maximum),
    }


def _invalid(number: Floats) -> dict[str, int]:
    return {"invalid": int(number)} if number else {}


def _expect_categories(categories: list[str], counts: Sequence[float]) -> None:
    if len(counts) != len(categories) or len(set(categories)) != len(categories):
        raise ValueError("expected one count for each category")


def _categories(
    categories: list[str], counts: Sequence[float], unseen: int, missing: int
) -> CategoricalSummary:
    return CategoricalSummary(
        categories=tuple(categories), missing=_scalar(missing), unseen=_scalar(unseen), counts=floats(counts)
    )


def _scalar(value: float) -> Floats:
    return np.asarray(value, dtype=np.float64)
