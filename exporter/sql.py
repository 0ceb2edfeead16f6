"""Names, text and paths as SQL."""

from __future__ import annotations

Path = tuple[str, ...]


def name(identifier: str) -> str:
    """``identifier`` quoted as a name."""
    return '"' + identifier.replace('"', '""') + '"'


def text(value: str) -> str:
    """``value`` quoted as text."""
    return "'" + value.replace("'", "''") + "'"


def extract(path: Path) -> str:
    """The value at a path of nested objects."""
    expression = name(path[0])
    for part in path[1:]:
        expression = f"struct_extract({expression}, {text(part)})"
    return expression


def canonical(text_expression: str) -> str:
    """The text of a category: a whole number without its ``.0``, which some formats add and others do not."""
    return f"regexp_replace({text_expression}, '^(-?[0-9]+)[.]0+$', '\\1')"
