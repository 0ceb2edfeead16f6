"""Static references: what a model's data looked like when it was right, as a file."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from pydantic import ValidationError

from exporter.summary.base import Floats
from exporter.summary.categorical import CategoricalSummary
from exporter.summary.embedding import EmbeddingSummary
from exporter.summary.numeric import NumericSummary
from exporter.summary.vocabulary import VocabularySummary
from exporter.yamlfile import InputError, Problem, StrictModel


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
class Reference:
    """``created``: Unix seconds. ``hash``: names the content. ``score``: None where no score was logged."""

    created: float
    hash: str
    rows: int
    features: dict[str, FeatureReference]
    score: NumericReference | None


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
    type: Literal["categorical"]
    categories: list[str]
    counts: list[int]
    unseen: int
    missing: int


class _File(StrictModel):
    apiVersion: Literal["mlslo/v1"]
    kind: Literal["Reference"]
    model: str
    created: float
    hash: str
    rows: int
    features: dict[str, dict[str, Any]]
    score: _Numeric | None = None


def dump(model: str, reference: Reference) -> str:
    """The text of a reference file; the same reference gives the same text."""
    content = _content(reference)
    head = {"apiVersion": "mlslo/v1", "kind": "Reference", "model": model, "created": reference.created}
    return json.dumps({**head, "hash": _hash(content), **content}, indent=1, ensure_ascii=False) + "\n"


def load(path: Path) -> Reference:
    """Read a reference file.

    Raises InputError where it is missing, is no reference, or was changed after it was built.
    """
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
        file = _File.model_validate(data)
        features = {name: _feature(item) for name, item in file.features.items()}
        score = _numeric(file.score) if file.score else None
    except OSError as error:
        raise InputError.of_file(path, f"cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise InputError.of_file(path, "expected UTF-8 text") from None
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
    if _hash({key: data.get(key) for key in ("rows", "features", "score")}) != file.hash:
        raise InputError.of_file(path, "changed since it was built: its hash does not fit; build it again")
    return Reference(file.created, file.hash, file.rows, features, score)


def _content(reference: Reference) -> dict[str, Any]:
    return {
        "rows": reference.rows,
        "features": {name: _feature_data(feature) for name, feature in sorted(reference.features.items())},
        "score": _numeric_data(reference.score) if reference.score else None,
    }


def _hash(content: dict[str, Any]) -> str:
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return "sha256:" + hashlib.sha256(text.encode()).hexdigest()[:32]


def _feature_data(feature: FeatureReference) -> dict[str, Any]:
    if isinstance(feature, NumericReference):
        return _numeric_data(feature)
    summary = feature.summary
    return {
        "type": "categorical",
        "categories": list(summary.categories),
        "counts": _whole(summary.counts),
        "unseen": int(summary.unseen),
        "missing": int(summary.missing),
    }


def _numeric_data(feature: NumericReference) -> dict[str, Any]:
    summary = feature.summary
    return {
        "type": "numeric",
        "edges": summary.edges.tolist(),
        "deciles": feature.deciles.tolist(),
        "counts": _whole(summary.counts),
        "deviations": summary.deviations.tolist(),
        "missing": int(summary.missing),
        "infinite": int(summary.infinite),
        "mean": summary.pivot,
        "stddev": float(np.sqrt(summary.variance)),
        "minimum": float(summary.minimum),
        "maximum": float(summary.maximum),
    }


def _feature(data: dict[str, Any]) -> FeatureReference:
    if data.get("type") == "numeric":
        return _numeric(_Numeric.model_validate(data))
    item = _Categorical.model_validate(data)
    if len(item.counts) != len(item.categories) or len(set(item.categories)) != len(item.categories):
        raise ValueError("expected one count for each category")
    return CategoricalReference(
        CategoricalSummary(
            categories=tuple(item.categories),
            missing=np.asarray(item.missing, dtype=np.float64),
            unseen=np.asarray(item.unseen, dtype=np.float64),
            counts=np.array(item.counts, dtype=np.float64),
        )
    )


def _numeric(item: _Numeric) -> NumericReference:
    edges = np.array(item.edges, dtype=np.float64)
    deciles = np.array(item.deciles, dtype=np.float64)
    if (
        not len(item.counts) == len(item.deviations) == len(edges) + 1
        or np.any(np.diff(edges) <= 0)
        or not np.isin(deciles, edges).all()
    ):
        raise ValueError(
            "expected ascending edges, deciles among them, and one count and deviation for each bin"
        )
    present = float(sum(item.counts))
    summary = NumericSummary(
        edges=edges,
        pivot=item.mean,
        missing=np.asarray(item.missing, dtype=np.float64),
        infinite=np.asarray(item.infinite, dtype=np.float64),
        invalid=np.asarray(item.invalid, dtype=np.float64),
        counts=np.array(item.counts, dtype=np.float64),
        deviations=np.array(item.deviations, dtype=np.float64),
        squared_deviations=np.asarray(item.stddev**2 * present, dtype=np.float64),
        minimum=np.asarray(item.minimum, dtype=np.float64),
        maximum=np.asarray(item.maximum, dtype=np.float64),
    )
    return NumericReference(summary, deciles)


def _whole(counts: Floats) -> list[int]:
    return [int(value) for value in counts]
