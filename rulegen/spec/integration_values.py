"""Values of the keys of Alertmanager's integrations, as Alertmanager reads them: integrations.yaml has the kinds.

https://github.com/prometheus/alertmanager/blob/v0.25.0/config/notifiers.go
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Kind:
    """A kind of value: what to write, a JSON Schema of what shows in one, and the form of its text.

    ``expanded``: the Alertmanager that first expands the templates in its texts. ``unique``: keys differ not only in
    case.
    """

    expected: str
    schema: Mapping[str, Any]
    form: str | None = None
    expanded: str | None = None
    unique: bool = False

    def fits(self, value: Any) -> bool:
        """Return whether Alertmanager takes ``value``, and does something with it."""
        if not _fits(self.schema, value):
            return False
        if self.unique and len({str(key).lower() for key in value}) < len(value):
            return False
        return self.form is None or re.fullmatch(self.form, str(value)) is not None


def one_of(words: Sequence[str]) -> Kind:
    """One of several texts."""
    return Kind(f"one of {', '.join(word for word in words if word)}", {"enum": list(words)})


def _fits(schema: Mapping[str, Any], value: Any) -> bool:
    """Return whether a value is what a JSON Schema of this table says, as far as its own keywords go."""
    if "enum" in schema:
        return value in schema["enum"]
    match schema.get("type"):
        case None:
            return value is not None
        case "string":
            return isinstance(value, str)
        case "boolean":
            return isinstance(value, bool)
        case "integer":
            is_whole = isinstance(value, int) and not isinstance(value, bool)
            least = schema.get("minimum", -(2**63))
            return is_whole and least <= value < 2**63 and value != schema.get("not", {}).get("const")
        case "array":
            return isinstance(value, list) and all(_fits(schema["items"], item) for item in value)
        case "object":
            inner = schema.get("additionalProperties")
            reserved = schema.get("propertyNames", {}).get("not", {}).get("enum", ())
            return isinstance(value, dict) and all(
                key not in reserved and (inner is None or _fits(inner, item)) for key, item in value.items()
            )
        case _:
            # One of the types of a scalar.
            return isinstance(value, str | int | float)
