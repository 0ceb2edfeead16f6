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

_LARGEST = 1e300
_FEWEST, _FEW, _MOST_GROUPS = 2, 10, 20


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
    plain = {name: _of_plain(values) for name, values in present.items()}
    inferred = _inferred({name: values for name, values in features.items() if plain[name] is None})
    return {
        name: plain[name] or inferred[name]._replace(groups=_groups(inferred[name], present[name]))
        for name in features
    }


def _of_plain(values: Sequence[Any]) -> FeatureType | None:
    """Return the type of what is all numbers, or all true and false: most features, which need no database."""
    if not values:
        return FeatureType(None, "no value in the log")
    if all(isinstance(value, bool) for value in values):
        return FeatureType("boolean", "", len(set(values)) if len(set(values)) == _FEWEST else 0)
    if not all(isinstance(value, int | float) and not isinstance(value, bool) for value in values):
        return None
    distinct = set(values)
    few = _FEWEST <= len(distinct) <= _FEW and all(
        float(value).is_integer() for value in distinct if abs(value) < _LARGEST
    )
    return FeatureType("numeric", f"{len(distinct)} distinct whole numbers" if few else "")


def _inferred(features: Mapping[str, Sequence[Any]]) -> dict[str, FeatureType]:
    if not features:
        return {}
    with tempfile.TemporaryDirectory(prefix="mlslo-init-") as folder:
        path = Path(folder, "features.jsonl")
        with path.open("w", encoding="utf-8") as out:
            for row in range(max(map(len, features.values()))):
                values = {
                    f"f{i}": there[row] for i, there in enumerate(features.values()) if row < len(there)
                }
                out.write(f"{json.dumps({'row': row, **values})}\n")
        with open_source([path]) as source:
            guesses = [
                infer(source, Column(name, sql.name(f"f{i}"), source.columns[f"f{i}"]))
                for i, name in enumerate(features)
            ]
    return {
        name: FeatureType(guess.kind, guess.remark) for name, guess in zip(features, guesses, strict=True)
    }


def _groups(found: FeatureType, values: Sequence[Any]) -> int:
    distinct = len(set(texts(values)))
    return distinct if found.type == "categorical" and _FEWEST <= distinct <= _MOST_GROUPS else 0


def _as_numbers(values: Sequence[Any], present: Sequence[str]) -> list[Any]:
    codes = any(value.lstrip("-").startswith("0") and value.lstrip("-")[1:2].isdigit() for value in present)
    if codes or not present or not all(number(value) is not None for value in present):
        return list(values)
    return [None if value is None else float(value) for value in values]
