"""Inference of feature kinds that the monitor file does not declare."""

from __future__ import annotations

from dataclasses import dataclass

from exporter.references.baseline.columns import Column
from exporter.references.baseline.source import Source

MOST_CATEGORIES = 10_000
NOTHING = "no value in the data"
_MOST_INFERRED_CATEGORIES = 1000
_FEW = 10
_MOSTLY = 0.9
_TEXT_TOKENS = 3.0
_TEXT_DISTINCT = 100
# Scripts without spaces: an id, a hash or an address is ASCII.
_TEXT_LENGTH = 8.0


@dataclass(frozen=True)
class Guess:
    """``kind``: None where the column is left out. ``remark``: why, or what to look at."""

    kind: str | None
    remark: str = ""


def infer(source: Source, column: Column) -> Guess:
    """Guess from the column's type, and from its values where that is text or a list."""
    if column.type.strip('"') == "NULL":
        return Guess(None, NOTHING)
    if column.type == "BOOLEAN":
        return Guess("boolean")
    if column.type == "DATE" or column.type.startswith("TIMESTAMP"):
        return Guess("timestamp")
    if column.is_number:
        return Guess("numeric", _few_whole_numbers(source, column))
    if column.is_list:
        return _of_lists(source, column)
    if column.type in ("VARCHAR", "JSON", "UUID") or column.type.startswith("ENUM("):
        return _of_text(source, column)
    return Guess(None, f"values of type {column.type}; declare it categorical to use their text")


def _few_whole_numbers(source: Source, column: Column) -> str:
    value = column.parsed("number")
    ((distinct, broken),) = source.query(
        f"SELECT approx_count_distinct({value}), count(*) FILTER ({value} <> floor({value})) FROM source"
    )
    if broken or distinct > 2 * _FEW:
        return ""
    ((distinct,),) = source.query(f"SELECT count(DISTINCT {value}) FROM source")
    return f"{distinct} distinct whole numbers" if 2 <= distinct <= _FEW else ""


def _of_lists(source: Source, column: Column) -> Guess:
    value = column.parsed("vector")
    ((lists, numbers, shortest, longest, usual),) = source.query(
        f"SELECT count({column.text}), count({value}), min(len({value})), max(len({value})), mode(len({value})) "
        "FROM source"
    )
    if not lists:
        return Guess(None, NOTHING)
    if numbers < _MOSTLY * lists:
        return Guess(None, f"values of type {column.type}; declare it categorical to use their text")
    ((fitting,),) = source.query(f"SELECT count(*) FILTER (len({value}) = {usual}) FROM source")
    if usual < 2 or fitting < _MOSTLY * numbers:
        return Guess(None, f"lists of {shortest} to {longest} numbers, not vectors of one length")
    return Guess("embedding")


def _of_text(source: Source, column: Column) -> Guess:
    text = column.text
    json_number = f"json_type({column.expression}) IN ('DOUBLE', 'BIGINT', 'UBIGINT', 'HUGEINT')"
    number = json_number if column.type == "JSON" else f"{column.parsed('number')} IS NOT NULL"
    spaces = f"length(trim({text})) - length(replace(trim({text}), ' ', ''))"
    ((present, distinct, numbers, lists, tokens, length, foreign),) = source.query(
        f"SELECT count({text}), count(DISTINCT {text}), count(*) FILTER ({number}), "
        f"count(*) FILTER (starts_with({text}, '[')), avg(1 + {spaces}), avg(length({text})), "
        f"avg((strlen({text}) > length({text}))::INTEGER) FROM source"
    )
    if not present:
        return Guess(None, NOTHING)
    # Of a log, text that looks like a number was written as text on purpose.
    if numbers >= _MOSTLY * present and (column.type == "JSON" or source.format == "csv"):
        return Guess("numeric")
    if lists == present:
        guess = _of_lists(source, column)
        if guess.kind:
            return guess
    several = tokens >= _TEXT_TOKENS or (foreign > 0.5 and length >= _TEXT_LENGTH)
    many = distinct > _MOST_INFERRED_CATEGORIES or (distinct > _TEXT_DISTINCT and 2 * distinct > present)
    if many and several:
        return Guess("text", f"{distinct} distinct values")
    if distinct > _MOST_INFERRED_CATEGORIES:
        hint = f"declare it categorical if it is (up to {MOST_CATEGORIES}), or text"
        return Guess(None, f"{distinct} distinct values of one word: an id; {hint}")
    return Guess("categorical")
