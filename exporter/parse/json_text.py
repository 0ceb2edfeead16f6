"""JSON text in SQL: values extracted from it, and lists of one element unwrapped."""

from __future__ import annotations

import json
from typing import Any

from exporter.parse import sql

# JSON is valid where these are asked, so there are as many brackets on both sides.
_NESTED_SCALAR = r'^\s*(?:\[\s*)+("(?:[^"\\]|\\.)*"|[^\s\[\]{},"]+)(?:\s*\])+\s*$'
_NESTED_LIST = r"^\s*(?:\[\s*)*\[([^\[\]]*)\](?:\s*\])*\s*$"


def is_position(part: str) -> bool:
    """Return True where a part of a path is a position in a list."""
    return part.isascii() and part.isdigit()


def pointer(path: sql.Path) -> str:
    """The JSON pointer (RFC 6901) of a path, of which digits are a position in lists and a key in objects."""
    return "".join("/" + part.replace("~", "~0").replace("/", "~1") for part in path) or "$"


def parsed(value: str, structure: Any) -> str:
    """``value`` as ``structure`` says, read as the parser of records reads it: what does not fit is NULL."""
    return f"from_json({value}, {sql.text(json.dumps(structure))})"


def unwrapped(value: str) -> str:
    """``value``, or the scalar in a list of one element (in a list of one element, and so on)."""
    scalar = f"nullif(regexp_extract({value}::VARCHAR, {sql.text(_NESTED_SCALAR)}, 1), '')"
    return (
        f"CASE WHEN starts_with({value}::VARCHAR, '[') "
        f"THEN coalesce(TRY_CAST({scalar} AS JSON), {value}) ELSE {value} END"
    )


def numbers(value: str) -> str:
    """The list of numbers in ``value``, unwrapped likewise; an empty one where there is none."""
    inner = f"regexp_extract({value}::VARCHAR, {sql.text(_NESTED_LIST)}, 1)"
    return parsed(f"TRY_CAST('[' || {inner} || ']' AS JSON)", ["DOUBLE"])
