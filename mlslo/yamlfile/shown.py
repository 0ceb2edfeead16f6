"""Values of a file as messages show them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence


def shown(value: object) -> str:
    """``'text'``, cut where it is long; a number; ``a mapping``, ``a list``, ``nothing``."""
    match value:
        case None:
            return "nothing"
        case bool():
            return str(value).lower()
        case Mapping():
            return "a mapping"
        case str():
            return f"'{value}'" if len(value) <= 80 else f"'{value[:77]}...'"
        case Sequence():
            return "a list"
        case _:
            return str(value)
