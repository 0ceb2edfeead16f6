"""Columns of the data that are features, and their kinds where the monitor file does not declare them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from exporter.parse import json_text, sql
from exporter.references.baseline.source import LEADING_ZEROS, Source
from mlslo.monitor import FeatureArray, Monitor
from mlslo.yamlfile import InputError, did_you_mean, quoted_list

_NUMBERS = ("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT", "FLOAT", "DOUBLE", "DECIMAL")


class Column(NamedTuple):
    """``expression``: SQL for the value of ``feature``. ``type``: as DuckDB names it."""

    feature: str
    expression: str
    type: str

    @property
    def is_number(self) -> bool:
        return not self.is_list and self.type.removeprefix("U").startswith(_NUMBERS)

    @property
    def is_list(self) -> bool:
        return self.type.endswith("]")

    @property
    def single(self) -> str:
        """SQL for the value, of JSON or a list: a list of one element as that element, as logs are read."""
        return json_text.unwrapped(f"to_json({self.expression})" if self.is_list else self.expression)

    @property
    def numbers(self) -> str | None:
        """SQL for the list of numbers that the value is, or that is its one element; None where it can be none."""
        if self.type != "JSON" and not self.is_list:
            return None
        return json_text.numbers(f"to_json({self.expression})")

    @property
    def text(self) -> str:
        """SQL for the value as a log would have it as text."""
        if self.type == "JSON" or self.is_list:
            return f"(({self.single})->>'$')"
        if self.type.startswith(("STRUCT(", "MAP(")):
            return f"to_json({self.expression})::VARCHAR"
        return f"{self.expression}::VARCHAR"

    def parsed(self, parsed_as: str) -> str:
        """SQL for the value as a kind of feature reads it."""
        # JSON of mixed types is cast as the parser of logs casts it: true is 1, and text is no list.
        if parsed_as == "number":
            if self.type == "JSON" or self.is_list:
                return f"TRY_CAST({self.single} AS DOUBLE)"
            direct = self.is_number or self.type == "BOOLEAN"
            return f"TRY_CAST({self.expression if direct else self.text} AS DOUBLE)"
        if parsed_as == "vector":
            direct = self.is_list or self.type == "JSON"
            return f"TRY_CAST({self.expression if direct else self.text} AS DOUBLE[])"
        return self.text

    def invalid(self, parsed_as: str) -> str:
        """SQL for whether there is a value, but not as ``parsed_as``."""
        return f"{self.text} IS NOT NULL AND {self.parsed(parsed_as)} IS NULL"


def feature_columns(source: Source, monitor: Monitor) -> list[Column]:
    """Return the features found: a mapped object's members, a list of paths, or (flat data) every other column.

    Raises InputError where a declared feature is not among them: it is most likely misspelt.
    """
    columns = list(present_columns(source, monitor))
    found = [column.feature for column in columns]
    problems = [
        monitor.document.problem(
            ("spec", "features", feature),
            f"feature '{feature}' is not in the data; "
            f"it has {quoted_list(found)}{did_you_mean(feature, found)}",
            key=True,
        )
        for feature in monitor.spec.features
        if feature not in found
    ]
    if problems:
        raise InputError(problems)
    return columns


def members(source: Source, path: str) -> list[Column]:
    """Return the values below ``path``: of an object, or of columns whose names begin with it."""
    return list(_at_path(source, "", path)) or list(_prefixed(source, path))


def present_columns(source: Source, monitor: Monitor) -> Iterator[Column]:
    """Yield what ``feature_columns`` returns, whatever is declared."""
    fields = monitor.spec.predictions.fields
    if isinstance(fields.features, list):
        for path in fields.features:
            yield from _at_path(source, path, path)
        return
    if isinstance(fields.features, FeatureArray):
        yield from _elements(source, fields.features)
        return
    if fields.features is None:
        return
    if fields.features.split(".")[0] in source.columns:
        yield from _at_path(source, "", fields.features)
        return
    flat = list(_prefixed(source, fields.features))
    if flat:
        yield from flat
        return
    others = _other_paths(monitor)
    for column, type_ in source.columns.items():
        if column not in others and not any(column.startswith(path + ".") for path in others):
            yield Column(column, sql.name(column), type_)


def _other_paths(monitor: Monitor) -> set[str]:
    """Return the paths of fields that are no features."""
    fields = monitor.spec.predictions.fields
    paths = {value for name, value in fields if name != "features" and isinstance(value, str)}
    if fields.latency is not None:
        paths.add(fields.latency.field)
    if monitor.spec.labels is not None:
        paths.update({monitor.spec.labels.fields.label, monitor.spec.labels.fields.id})
    return paths


def _prefixed(source: Source, path: str) -> Iterator[Column]:
    prefix = path + "."
    for column, type_ in source.columns.items():
        if column.startswith(prefix):
            yield Column(column.removeprefix(prefix), sql.name(column), type_)


def _at_path(source: Source, feature: str, path: str) -> Iterator[Column]:
    """Yield the value at ``path``, or every value below it where that is an object."""
    expression = source.at(path)
    if expression is not None:
        yield from _below(source, feature or path, expression, whole=bool(feature))


def _elements(source: Source, array: FeatureArray) -> Iterator[Column]:
    """Yield the elements of a list; of data without the list, the columns with their names."""
    expression = source.at(array.path)
    type_ = expression and source.type_of(expression)
    for position, name in enumerate(array.names):
        if expression is not None and type_ == "JSON":
            fits = f"json_array_length({expression}) = {len(array.names)}"
            element, of = (
                f"json_extract({expression}, {sql.text(json_text.pointer((str(position),)))})",
                "JSON",
            )
        elif expression is not None and type_ and type_.endswith("]"):
            fits = f"len({expression}) = {len(array.names)}"
            element, of = f"{expression}[{position + 1}]", type_[: type_.rindex("[")]
        elif name in source.columns:
            yield Column(name, sql.name(name), source.columns[name])
            continue
        else:
            continue
        yield Column(name, f"CASE WHEN {fits} THEN {element} END", of)


def _below(source: Source, feature: str, expression: str, *, whole: bool) -> Iterator[Column]:
    """Yield ``expression`` as one feature, or its members as many; ``whole``: their names begin with ``feature``."""
    type_ = source.type_of(expression)
    if not type_.startswith("STRUCT(") or type_.endswith("]"):
        yield Column(feature, expression, type_)
        return
    for key in source.members(expression):
        member = f"struct_extract({expression}, {sql.text(key)})"
        yield from _below(source, f"{feature}.{key}" if whole else key, member, whole=True)


MOST_CATEGORIES = 10_000
NOTHING = "no value in the data"
MOSTLY = 0.9
"""Share of values that tells the kind of all."""
_MOST_INFERRED_CATEGORIES = 1000
_FEW = 10
_TEXT_TOKENS = 3.0
_TEXT_DISTINCT = 100
# Scripts without spaces: an id, a hash or an address is ASCII.
_TEXT_LENGTH = 8.0


class Guess(NamedTuple):
    """``kind``: None where the column is left out. ``remark``: why, or what to look at."""

    kind: str | None
    remark: str = ""


def infer(source: Source, column: Column) -> Guess:
    """Guess from the column's type, and from its values where that is text or a list."""
    if column.type.strip('"') == "NULL":
        return Guess(None, NOTHING)
    if column.type.endswith("[]") and _is_wrapped(source, column):
        return infer(source, Column(column.feature, f"{column.expression}[1]", column.type[:-2]))
    if column.type == "BOOLEAN":
        return Guess("boolean")
    if column.type == "DATE" or column.type.startswith("TIMESTAMP"):
        return Guess("timestamp")
    if column.is_number:
        return Guess("numeric", _few_whole_numbers(source, column))
    if column.is_list:
        return _of_lists(source, column)
    if column.type == "JSON" and (kind := _kind_of_json(source, column)):
        return Guess(kind)
    if column.type in ("VARCHAR", "JSON", "UUID") or column.type.startswith("ENUM("):
        return _of_text(source, column)
    return Guess(None, f"values of type {column.type}; declare it categorical to use their text")


