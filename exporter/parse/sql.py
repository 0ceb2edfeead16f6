"""Names, text and paths as SQL."""

from __future__ import annotations

import re

from mlslo.monitor import POSITIVE

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


def binary_class(text_expression: str, positive_class: str | None) -> str:
    """1, 0, or NULL: by ``positive_class`` where there is one, else as 0/1, -1/1, false/true or no/yes."""
    if positive_class is not None:
        written = (
            canonical(text_expression) if is_whole_number(canonical_text(positive_class)) else text_expression
        )
        positive = f"{written} = {text(canonical_text(positive_class))}"
        return f"CASE WHEN {positive} THEN 1 WHEN {text_expression} IS NOT NULL THEN 0 END"
    return (
        f"CASE WHEN lower({text_expression}) IN ({', '.join(map(text, POSITIVE))}) THEN 1 "
        f"WHEN lower({text_expression}) IN ('0', '0.0', '-1', '-1.0', 'false', 'no') THEN 0 END"
    )


def probability(numbers: str, place: int, length: int, rounding: float) -> str:
    """One of a list of ``length`` probabilities; NULL where it is of another length or does not sum to 1."""
    items = [f"{numbers}[{position + 1}]" for position in range(length)]
    possible = " AND ".join([f"len({numbers}) = {length}", *(f"{item} >= -{rounding}" for item in items)])
    gap = f"abs({' + '.join(items)} - 1)"
    return f"CASE WHEN {possible} AND {gap} <= {LARGEST_GAP + rounding} THEN {items[place]} END"


# Up to here a float is exact; further numbers in its text could be another id's.
_WHOLE_FLOAT = "(0|-?[1-9][0-9]{0,14}|-?[1-8][0-9]{15})[.]0"


def identity(text_expression: str) -> str:
    """A 64-bit hash of an id that no upgrade changes; ``5.0``, as formats that know only floats write 5, is ``5``."""
    # To look at the end first costs a tenth of what matching every id would.
    whole = f"suffix({text_expression}, '.0') AND regexp_full_match({text_expression}, '{_WHOLE_FLOAT}')"
    exact = f"CASE WHEN {whole} THEN ({text_expression})[:-3] ELSE {text_expression} END"
    return f"md5_number_lower({exact})::UBIGINT"


def identity_text(value: str) -> str:
    """Return the text of an id, as ``identity`` hashes it."""
    return value[:-2] if value.endswith(".0") and re.fullmatch(_WHOLE_FLOAT, value) else value
