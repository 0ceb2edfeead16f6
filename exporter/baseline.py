"""Build a static reference from training data or from a stretch of log."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import numpy.typing as npt

from exporter import sql
from exporter.bins import quantile_edges
from exporter.monitor import Monitor
from exporter.reference import CategoricalReference, FeatureReference, NumericReference, Reference
from exporter.summary.base import Floats
from exporter.summary.categorical import CategoricalSummary
from exporter.summary.numeric import NumericSummary
from exporter.yamlfile import InputError, did_you_mean, quoted_list

MOST_CATEGORIES = 10_000
_MOST_INFERRED_CATEGORIES = 1000

_READERS = {
    ".jsonl": "json",
    ".ndjson": "json",
    ".json": "json",
    ".csv": "csv",
    ".parquet": "parquet",
}
_NUMBERS = ("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT", "FLOAT", "DOUBLE", "DECIMAL")


@dataclass(frozen=True)
class Account:
    """What was found of one feature. ``kind``: numeric, categorical, or why it was left out."""

    feature: str
    kind: str
    declared: bool
    detail: str
    used: bool


@dataclass(frozen=True)
class Baseline:
    """A reference, and what was inferred on the way. ``malformed``: records that could not be parsed."""

    reference: Reference
    accounts: list[Account]
    malformed: int


@dataclass(frozen=True)
class _Column:
    feature: str
    expression: str
    type: str


def build(monitor: Monitor, files: Sequence[Path]) -> Baseline:
    """Read ``files`` (all JSONL, all CSV or all Parquet) and summarise every feature and the score.

    Types come from the monitor file, or are inferred: numbers are numeric; text and booleans are categorical,
    unless there are so many values that it must be free text or an id. Raises InputError.
    """
    connection = duckdb.connect()
    connection.execute("SET TimeZone = 'UTC'")
    source, kind = _source(files)
    try:
        return _build(connection, monitor, files, source)
    except duckdb.Error as error:
        first = str(error).splitlines()[0]
        raise InputError.of_file(files[0], f"cannot be read as {kind}: {first}") from None


def _build(
    connection: duckdb.DuckDBPyConnection, monitor: Monitor, files: Sequence[Path], source: str
) -> Baseline:
    connection.execute(f"CREATE TABLE source AS SELECT * FROM {source}")
    described = connection.execute("DESCRIBE source").fetchall()
    types = {str(column): str(type_) for column, type_, *_ in described}
    columns = list(_feature_columns(connection, monitor, types))
    _refuse_unknown(monitor, columns)
    (everything,) = _one(connection, "SELECT count(*) FROM source")
    mapped = " OR ".join(f"{sql.name(column)} IS NOT NULL" for column in types) or "false"
    (rows,) = _one(connection, f"SELECT count(*) FROM source WHERE {mapped}")
    if not rows:
        raise InputError.of_file(files[0], "holds no records")
    features: dict[str, FeatureReference] = {}
    accounts = []
    for column in columns:
        declaration = monitor.spec.features.get(column.feature)
        declared = declaration.type if declaration else None
        found = _summarise(connection, column, declared, mapped)
        if isinstance(found, str):
            accounts.append(Account(column.feature, "left out", declared is not None, found, used=False))
            continue
        features[column.feature] = found
        accounts.append(_account(column.feature, found, declared is not None))
    created = max(file.stat().st_mtime for file in files)
    reference = Reference(created, "", int(rows), features, _score(connection, monitor, types, mapped))
    return Baseline(reference, accounts, int(everything - rows))


def _source(files: Sequence[Path]) -> tuple[str, str]:
    kinds = {}
    for file in files:
        suffixes = [suffix for suffix in file.suffixes if suffix not in (".gz", ".zst")]
        kind = _READERS.get(suffixes[-1] if suffixes else "")
        if kind is None:
            raise InputError.of_file(
                file, f"expected a file named {', '.join('*' + suffix for suffix in _READERS)}"
            )
        if not file.is_file():
            raise InputError.of_file(file, "no such file")
        kinds[kind] = file
    if len(kinds) > 1:
        raise InputError.of_file(files[0], f"expected files of one format, got {' and '.join(sorted(kinds))}")
    paths = "[" + ", ".join(sql.text(str(file)) for file in files) + "]"
    kind = next(iter(kinds))
    options = {
        "json": ", format = 'newline_delimited', ignore_errors = true, sample_size = -1"
        # An object is an object however many members it has, and however few records have each of them.
        ", map_inference_threshold = -1, field_appearance_threshold = 0",
        "csv": ", sample_size = -1",
        "parquet": "",
    }[kind]
    return f"read_{kind}({paths}{options}, union_by_name = true)", kind


def _feature_columns(
    connection: duckdb.DuckDBPyConnection, monitor: Monitor, types: dict[str, str]
) -> Iterator[_Column]:
    """The features found: a mapped object's members, a list of paths, or (flat data) every other column."""
    fields = monitor.spec.predictions.fields
    if isinstance(fields.features, list):
        for path in fields.features:
            yield from _at_path(connection, path, types, path)
        return
    if fields.features is None:
        return
    prefix = fields.features + "."
    if fields.features.split(".")[0] in types:
        yield from _at_path(connection, "", types, fields.features)
        return
    flat = [column for column in types if column.startswith(prefix)]
    if flat:
        for column in flat:
            yield _Column(column.removeprefix(prefix), sql.name(column), types[column])
        return
    others = {
        path
        for path in (
            fields.timestamp,
            fields.id,
            fields.version,
            fields.status,
            fields.score,
            fields.prediction,
        )
        if path is not None
    }
    if fields.latency is not None:
        others.add(fields.latency.field)
    if monitor.spec.labels is not None:
        others.update({monitor.spec.labels.fields.label, monitor.spec.labels.fields.id})
    for column, type_ in types.items():
        if column not in others:
            yield _Column(column, sql.name(column), type_)