def _kind_of_json(source: Source, column: Column) -> str | None:
    """Return the kind of values that are all true or false, or all times, as columns of such values are read."""
    type_, time = f"json_type({column.single})", f"TRY_CAST({column.text} AS TIMESTAMPTZ)"
    there, flags, times = source.aggregate(
        f"count({column.text})",
        f"count(*) FILTER ({type_} = 'BOOLEAN')",
        f"count(*) FILTER ({type_} = 'VARCHAR' AND {time} IS NOT NULL)",
    )
    return "boolean" if there and flags == there else "timestamp" if there and times == there else None


def _is_wrapped(source: Source, column: Column) -> bool:
    """Return True where every list has one element, or none."""
    (longest,) = source.aggregate(f"max(len({column.expression}))")
    return longest is not None and longest <= 1


def _few_whole_numbers(source: Source, column: Column) -> str:
    value = column.parsed("number")
    (broken,) = source.aggregate(f"count(*) FILTER ({value} <> floor({value}))")
    if broken:
        return ""
    distinct = source.distinct(value)
    return f"{distinct} distinct whole numbers" if 2 <= distinct <= _FEW else ""


def _of_lists(source: Source, column: Column) -> Guess:
    value = column.parsed("vector")
    lists, numbers, shortest, longest = source.aggregate(
        f"count({column.text})", f"count({value})", f"min(len({value}))", f"max(len({value}))"
    )
    if not lists:
        return Guess(None, NOTHING)
    if numbers < MOSTLY * lists:
        return Guess(None, f"values of type {column.type}; declare it categorical to use their text")
    sizes = source.counts(f"len({value})", 2) or ()
    usual, fitting = next(((size, number) for size, number in sizes if size is not None), (0, 0))
    if usual < 2 or fitting < MOSTLY * numbers:
        return Guess(None, f"lists of {shortest} to {longest} numbers, not vectors of one length")
    return Guess("embedding")


