"""Field mapping: log records become columns.

DuckDB parses the JSON; what comes out of it is numbers only (times, codes of categories, hashes of ids),
so that no Python object is made per value.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import duckdb
import numpy as np
import numpy.typing as npt

from exporter import sql
from exporter.monitor import LabelFields, PredictionFields
from exporter.summary.base import Floats
from exporter.summary.categorical import MISSING, UNSEEN

_LONGEST_RECORD = 2 << 20
_UNIT_SECONDS = {"s": 1.0, "ms": 1e-3, "us": 1e-6, "ns": 1e-9}


@dataclass(frozen=True)
class PredictionColumns:
    """Usable prediction records; every array has shape (rows,).

    ``time``: epoch µs. ``id``: 64-bit hash, 0 where the record has none. ``version``: index of ``versions``.
    ``status``: -1 where there is none. ``latency``: seconds or NaN. ``score``: NaN where it is missing or,
    for a probability, outside 0..1. ``predicted``: binary class, -1 where unknown.
    ``features``: float64 (NaN = missing) or, for categorical ones, int codes, MISSING or UNSEEN.
    ``has_features``: False where an erroneous record carries no features at all.
    """

    records: int
    rejected: Counter[str]
    time: npt.NDArray[np.int64]
    id: npt.NDArray[np.int64]
    version: npt.NDArray[np.intp]
    versions: list[str]
    status: npt.NDArray[np.int32]
    latency: Floats
    score: Floats
    predicted: npt.NDArray[np.intp]
    features: dict[str, npt.NDArray[Any]]
    has_features: npt.NDArray[np.bool_]


@dataclass(frozen=True)
class LabelColumns:
    """Usable label records. ``time``: epoch µs, or the smallest int64 where the record has none."""

    records: int
    rejected: Counter[str]
    id: npt.NDArray[np.int64]
    label: npt.NDArray[np.intp]
    time: npt.NDArray[np.int64]


PREDICTION_REASONS = (
    "malformed",
    "missing_timestamp",
    "invalid_timestamp",
    "future_timestamp",
    "invalid_score",
    "missing_id",
    "too_long",
)
LABEL_REASONS = (
    "malformed",
    "missing_id",
    "invalid_label",
    "invalid_timestamp",
    "future_timestamp",
    "duplicate",
    "too_long",
)
NO_TIME = np.iinfo(np.int64).min


class _Decoder:
    """Runs one SELECT over the lines of a batch."""

    def __init__(self, wanted: Mapping[str, str], leaves: Iterable[tuple[sql.Path, str]]) -> None:
        self._connection = duckdb.connect(config={"threads": 1})
        self._connection.execute("SET TimeZone = 'UTC'")
        columns = ", ".join(f"{sql.name(top)}: {sql.text(kind)}" for top, kind in _declared(leaves).items())
        select = ", ".join(f"{expression} AS {sql.name(alias)}" for alias, expression in wanted.items())
        self._select = f"SELECT {select} FROM read_json("
        self._options = (
            f", format = 'newline_delimited', ignore_errors = true, "
            f"maximum_object_size = {_LONGEST_RECORD}, columns = {{{columns}}})"
        )

    def define_categories(self, name: str, categories: Iterable[str]) -> None:
        values = ", ".join(sql.text(category) for category in categories)
        self._connection.execute(f"CREATE TYPE {sql.name(name)} AS ENUM ({values})")

    def select(self, lines: bytes) -> tuple[dict[str, npt.NDArray[Any]], int]:
        """The wanted columns, and how many lines were too long to be parsed."""
        try:
            return self._run(lines), 0
        except duckdb.Error:
            # One monstrous line makes DuckDB refuse the whole batch.
            short = [line for line in lines.splitlines(keepends=True) if len(line) < _LONGEST_RECORD]
            rejected = lines.count(b"\n") - len(short)
            if not rejected:
                raise
            return self._run(b"".join(short)), rejected

    def _run(self, lines: bytes) -> dict[str, npt.NDArray[Any]]:
        # An anonymous file in memory: DuckDB's parallel reader wants something it can seek in.
        descriptor = os.memfd_create("mlslo-batch")
        try:
            with open(descriptor, "wb", closefd=False) as file:
                file.write(lines)
            return self._connection.execute(
                f"{self._select}'/proc/self/fd/{descriptor}'{self._options}"
            ).fetchnumpy()
        finally:
            os.close(descriptor)


class PredictionDecoder:
    """Decodes prediction records.

    ``features``: name -> None for a numeric feature, or the categories of a categorical one.
    """

    def __init__(
        self,
        fields: PredictionFields,
        features: Mapping[str, tuple[str, ...] | None],
        *,
        probability: bool,
        positive_class: str | None = None,
    ) -> None:
        self._features = dict(features)
        self._versions = _Codes()
        self._probability = probability
        leaves = _Leaves()
        score = leaves.number(fields.score or (None if probability else fields.prediction))
        wanted = {
            "time": _time(leaves.text(fields.timestamp)),
            "stamped": f"{leaves.text(fields.timestamp)} IS NOT NULL",
            "id": _id(leaves.text(fields.id)) if fields.id else "0::UBIGINT",
            "version": leaves.text(fields.version),
            "status": f"TRY_CAST({leaves.number(fields.status)} AS INTEGER)",
            "latency": leaves.number(fields.latency.field if fields.latency else None),
            "score": score,
            "predicted": _binary(leaves.text(fields.prediction), positive_class),
        }
        self._latency_unit = _UNIT_SECONDS[fields.latency.unit] if fields.latency else 1.0
        for position, (name, categories) in enumerate(self._features.items()):
            path = feature_path(fields, name)
            if categories is None:
                wanted[f"feature {position}"] = leaves.number(path)
            else:
                text = leaves.text(path)
                code = (
                    f"enum_code(TRY_CAST({text} AS {sql.name(f'categories {position}')}))"
                    if categories
                    else "NULL"
                )
                wanted[f"feature {position}"] = (
                    f"CASE WHEN {text} IS NULL THEN {MISSING} ELSE coalesce({code}::INTEGER, {UNSEEN}) END"
                )
        wanted["has_features"] = (
            f"{leaves.present(fields.features)}"
            if isinstance(fields.features, str) and self._features
            else "true"
        )
        wanted["empty"] = " AND ".join(f"{column} IS NULL" for column in leaves.tops())
        self._decoder = _Decoder(wanted, leaves.declared())
        for position, categories in enumerate(self._features.values()):
            if categories:
                self._decoder.define_categories(f"categories {position}", categories)

    def decode(self, lines: bytes, latest: int) -> PredictionColumns:
        """Decode whole lines; records with an event time after ``latest`` (epoch µs) are rejected."""
        raw, too_long = self._decoder.select(lines)
        rejected: Counter[str] = Counter({"too_long": too_long} if too_long else {})
        usable, time = _usable(raw, latest, rejected)
        status = _filled(raw["status"], -1)[usable].astype(np.int32)
        score = _filled(raw["score"], np.nan)[usable].astype(np.float64)
        if self._probability:
            wild = ~((score >= 0) & (score <= 1)) & ~np.isnan(score)
            _reject(rejected, "invalid_score", wild)
            score[wild] = np.nan
        predicted = _filled(raw["predicted"], -1)[usable].astype(np.intp)
        if self._probability:
            derived = (predicted < 0) & ~np.isnan(score)
            predicted[derived] = score[derived] >= 0.5
        latency = _filled(raw["latency"], np.nan)[usable].astype(np.float64) * self._latency_unit
        version = self._versions.encode(_filled(raw["version"], "")[usable])
        return PredictionColumns(
            records=len(usable) + too_long,
            rejected=rejected,
            time=time,
            id=_filled(raw["id"], 0)[usable].astype(np.uint64).view(np.int64),
            version=version,
            versions=self._versions.names,
            status=status,
            latency=np.where(np.isfinite(latency), latency, np.nan),
            score=score,
            predicted=predicted,
            features={
                name: _filled(raw[f"feature {position}"], np.nan if categories is None else MISSING)[usable]
                for position, (name, categories) in enumerate(self._features.items())
            },
            has_features=_filled(raw["has_features"], False)[usable].astype(bool) | (status < 400),
        )


class LabelDecoder:
    """Decodes label records of a binary task."""

    def __init__(self, fields: LabelFields, *, positive_class: str | None = None) -> None:
        leaves = _Leaves()
        stamp = leaves.text(fields.timestamp)
        wanted = {
            "time": _time(stamp),
            "stamped": f"{stamp} IS NOT NULL",
            "id": _id(leaves.text(fields.id)),
            "label": _binary(leaves.text(fields.label), positive_class),
            "empty": " AND ".join(f"{column} IS NULL" for column in leaves.tops()),
        }
        self._decoder = _Decoder(wanted, leaves.declared())

    def decode(self, lines: bytes, latest: int) -> LabelColumns:
        """Decode whole lines; labels from after ``latest`` (epoch µs) are rejected, those without a time kept."""
        raw, too_long = self._decoder.select(lines)
        rejected: Counter[str] = Counter({"too_long": too_long} if too_long else {})
        time = _filled(raw["time"], NO_TIME).astype(np.int64)
        stamped = _filled(raw["stamped"], False).astype(bool)
        identity = _filled(raw["id"], 0).astype(np.uint64).view(np.int64)
        label = _filled(raw["label"], -1).astype(np.intp)
        usable = np.ones(len(time), dtype=bool)
        for reason, bad in (
            ("malformed", _filled(raw["empty"], False).astype(bool)),
            ("missing_id", identity == 0),
            ("invalid_label", label < 0),
            ("invalid_timestamp", stamped & (time == NO_TIME)),
            ("future_timestamp", time > latest),
        ):
            _reject(rejected, reason, usable & bad)
            usable &= ~bad
        return LabelColumns(len(usable) + too_long, rejected, identity[usable], label[usable], time[usable])


def feature_path(fields: PredictionFields, name: str) -> str:
    """Where the feature ``name`` is in a record."""
    return f"{fields.features}.{name}" if isinstance(fields.features, str) else name


class _Codes:
    """Text to small integers, in order of appearance."""

    def __init__(self) -> None:
        self.names: list[str] = []
        self._index: dict[str, int] = {}

    def encode(self, values: npt.NDArray[Any]) -> npt.NDArray[np.intp]:
        for name in dict.fromkeys(values.tolist()):
            if name not in self._index:
                self._index[name] = len(self.names)
                self.names.append(name)
        return np.fromiter(map(self._index.__getitem__, values), dtype=np.intp, count=len(values))


class _Leaves:
    """The values wanted of a record, each declared to the parser once."""

    def __init__(self) -> None:
        self._types: dict[sql.Path, str] = {}

    def text(self, path: str | None) -> str:
        return self._leaf(path, "VARCHAR")

    def number(self, path: str | None) -> str:
        expression = self._leaf(path, "DOUBLE")
        return f"TRY_CAST({expression} AS DOUBLE)"

    def _leaf(self, path: str | None, kind: str) -> str:
        if path is None:
            return f"NULL::{kind}"
        parts = tuple(path.split("."))
        # A value wanted both as text and as a number is parsed as text.
        self._types[parts] = kind if self._types.get(parts, kind) == kind else "VARCHAR"
        return sql.extract(parts)

    def present(self, path: str) -> str:
        return f"{sql.extract(tuple(path.split('.')))} IS NOT NULL"

    def tops(self) -> list[str]:
        return sorted({sql.name(path[0]) for path in self._types})

    def declared(self) -> list[tuple[sql.Path, str]]:
        return list(self._types.items())


def _declared(leaves: Iterable[tuple[sql.Path, str]]) -> dict[str, str]:
    tree: dict[str, Any] = {}
    for path, kind in leaves:
        node = tree
        for part in path[:-1]:
            node = node.setdefault(part, {})
        node[path[-1]] = kind
    return {top: _type(node) for top, node in tree.items()}


def _type(node: dict[str, Any] | str) -> str:
    if isinstance(node, str):
        return node
    return "STRUCT(" + ", ".join(f"{sql.name(name)} {_type(child)}" for name, child in node.items()) + ")"


def _time(text: str) -> str:
    """Epoch µs of RFC 3339 text, or of a number whose size tells s, ms, µs or ns (years 1973 to 5138)."""
    number = f"TRY_CAST({text} AS DOUBLE)"
    return (
        f"CASE WHEN {number} IS NULL THEN epoch_us(TRY_CAST({text} AS TIMESTAMPTZ)) ELSE TRY_CAST(round(CASE "
        f"WHEN abs({number}) < 1e11 THEN {number} * 1e6 WHEN abs({number}) < 1e14 THEN {number} * 1e3 "
        f"WHEN abs({number}) < 1e17 THEN {number} ELSE {number} / 1e3 END) AS BIGINT) END"
    )


def _id(text: str) -> str:
    """A 64-bit hash that no upgrade changes."""
    return f"md5_number_lower({text})::UBIGINT"


def _binary(text: str, positive_class: str | None) -> str:
    if positive_class is not None:
        return f"CASE WHEN {text} = {sql.text(positive_class)} THEN 1 WHEN {text} IS NOT NULL THEN 0 END"
    return (
        f"CASE WHEN lower({text}) IN ('1', '1.0', 'true') THEN 1 "
        f"WHEN lower({text}) IN ('0', '0.0', 'false') THEN 0 END"
    )


def _filled(column: npt.NDArray[Any], value: Any) -> npt.NDArray[Any]:
    return np.ma.filled(column, value) if isinstance(column, np.ma.MaskedArray) else column


def _usable(
    raw: Mapping[str, npt.NDArray[Any]], latest: int, rejected: Counter[str]
) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.int64]]:
    time = _filled(raw["time"], NO_TIME).astype(np.int64)
    empty = _filled(raw["empty"], False).astype(bool)
    stamped = _filled(raw["stamped"], False).astype(bool)
    unreadable = time == NO_TIME
    future = time > latest
    _reject(rejected, "malformed", empty)
    _reject(rejected, "missing_timestamp", ~empty & ~stamped)
    _reject(rejected, "invalid_timestamp", stamped & unreadable)
    _reject(rejected, "future_timestamp", future)
    usable = ~(unreadable | future)
    return usable, time[usable]


def _reject(rejected: Counter[str], reason: str, rows: npt.NDArray[np.bool_]) -> None:
    number = int(np.count_nonzero(rows))
    if number:
        rejected[reason] += number
