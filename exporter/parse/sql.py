"""Names, text and paths as SQL."""

from __future__ import annotations

import re

Path = tuple[str, ...]

LARGEST_GAP = 0.02
"""Largest difference of a sum of probabilities from 1: logs round them."""


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


def canonical_text(value: str) -> str:
    """Return ``value`` as ``canonical`` writes it."""
    found = re.fullmatch(r"(-?[0-9]+)[.]0+", value)
    return found.group(1) if found else value


def is_whole_number(value: str) -> bool:
    """Return True where ``canonical`` writes other text as ``value``, too."""
    return re.fullmatch(r"-?[0-9]+", value) is not None


def epoch_microseconds(text_expression: str) -> str:
    """Epoch µs of RFC 3339 text, or of a number whose size tells s, ms, µs or ns (years 1973 to 5138)."""
    number = f"TRY_CAST({text_expression} AS DOUBLE)"
    # The standard's t and z may be small; DuckDB wants capitals.
    stamp = f"coalesce(TRY_CAST({text_expression} AS TIMESTAMPTZ), TRY_CAST(upper({text_expression}) AS TIMESTAMPTZ))"
    # A cast that fails costs twice what one costs that does not: look at the text first.
    return (
        f"CASE WHEN ({text_expression})[5] = '-' THEN epoch_us({stamp}) "
        f"WHEN {number} IS NULL THEN epoch_us({stamp}) ELSE TRY_CAST(round(CASE "
        f"WHEN abs({number}) < 1e11 THEN {number} * 1e6 WHEN abs({number}) < 1e14 THEN {number} * 1e3 "
        f"WHEN abs({number}) < 1e17 THEN {number} ELSE {number} / 1e3 END) AS BIGINT) END"
    )


def binary_class(text_expression: str, positive_class: str | None) -> str:
    """1, 0, or NULL: by ``positive_class`` where there is one, else as 0/1 or false/true."""
    if positive_class is not None:
        positive = f"{text_expression} = {text(positive_class)}"
        return f"CASE WHEN {positive} THEN 1 WHEN {text_expression} IS NOT NULL THEN 0 END"
    return (
        f"CASE WHEN lower({text_expression}) IN ('1', '1.0', 'true') THEN 1 "
        f"WHEN lower({text_expression}) IN ('0', '0.0', 'false') THEN 0 END"
    )


def probability(numbers: str, place: int, length: int) -> str:
    """One of a list of ``length`` probabilities; NULL where it is of another length or does not sum to 1."""
    items = [f"{numbers}[{position + 1}]" for position in range(length)]
    possible = " AND ".join([f"len({numbers}) = {length}", *(f"{item} >= 0" for item in items)])
    return f"CASE WHEN {possible} AND abs({' + '.join(items)} - 1) <= {LARGEST_GAP} THEN {items[place]} END"


def identity(text_expression: str) -> str:
    """A 64-bit hash of an id that no upgrade changes."""
    return f"md5_number_lower({text_expression})::UBIGINT"
