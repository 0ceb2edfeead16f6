"""Expectations of a monitor file, as SQL over a batch: one query for all fields, one for each query of the file."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import duckdb

from exporter.gate.batch import Batch
from exporter.gate.verdict import MOST_EXAMPLES, Check, cut
from exporter.parse import sql
from exporter.references.baseline.columns import Column
from exporter.references.baseline.source import Source
from mlslo.monitor import Expectations, FieldExpected
from mlslo.yamlfile import did_you_mean

SOURCE = "expectations"
_JSON_TYPES = {
    "integer": ("BIGINT", "UBIGINT", "HUGEINT", "DOUBLE"),
    "number": ("BIGINT", "UBIGINT", "HUGEINT", "DOUBLE"),
    "boolean": ("BOOLEAN",),
    "text": ("VARCHAR",),
    "timestamp": ("VARCHAR",),
}


@dataclass(frozen=True)
class _Rule:
    """``broken``: SQL for whether a row breaks it; where ``aggregate`` is given, that counts the rows instead.

    ``most``: the share of rows that may.
    """

    what: str
    field: str
    column: Column
    expected: str
    broken: str
    aggregate: str | None = None
    most: float = 0.0

    @property
    def count(self) -> str:
        return self.aggregate or f"count(*) FILTER ({self.broken})"


def expectations(batch: Batch) -> Iterator[Check]:
    """Judge the rows of a batch. Raises InputError where a pattern or a query of the file is wrong."""
    expected = batch.monitor.spec.expectations
    yield from _rows(batch.source.rows, expected)
    rules: list[_Rule] = []
    for field, wanted in expected.fields.items():
        column = batch.column(field)
        if column is None:
            near = did_you_mean(field, [*batch.columns, *batch.source.columns])
            yield _check("column", field, "a column or field", f"none{near}", passed=False)
            continue
        rules += _rules(batch, field, wanted, column)
    if rules:
        found = batch.source.aggregate(*(rule.count for rule in rules))
        for rule, rows in zip(rules, found, strict=True):
            yield _judged(batch.source, rule, int(rows))
    for index, wanted_rows in enumerate(expected.sql):
        yield _of_query(batch, index, *wanted_rows.bounds)


def _rows(rows: int, expected: Expectations) -> Iterator[Check]:
    if (wanted := expected.rows) is None:
        return
    least, most = wanted.atLeast or 0, wanted.atMost
    passed = least <= rows and (most is None or rows <= most)
    yield _check("rows", "batch", _between(wanted.atLeast, most), str(rows), passed=passed)


def _between(least: float | None, most: float | None) -> str:
    words = (("at least", least), ("at most", most))
    return ", ".join(f"{word} {limit:.12g}" for word, limit in words if limit is not None)


def _rules(batch: Batch, field: str, wanted: FieldExpected, column: Column) -> Iterator[_Rule]:
    text, number = column.text, column.parsed("number")
    there = f"({text} IS NOT NULL)"
    if column.type in ("FLOAT", "DOUBLE"):
        there = f"({column.expression} IS NOT NULL AND NOT isnan({column.expression}))"
    if wanted.type is not None:
        broken = f"{there} AND NOT ({_is_of(wanted.type, column, is_csv=batch.source.format == 'csv')})"
        yield _Rule("type", field, column, wanted.type, broken)
    for expected, limit, sign in (("at least", wanted.atLeast, ">="), ("at most", wanted.atMost, "<=")):
        if limit is not None:
            broken = f"{there} AND NOT coalesce({number} {sign} {limit!r}, false)"
            yield _Rule("range", field, column, f"{expected} {limit:.12g}", broken)
    if wanted.in_ is not None:
        values = [_scalar(value) for value in wanted.in_]
        known = ", ".join(sql.text(sql.canonical_text(value)) for value in values)
        broken = f"{there} AND {sql.canonical(text)} NOT IN ({known})"
        yield _Rule("set", field, column, f"one of {', '.join(values)}", broken)
    if wanted.matches is not None:
        pattern = sql.text(wanted.matches)
        try:
            batch.source.query(f"SELECT regexp_matches('', {pattern})")
        except duckdb.Error as error:
            at = ("spec", "expectations", "fields", field, "matches")
            message = f"no regular expression (RE2): {_first_line(error)}"
            raise batch.monitor.document.error(at, message) from None
        broken = f"{there} AND NOT regexp_matches({text}, {pattern})"
        yield _Rule("pattern", field, column, f"matches {wanted.matches}", broken)
    if wanted.unique:
        repeated = f"count(*) FILTER ({there}) - count(DISTINCT {text}) FILTER ({there})"
        again = f"SELECT {text} FROM source WHERE {there} GROUP BY 1 HAVING count(*) > 1"
        yield _Rule("unique", field, column, "every value once", f"{text} IN ({again})", repeated)
    if wanted.missingAtMost is not None:
        most = wanted.missingAtMost
        yield _Rule("missing", field, column, f"at most {most:.4%} of rows", f"NOT {there}", most=most)


def _scalar(value: str | float | bool) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _is_of(kind: str, column: Column, *, is_csv: bool) -> str:
    """Return SQL for whether a value, which is there, is of a type. Of CSV the text tells, else how it is written."""
    number = column.parsed("number")
    looks = {
        "integer": f"coalesce({number} = floor({number}) AND isfinite({number}), false)",
        "number": f"{number} IS NOT NULL",
        "boolean": f"lower({column.text}) IN ('true', 'false')",
        "text": "true",
        "timestamp": f"TRY_CAST({column.text} AS TIMESTAMPTZ) IS NOT NULL",
    }[kind]
    if is_csv:
        return looks
    if column.type == "JSON" or column.is_list:
        known = ", ".join(map(sql.text, _JSON_TYPES[kind]))
        return f"coalesce(json_type({column.single}) IN ({known}), false) AND {looks}"
    written = {
        "integer": column.is_number,
        "number": column.is_number,
        "boolean": column.type == "BOOLEAN",
        "text": column.type in ("VARCHAR", "UUID") or column.type.startswith("ENUM("),
        "timestamp": column.type in ("VARCHAR", "DATE") or column.type.startswith("TIMESTAMP"),
    }[kind]
    return looks if written else "false"


def _judged(source: Source, rule: _Rule, rows: int) -> Check:
    passed = rows <= rule.most * source.rows
    of = f"{rows} of {source.rows} rows"
    if passed:
        return _check(rule.what, rule.field, rule.expected, of, passed=True, rows=rows)
    text = rule.column.text
    broken = f"SELECT DISTINCT {text} FROM source WHERE {rule.broken} AND {text} IS NOT NULL"
    values = source.query(f"SELECT * FROM ({broken}) AS t(v) ORDER BY length(v), v LIMIT {MOST_EXAMPLES}")
    examples = [cut(value) for (value,) in values]
    return _check(rule.what, rule.field, rule.expected, of, passed=False, rows=rows, examples=examples)


def _of_query(batch: Batch, index: int, least: int, most: int | None) -> Check:
    """Count the rows of a query of the monitor file: one SELECT, so that nothing of the batch is changed."""
    wanted = batch.monitor.spec.expectations.sql[index]
    try:
        statements = duckdb.extract_statements(wanted.query)
        if len(statements) != 1 or statements[0].type != duckdb.StatementType.SELECT:
            raise batch.monitor.document.error(_at(index), "expected one SELECT, and nothing else")
        selected = statements[0].query.strip().rstrip(";")
        ((rows,),) = batch.source.query(f"SELECT count(*) FROM ({selected}\n)")
        passed = least <= rows and (most is None or rows <= most)
        shown: list[Any] = []
        if rows and not passed:
            shown = batch.source.query(f"SELECT * FROM ({selected}\n) LIMIT {MOST_EXAMPLES}")
    except duckdb.Error as error:
        raise batch.monitor.document.error(_at(index), _first_line(error)) from None
    expected = "no rows" if (least, most) == (0, 0) else f"{_between(least or None, most)} rows"
    examples = [cut(", ".join(map(str, row))) for row in shown]
    return _check("sql", wanted.name, expected, f"{rows} rows", passed=passed, rows=rows, examples=examples)


def _at(index: int) -> tuple[str | int, ...]:
    return "spec", "expectations", "sql", index, "query"


def _first_line(error: duckdb.Error) -> str:
    return str(error).strip().splitlines()[0]


def _check(what: str, where: str, expected: str, found: str, *, passed: bool, **more: Any) -> Check:
    return Check(what=what, where=where, expected=expected, found=found, passed=passed, source=SOURCE, **more)
