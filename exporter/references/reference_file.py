"""Reference files: JSON, with a hash of the content."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, ValidationError

from exporter.features.kinds import KINDS
from exporter.references import reference_views as views
from exporter.references.reference import Calibration, FeatureViews, Reference
from mlslo.yamlfile import InputError, Problem, StrictModel

_HEAD = ("apiVersion", "kind", "model", "created", "hash")


class _Calibration(StrictModel):
    edges: list[float]
    rows: list[int]
    positives: list[int]


class _Views(StrictModel):
    type: Literal["text", "timestamp", "embedding"]
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
    moments: views.Moments | None = None
    attributions: dict[str, float] = Field(default_factory=dict)


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
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise InputError.of_file(path, f"cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise InputError.of_file(path, "expected UTF-8 text") from None
    return parse(text, path)


def parse(text: str, path: Path) -> Reference:
    """The reference in the text of a file; ``path``: its name, for errors. Raises InputError as ``load`` does."""
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
    names = [name for feature, item in described.items() for name in KINDS[item.kind].views(feature).values()]
    if len(set(names)) != len(names):
        raise ValueError("a feature has the name of another one's view")
    return Reference(
        created=file.created,
        hash=file.hash,
        rows=file.rows,
        described=described,
        score=views.numeric(file.score) if file.score else None,
        classes=views.categorical(file.classes) if file.classes else None,
        labels=views.primary(file.labels) if file.labels else None,
        calibration=_calibration(file.calibration) if file.calibration else None,
        class_calibration={name: _calibration(item) for name, item in file.classCalibration.items()},
        moments=views.moments(file.moments) if file.moments else None,
        attributions=file.attributions,
    )


def _content(reference: Reference) -> dict[str, Any]:
    found = {
        "rows": reference.rows,
        "features": {name: _feature_data(item) for name, item in sorted(reference.described.items())},
        "score": views.data(reference.score) if reference.score else None,
    }
    where_present = {
        "classes": reference.classes and views.data(reference.classes),
        "labels": reference.labels and views.data(reference.labels),
        "calibration": reference.calibration and _calibration_data(reference.calibration),
        "classCalibration": {
            name: _calibration_data(item) for name, item in reference.class_calibration.items()
        },
        "moments": reference.moments and views.moments_data(reference.moments),
        "attributions": dict(reference.attributions),
    }
    return {**found, **{key: value for key, value in where_present.items() if value}}


def _hash(content: Mapping[str, Any]) -> str:
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return "sha256:" + hashlib.sha256(text.encode()).hexdigest()[:32]


def _feature(data: dict[str, Any]) -> FeatureViews:
    kind = data.get("type")
    if isinstance(kind, str) and kind in KINDS and len(names := list(KINDS[kind].views(""))) == 1:
        return FeatureViews(kind, {names[0]: views.primary(data)})
    item = _Views.model_validate(data)
    expected = list(KINDS[item.type].views(""))
    if sorted(item.views) != sorted(expected):
        raise ValueError(f"expected the views {', '.join(expected)} of a feature of type {item.type}")
    return FeatureViews(item.type, {view: views.view(item.views[view]) for view in expected})


def _feature_data(item: FeatureViews) -> dict[str, Any]:
    if len(item.views) == 1:
        return {**views.data(item.primary), "type": item.kind}
    return {"type": item.kind, "views": {name: views.data(view) for name, view in item.views.items()}}


def _calibration(item: _Calibration) -> Calibration:
    edges, rows, positives = (views.floats(values) for values in (item.edges, item.rows, item.positives))
    if not len(rows) == len(positives) == len(edges) + 1 or (positives > rows).any():
        raise ValueError("expected rows and positives for each bin of a calibration")
    return Calibration(edges, rows, positives)


def _calibration_data(item: Calibration) -> dict[str, Any]:
    return {
        "edges": item.edges.tolist(),
        "rows": views.whole(item.rows),
        "positives": views.whole(item.positives),
    }
