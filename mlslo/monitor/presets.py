"""Presets of log formats: keys of a monitor file that are given by the name of the format."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import resources
from typing import Any

import yaml

_TABLE: dict[str, dict[str, Any]] = yaml.load(
    (resources.files("mlslo") / "monitor" / "presets.yaml").read_bytes(),
    getattr(yaml, "CSafeLoader", yaml.SafeLoader),  # noqa: S506 - both are safe
)

PREDICTION_PRESETS: Mapping[str, Mapping[str, Any]] = {
    name: preset["predictions"] for name, preset in _TABLE.items()
}
"""Name -> keys of ``predictions``."""
LABEL_PRESETS: Mapping[str, Mapping[str, Any]] = {
    name: preset["labels"] for name, preset in _TABLE.items() if "labels" in preset
}
"""Name -> keys of ``labels``."""


def with_preset(data: Any, presets: Mapping[str, Mapping[str, Any]]) -> Any:
    """Return ``data`` of a file with the keys of its preset; what the file says itself counts, field by field.

    Of features it may say the names alone: the preset has the path.
    """
    if not isinstance(data, dict) or not isinstance(data.get("preset"), str):
        return data
    preset = presets.get(data["preset"], {})
    known: Mapping[str, Any] = preset.get("fields", {})
    fields = data.get("fields", {})
    if isinstance(fields, dict):
        features = fields.get("features")
        if isinstance(features, dict) and "names" in features and isinstance(known.get("features"), str):
            fields = {**fields, "features": {"path": known["features"], **features}}
        fields = _over(known, fields)
    return {**_over(preset, data), "fields": fields}


def _over(known: Mapping[str, Any], written: Mapping[str, Any]) -> dict[str, Any]:
    """Return what is known with what is written over it, key by key also of `latency` and `join`."""
    merged = {
        key: {**known[key], **value}
        for key, value in written.items()
        if key in ("latency", "join") and isinstance(value, dict) and isinstance(known.get(key), dict)
    }
    return {**known, **written, **merged}