def _at_path(
    connection: duckdb.DuckDBPyConnection, feature: str, types: dict[str, str], path: str
) -> Iterator[_Column]:
    """The value at ``path``, or every value below it where that is an object."""
    if path in types:
        yield from _below(connection, feature or path, sql.name(path), whole=bool(feature))
    elif path.split(".")[0] in types:
        yield from _below(
            connection, feature or path, sql.extract(tuple(path.split("."))), whole=bool(feature)
        )


def _below(
    connection: duckdb.DuckDBPyConnection, feature: str, expression: str, *, whole: bool
) -> Iterator[_Column]:
    """``expression`` as one feature, or its members as many; ``whole``: their names begin with ``feature``."""
    described = connection.execute(f"DESCRIBE SELECT {expression} FROM source").fetchall()
    type_ = str(described[0][1])
    if not type_.startswith("STRUCT("):
        yield _Column(feature, expression, type_)
        return
    for key, *_ in connection.execute(f"DESCRIBE SELECT unnest({expression}) FROM source").fetchall():
        member = f"struct_extract({expression}, {sql.text(str(key))})"
        yield from _below(connection, f"{feature}.{key}" if whole else str(key), member, whole=True)


def _refuse_unknown(monitor: Monitor, columns: list[_Column]) -> None:
    """A declared feature that the data does not have is most likely misspelt."""
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


def _summarise(
    connection: duckdb.DuckDBPyConnection, column: _Column, declared: str | None, mapped: str
) -> FeatureReference | str:
    """The summary of one feature, or why it is left out."""
    numeric = column.type.startswith(_NUMBERS) or (
        column.type.startswith("U") and column.type[1:] in _NUMBERS
    )
    if declared == "numeric" or (declared is None and numeric):
        values = _numbers(connection, column.expression, mapped)
        return _numeric(values) if np.isfinite(values).any() else "no finite number in the data"
    if declared is None and column.type not in ("VARCHAR", "BOOLEAN", "JSON"):
        return f"values of type {column.type}; declare it categorical to use their text"
    counts = _categories(connection, column.expression, column.type, mapped)
    distinct = sum(category is not None for category, _ in counts)
    most = _MOST_INFERRED_CATEGORIES if declared is None else MOST_CATEGORIES
    if not distinct:
        return "no value in the data"
    if distinct > most:
        hint = f"declare it categorical if it is (up to {MOST_CATEGORIES})"
        return f"{distinct} distinct values: free text or an id; {hint}"
    missing = sum(number for category, number in counts if category is None)
    known = [(category, number) for category, number in counts if category is not None]
    return CategoricalReference(
        CategoricalSummary(
            categories=tuple(category for category, _ in known),
            missing=np.asarray(missing, dtype=np.float64),
            unseen=np.zeros(()),
            counts=np.array([number for _, number in known], dtype=np.float64),
        )
    )


def _numbers(connection: duckdb.DuckDBPyConnection, expression: str, mapped: str) -> Floats:
    found = connection.execute(
        f"SELECT TRY_CAST({expression} AS DOUBLE) AS value FROM source WHERE {mapped}"
    ).fetchnumpy()["value"]
    values: Floats = np.ma.filled(found, np.nan).astype(np.float64)
    return values


def _categories(
    connection: duckdb.DuckDBPyConnection, expression: str, type_: str, mapped: str
) -> list[tuple[str | None, int]]:
    value = sql.canonical(f"{expression}->>'$'" if type_ == "JSON" else f"{expression}::VARCHAR")
    return connection.execute(
        f"SELECT {value} AS category, count(*) AS number FROM source WHERE {mapped} "
        "GROUP BY category ORDER BY number DESC, category"
    ).fetchall()


def _numeric(values: Floats) -> NumericReference:
    finite = values[np.isfinite(values)]
    edges, deciles = quantile_edges(finite)
    groups: npt.NDArray[np.intp] = np.zeros(len(values), dtype=np.intp)
    return NumericReference(NumericSummary.fold(edges, float(finite.mean()), values, groups, 1)[0], deciles)


def _score(
    connection: duckdb.DuckDBPyConnection, monitor: Monitor, types: dict[str, str], mapped: str
) -> NumericReference | None:
    fields = monitor.spec.predictions.fields
    path = fields.score or (fields.prediction if monitor.spec.task == "regression" else None)
    if path is None or path.split(".")[0] not in types:
        return None
    expression = sql.name(path) if path in types else sql.extract(tuple(path.split(".")))
    values = _numbers(connection, expression, mapped)
    return _numeric(values) if np.isfinite(values).any() else None


def _account(feature: str, found: FeatureReference, declared: bool) -> Account:
    summary = found.summary
    share = float(summary.missing) / summary.rows if summary.rows else 0.0
    missing = f"missing {share:.2%}" if summary.missing else "never missing"
    if isinstance(summary, NumericSummary):
        detail = f"{float(summary.minimum):.6g} to {float(summary.maximum):.6g}, mean {summary.mean:.6g}, {missing}"
        return Account(feature, "numeric", declared, detail, used=True)
    shown = ", ".join(summary.categories[:5]) + (", ..." if len(summary.categories) > 5 else "")
    detail = f"{len(summary.categories)} categories ({shown}), {missing}"
    return Account(feature, "categorical", declared, detail, used=True)


def _one(connection: duckdb.DuckDBPyConnection, query: str) -> tuple[Any, ...]:
    row = connection.execute(query).fetchone()
    assert row is not None
    return row
