"""Which plain scalars are no text, by YAML 1.2's core schema (https://yaml.org/spec/1.2.2/#103-core-schema).

``no`` and ``22:00`` are text, not False and 1320. Hexadecimal and octal numbers, .inf and .nan are text as well: no key
takes them.
"""

from __future__ import annotations

import re
from functools import lru_cache

_KINDS = {
    "null": re.compile(r"~|null|Null|NULL|"),
    "bool": re.compile(r"true|True|TRUE|false|False|FALSE"),
    "int": re.compile(r"[-+]?[0-9]+"),
    "float": re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?"),
}
_LONGEST_INTEGER = 39
# What begins a scalar that may be anything but text.
NOT_TEXT = frozenset("~nNtTfF-+.0123456789")

Scalar = str | int | float | bool | None


@lru_cache(4096)
def plain(text: str) -> Scalar:
    """The value of a scalar that is not quoted. Raises ValueError for an integer that is too long."""
    kind = next((kind for kind, pattern in _KINDS.items() if pattern.fullmatch(text)), "str")
    return of_kind(kind, text)


def of_kind(kind: str, text: str) -> Scalar:
    """The value of ``text`` where the kind is given. Raises ValueError where it is not of it, KeyError for another."""
    if kind == "str":
        return text
    if kind == "null":
        return None
    pattern = _KINDS[kind]
    if not pattern.fullmatch(text) or (kind == "int" and len(text) > _LONGEST_INTEGER):
        raise ValueError(f"expected a value of type {kind}, got '{text}'")
    if kind == "bool":
        return text in ("true", "True", "TRUE")
    return int(text) if kind == "int" else float(text)