def _of_text(source: Source, column: Column) -> Guess:
    text = column.text
    json_number = f"json_type({column.single}) IN ('DOUBLE', 'BIGINT', 'UBIGINT', 'HUGEINT')"
    number = json_number if column.type == "JSON" else f"{column.parsed('number')} IS NOT NULL"
    spaces = f"length(trim({text})) - length(replace(trim({text}), ' ', ''))"
    code = f"regexp_full_match({text}, '{LEADING_ZEROS}')"
    present, numbers, codes, lists, between, length, foreign = source.aggregate(
        f"count({text})",
        f"count(*) FILTER ({number})",
        f"count(*) FILTER ({code})",
        f"count(*) FILTER (starts_with({text}, '['))",
        f"sum({spaces})",
        f"sum(length({text}))",
        f"count(*) FILTER (strlen({text}) > length({text}))",
    )
    if not present:
        return Guess(None, NOTHING)
    # Of a log, text that looks like a number was written as text on purpose.
    if not codes and numbers >= MOSTLY * present and (column.type == "JSON" or source.format == "csv"):
        return Guess("numeric")
    if lists == present:
        guess = _of_lists(source, column)
        if guess.kind:
            return guess
    several = 1 + between / present >= _TEXT_TOKENS or (
        2 * foreign > present and length / present >= _TEXT_LENGTH
    )
    distinct = source.distinct(text)
    many = distinct > _MOST_INFERRED_CATEGORIES or (distinct > _TEXT_DISTINCT and 2 * distinct > present)
    if many and several:
        return Guess("text", f"{distinct} distinct values")
    if distinct > _MOST_INFERRED_CATEGORIES:
        hint = f"declare it categorical if it is (up to {MOST_CATEGORIES}), or text"
        return Guess(None, f"{distinct} distinct values of one word: an id; {hint}")
    return Guess("categorical")
