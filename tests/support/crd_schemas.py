"""The schemas of prometheus-operator's CRDs, and a validator as strict as ``kubectl apply --validate=strict``.

`tests/crds/` holds what `scripts/crds` recovered from an npm package; run it to refresh them. They use the
few keywords of structural schemas, so that sixty lines judge them: unknown keys and nulls are refused too.
"""

import json
import re
from collections.abc import Iterator
from typing import Any

from tests.support.paths import TESTS

FOLDER = TESTS / "crds"
KINDS = {
    "AlertmanagerConfig": "alertmanagerconfig",
    "PodMonitor": "podmonitor",
    "PrometheusRule": "prometheusrule",
    "ScrapeConfig": "scrapeconfig",
}
_TYPES: dict[str, tuple[type, ...]] = {
    "object": (dict,),
    "array": (list,),
    "string": (str,),
    "boolean": (bool,),
    "integer": (int,),
    "number": (int, float),
}
_KEYWORDS = {
    "$ref", "additionalProperties", "anyOf", "enum", "format", "items", "maximum", "minItems", "minLength", "minimum",
    "nullable", "pattern", "properties", "required", "type",
}  # fmt: skip


class Schema:
    """The schema of one kind. ``strict``: nulls and unknown keys are refused, as kubectl does when asked to."""

    def __init__(self, document: dict[str, Any], *, strict: bool = True) -> None:
        self._document = document
        self._strict = strict

    @classmethod
    def of(cls, kind: str, *, strict: bool = True) -> "Schema":
        return cls(json.loads((FOLDER / f"{KINDS[kind]}.json").read_text()), strict=strict)

    def mistakes(self, value: Any) -> list[str]:
        """Return the faults of an object, each with its path."""
        return list(self._mistakes(value, self._document["schema"], "$"))

    def _mistakes(self, value: Any, schema: dict[str, Any], at: str) -> Iterator[str]:
        assert set(schema) <= _KEYWORDS, f"{at}: unknown keywords {set(schema) - _KEYWORDS}"
        if "$ref" in schema:
            schema = self._document["$defs"][schema["$ref"]]
        if value is None and schema.get("nullable") and not self._strict and "enum" not in schema:
            return
        if "anyOf" in schema and all([*self._mistakes(value, one, at)] for one in schema["anyOf"]):
            yield f"{at}: none of the alternatives"
        kind = schema.get("type")
        if kind is not None and not _is(value, kind):
            yield f"{at}: expected {kind}, got {value!r}"
            return
        if "enum" in schema and value not in schema["enum"]:
            yield f"{at}: expected one of {schema['enum']}, got {value!r}"
        if isinstance(value, str):
            # Go's (?i) may stand anywhere; Python wants it first.
            pattern = schema.get("pattern", "").replace("(?i)", "")
            if pattern and not re.search(pattern, value, re.IGNORECASE if "(?i)" in schema["pattern"] else 0):
                yield f"{at}: {value!r} does not match {schema['pattern']}"
            if len(value) < schema.get("minLength", 0):
                yield f"{at}: shorter than {schema['minLength']}"
        if kind in ("integer", "number") and not schema.get("minimum", value) <= value <= schema.get(
            "maximum", value
        ):
            yield f"{at}: {value} is out of range"
        if isinstance(value, list):
            if len(value) < schema.get("minItems", 0):
                yield f"{at}: fewer than {schema['minItems']}"
            for index, item in enumerate(value):
                yield from self._mistakes(item, schema.get("items", {}), f"{at}[{index}]")
        if isinstance(value, dict):
            for key in schema.get("required", []):
                if key not in value:
                    yield f"{at}: missing {key}"
            known = schema.get("properties", {})
            for key, inner in value.items():
                if key in known:
                    yield from self._mistakes(inner, known[key], f"{at}.{key}")
                elif "additionalProperties" in schema:
                    yield from self._mistakes(inner, schema["additionalProperties"], f"{at}.{key}")
                elif self._strict and known:
                    yield f"{at}: unknown key {key}"


def _is(value: Any, kind: str) -> bool:
    if isinstance(value, bool):
        return kind == "boolean"
    return isinstance(value, _TYPES[kind])


def variants(value: Any) -> Iterator[Any]:
    """``value`` with one place of it changed, for every place: gone, null, or of another kind."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield {name: other for name, other in value.items() if name != key}
            for changed in (None, "", "x", -100, 1.5, [], {}, True, *variants(inner)):
                yield {**value, key: changed}
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            for changed in (None, -100, "x", *variants(inner)):
                yield [*value[:index], changed, *value[index + 1 :]]
