"""Field mapping: log records become columns.

DuckDB parses the JSON; what comes out of it is numbers only (times, codes of categories, hashes of ids),
so that no Python object is made per value.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from exporter import sql
from exporter.leaves import Leaves
from exporter.monitor import LabelFields, PredictionFields
from exporter.parser import Parser, filled
from exporter.summary.base import Floats
from exporter.summary.categorical import MISSING, UNSEEN

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

    @property
    def answered(self) -> npt.NDArray[np.bool_]:
        """Rows with a score or a class that a label can be compared with."""
        return ~np.isnan(self.score) | (self.predicted >= 0)


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


def prediction_expressions(
    fields: PredictionFields,
    features: Mapping[str, tuple[str, ...] | None],
    *,
    probability: bool,
    positive_class: str | None = None,
) -> tuple[dict[str, str], Leaves]:
    """What is wanted of a prediction record: alias -> expression, and the leaves that they are over.

    Raises ValueError where two names of one object differ in case only.
    """
    leaves = Leaves()
    score = fields.score or (None if probability else fields.prediction)
    wanted = {
        "time": sql.epoch_microseconds(leaves.text(fields.timestamp)),
        "stamped": f"{leaves.text(fields.timestamp)} IS NOT NULL",
        "id": _id(leaves.text(fields.id)) if fields.id else "0::UBIGINT",
        "version": leaves.text(fields.version),
        "status": f"TRY_CAST({leaves.number(fields.status)} AS INTEGER)",
        "latency": leaves.number(fields.latency.field if fields.latency else None),
        "score": f"TRY_CAST({leaves.text(score)} AS DOUBLE)",
        "scored": f"{leaves.text(score)} IS NOT NULL",
        "predicted": sql.binary_class(leaves.text(fields.prediction), positive_class),
    }
    container = fields.features if isinstance(fields.features, str) else None
    # Shallow ones first: where there are features a and a.b, the latter is a key that holds a dot.
    for position, (name, categories) in sorted(
        enumerate(features.items()), key=lambda item: item[1][0].count(".")
    ):
        wanted[f"feature {position}"] = (
            leaves.member_number(container, name)
            if categories is None
            else _category(leaves.member_text(container, name), categories, f"categories {position}")
        )
    wanted["has_features"] = leaves.present(container) if container and features else "true"
    wanted["empty"] = " AND ".join(f"{column} IS NULL" for column in leaves.tops())
    return wanted, leaves


def _category(text: str, categories: tuple[str, ...], enumeration: str) -> str:
    """The code of a category, UNSEEN or MISSING."""
    if any(category.lstrip("-").isdigit() for category in categories):
        text = sql.canonical(text)
    code = f"enum_code(TRY_CAST({text} AS {sql.name(enumeration)}))::INTEGER" if categories else "NULL"
    return f"CASE WHEN {text} IS NULL THEN {MISSING} ELSE coalesce({code}, {UNSEEN}) END"


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
        self._latency_unit = _UNIT_SECONDS[fields.latency.unit] if fields.latency else 1.0
        wanted, leaves = prediction_expressions(
            fields, features, probability=probability, positive_class=positive_class
        )
        self._parser = Parser(wanted, leaves)
        for position, categories in enumerate(self._features.values()):
            if categories:
                self._parser.define_categories(f"categories {position}", categories)

    def close(self) -> None:
        """Release the parser."""
        self._parser.close()

    def decode(self, lines: bytes, latest: int) -> PredictionColumns:
        """Decode whole lines; records with an event time after ``latest`` (epoch µs) are rejected."""
        raw, too_long = self._parser.select(lines)
        rejected: Counter[str] = Counter({"too_long": too_long} if too_long else {})
        usable, time = _usable(raw, latest, rejected)
        status = filled(raw["status"], -1)[usable].astype(np.int32)
        score = filled(raw["score"], np.nan)[usable].astype(np.float64)
        possible = (score >= 0) & (score <= 1) if self._probability else np.isfinite(score)
        _reject(rejected, "invalid_score", filled(raw["scored"], False)[usable].astype(bool) & ~possible)
        score[~possible] = np.nan
        predicted = filled(raw["predicted"], -1)[usable].astype(np.intp)
        if self._probability:
            derived = (predicted < 0) & ~np.isnan(score)
            predicted[derived] = score[derived] >= 0.5
        latency = filled(raw["latency"], np.nan)[usable].astype(np.float64) * self._latency_unit
        version = self._versions.encode(filled(raw["version"], "")[usable])
        return PredictionColumns(
            records=len(usable) + too_long,
            rejected=rejected,
            time=time,
            id=filled(raw["id"], 0)[usable].astype(np.uint64).view(np.int64),
            version=version,
            versions=self._versions.names,
            status=status,
            latency=np.where(np.isfinite(latency), latency, np.nan),
            score=score,
            predicted=predicted,
            features={
                name: filled(raw[f"feature {position}"], np.nan if categories is None else MISSING)[usable]
                for position, (name, categories) in enumerate(self._features.items())
            },
            has_features=filled(raw["has_features"], False)[usable].astype(bool) | (status < 400),
        )


class LabelDecoder:
    """Decodes label records of a binary task."""

    def __init__(self, fields: LabelFields, *, positive_class: str | None = None) -> None:
        leaves = Leaves()
        stamp = leaves.text(fields.timestamp)
        wanted = {
            "time": sql.epoch_microseconds(stamp),
            "stamped": f"{stamp} IS NOT NULL",
            "id": _id(leaves.text(fields.id)),
            "label": sql.binary_class(leaves.text(fields.label), positive_class),
            "empty": " AND ".join(f"{column} IS NULL" for column in leaves.tops()),
        }
        self._parser = Parser(wanted, leaves)

    def close(self) -> None:
        """Release the parser."""
        self._parser.close()

    def decode(self, lines: bytes, latest: int) -> LabelColumns:
        """Decode whole lines; labels from after ``latest`` (epoch µs) are rejected, those without a time kept."""
        raw, too_long = self._parser.select(lines)
        rejected: Counter[str] = Counter({"too_long": too_long} if too_long else {})
        time = filled(raw["time"], NO_TIME).astype(np.int64)
        stamped = filled(raw["stamped"], False).astype(bool)
        identity = filled(raw["id"], 0).astype(np.uint64).view(np.int64)
        label = filled(raw["label"], -1).astype(np.intp)
        usable = np.ones(len(time), dtype=bool)
        for reason, bad in (
            ("malformed", filled(raw["empty"], False).astype(bool)),
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


def _id(text: str) -> str:
    """A 64-bit hash that no upgrade changes."""
    return f"md5_number_lower({text})::UBIGINT"


def _usable(
    raw: Mapping[str, npt.NDArray[Any]], latest: int, rejected: Counter[str]
) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.int64]]:
    time = filled(raw["time"], NO_TIME).astype(np.int64)
    empty = filled(raw["empty"], False).astype(bool)
    stamped = filled(raw["stamped"], False).astype(bool)
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
