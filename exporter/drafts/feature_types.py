"""Types of features, inferred from the first records as `baseline` infers them from training data."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from exporter.drafts.roles import number, texts
from exporter.parse import sql
from exporter.references.baseline.columns import Column, infer
from exporter.references.baseline.source import open_source

_FEWEST, _MOST_GROUPS = 2, 20


class FeatureType(NamedTuple):
    """``type``: None where it is not measured, and ``remark`` says why. ``groups``: few values, by which to segment."""

    type: str | None
    remark: str
    groups: int = 0


def infer_types(features: Mapping[str, Sequence[Any]]) -> dict[str, FeatureType]:
    """Return the type of each feature, by its name; ``features``: name -> values."""
    features = {name: list(values) for name, values in features.items()}
    present = {name: [value for value in values if value is not None] for name, values in features.items()}
    if all(isinstance(value, str) for values in present.values() for value in values):
        # As logfmt and CSV have numbers. Digits behind a 0 are a code.
        features = {name: _as_numbers(values, present[name]) for name, values in features.items()}
    length = max(map(len, features.values()), default=0)
    if not length:
        return {}
    with tempfile.TemporaryDirectory(prefix="mlslo-init-") as folder:
        path = Path(folder, "features.jsonl")
        with path.open("w", encoding="utf-8") as out:
            for row in range(length):
                values = {f"f{i}": there[row] for i, there in enumerate(features.values()) if row < len(there)}
                out.write(f"{json.dumps({'row': row, **values})}\n")
        with open_source([path]) as source:
            return {
                name: _type(infer(source, Column(name, sql.name(f"f{i}"), source.columns[f"f{i}"])), present[name])
                if f"f{i}" in source.columns
                else FeatureType(None, "no value in the log")
                for i, name in enumerate(features)
            }


def _type(guess: Any, values: Sequence[Any]) -> FeatureType:
    distinct = len(set(texts(values)))
    groups = distinct if guess.kind in ("categorical", "boolean") and _FEWEST <= distinct <= _MOST_GROUPS else 0
    return FeatureType(guess.kind, guess.remark, groups)


def _as_numbers(values: Sequence[Any], present: Sequence[str]) -> list[Any]:
    codes = any(value.lstrip("-").startswith("0") and value.lstrip("-")[1:2].isdigit() for value in present)
    if codes or not present or not all(number(value) is not None for value in present):
        return list(values)
    return [None if value is None else float(value) for value in values]
