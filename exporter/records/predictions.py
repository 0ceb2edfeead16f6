"""Prediction records, decoded and as they were logged."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from exporter.features import KINDS
from exporter.features.kind import number_column
from exporter.parse import sql
from exporter.parse.field_paths import FieldPaths
from exporter.parse.json_lines import LONGEST_RECORD, Buffer, Parser, filled
from exporter.parse.times import USUAL, epoch_microseconds
from exporter.parse.typed_rows import TypedRows
from exporter.records import compared
from exporter.records.columns import ERROR, NO_TIME, PredictionColumns, Texts
from exporter.records.features import FeatureDecoder, FeatureSet, feature_value, present_features
from exporter.records.latency import UNIT_SECONDS
from exporter.state import NO_VALUE
from exporter.summary.base import Flags, Integers
from exporter.tasks.task import Task, reject
from mlslo.monitor import FeatureArray, PredictionFields, Predictions, WrittenTimes, scope_name

_LINE = "the line itself"

Crossing = str | list[str]
"""A path, or those that are crossed."""


@dataclass(frozen=True)
class RequestedFields:
    """Fields requested of prediction records.

    ``identified``: True where labels name the ids, too. ``scopes``: paths (or crossed ones) of segments and attributes.
    ``made``: feature or group of features -> path of when it was made. ``compared``: feature -> kind, of those that are
    compared with offline ones.
    """

    fields: PredictionFields
    task: Task
    features: FeatureSet
    identified: bool = True
    scopes: Sequence[Crossing] = ()
    made: Mapping[str, str] = field(default_factory=dict)
    compared: Mapping[str, str] = field(default_factory=dict)
    times: WrittenTimes = USUAL

    def expressions(self, paths: FieldPaths) -> dict[str, str]:
        """Alias -> SQL over ``paths``.

        Raises ValueError where two names of one object differ in case only.
        """
        fields = self.fields
        stamp = paths.text(fields.timestamp)
        requested = {
            "time": epoch_microseconds(stamp, self.times),
            "id": self._identity(paths.text(fields.id)) if fields.id else "0::UBIGINT",
            "version": paths.text(fields.version),
            "status": f"TRY_CAST({paths.number(fields.status)} AS INTEGER)",
            "latency": paths.number(fields.latency.field if fields.latency else None),
            "fallback": f"lower({paths.text(fields.fallback)}) IN ('1', '1.0', 'true')",
            **self.task.output_expressions(paths),
        }
        for position, crossing in enumerate(self.scopes):
            requested[f"scope {position}"] = _scope(paths, fields, crossing, self.features)
        for position, name in enumerate(self.features.attributed):
            requested[f"attribution {position}"] = paths.member(fields.attributions, name, "number")
        requested.update(FeatureDecoder(fields, self.features).expressions(paths))
        values = {
            name: feature_value(paths, fields, name, KINDS[kind].parsed_as)
            for name, kind in self.compared.items()
        }
        requested.update(compared.expressions(values, self.compared))
        for name, path in self.made.items():
            requested[f"made {name}"] = epoch_microseconds(paths.text(path), self.times)
        requested["has_features"] = present_features(paths, fields) if self.features.kinds else "true"
        if isinstance(fields.features, FeatureArray):
            requested["invalid_features"] = paths.misfits(fields.features.path, len(fields.features.names))
        return requested

    def identities(self, paths: FieldPaths) -> dict[str, str]:
        """Return SQL for the id and for its text."""
        text = paths.text(self.fields.id)
        return {"id": self._identity(text), "text": text}

    def _identity(self, text: str) -> str:
        """Return SQL for the hash of an id; one that is only ever compared with itself costs a tenth of the other."""
        return (
            sql.identity(text) if self.identified else f"CASE WHEN {text} IS NOT NULL THEN hash({text}) END"
        )

    def of_unusable(self, paths: FieldPaths) -> dict[str, str]:
        """Return SQL that tells why a record has no event time; asked where one has none."""
        self.expressions(paths)
        stamped = f"{paths.text(self.fields.timestamp)} IS NOT NULL"
        return {"stamped": stamped, "empty": paths.empty()}


class PredictionDecoder:
    """Decodes prediction records."""

    def __init__(self, requested: RequestedFields) -> None:
        """Raises ValueError where two names of one object differ in case only."""
        latency = requested.fields.latency
        self._requested = requested
        self._task = requested.task
        self._latency_unit = UNIT_SECONDS[latency.unit] if latency else 1.0
        self._scopes = [scope_name(crossing) for crossing in requested.scopes]
        self._features = FeatureDecoder(requested.fields, requested.features)
        self._parser = Parser(requested.expressions)
        self._features.define_categories(self._parser)

    def close(self) -> None:
        """Release the parser."""
        self._parser.close()

    def decode(self, lines: Buffer | TypedRows, latest: int) -> PredictionColumns:
        """Decode whole lines; records with an event time after ``latest`` (epoch µs) are rejected."""
        raw, too_long = self._parser.select(lines)
        if self._task.logged(FieldPaths()) and self._task.unclear(raw):
            # A score that is no number, and none at all, both come as NULL.
            again = self._parser.again(self._task.logged)
            if all(len(column) == len(raw["time"]) for column in again.values()):
                raw.update(again)
        rejected: Counter[str] = Counter({"too_long": too_long} if too_long else {})
        if np.ma.is_masked(raw["time"]):
            raw.update(self._parser.again(self._requested.of_unusable))
        usable, time = _usable(raw, latest, rejected)
        if "invalid_features" in raw:
            reject(rejected, "invalid_features", usable & filled(raw["invalid_features"], False).astype(bool))
        status = filled(raw["status"], -1)[usable].astype(np.int32)
        latency = filled(raw["latency"], np.nan)[usable].astype(np.float64) * self._latency_unit
        attributions = [
            filled(raw[f"attribution {position}"], np.nan)[usable].astype(np.float64)
            for position in range(len(self._requested.features.attributed))
        ]
        return PredictionColumns(
            records=len(usable) + too_long,
            rejected=rejected,
            time=time,
            id=filled(raw["id"], 0)[usable].astype(np.uint64).view(np.int64),
            version=Texts.encode(raw["version"][usable], ""),
            status=status,
            latency=np.where(np.isfinite(latency), latency, np.nan),
            outputs=self._task.outputs(raw, usable, rejected),
            features=self._features.decode(raw, usable, self._parser),
            has_features=filled(raw["has_features"], False)[usable].astype(bool) | (status < ERROR),
            scopes={
                name: Texts.encode(raw[f"scope {position}"][usable], NO_VALUE)
                for position, name in enumerate(self._scopes)
            },
            fallback=filled(raw["fallback"].astype(np.int8), -1)[usable],
            attributions=np.stack(attributions, axis=1) if attributions else None,
            classified=~np.ma.getmaskarray(raw["predicted"])[usable] if "predicted" in raw else None,
            row=np.flatnonzero(usable),
            ages={
                name: (time - number_column(raw[f"made {name}"])[usable]) / 1e6
                for name in self._requested.made
            },
            compared=compared.codes(raw, self._requested.compared)[usable]
            if self._requested.compared
            else None,
        )

    def requests(self, lines: bytes) -> dict[int, str]:
        """Return the ids of a few whole lines as they are written, by their hash; after ``decode`` only."""
        raw = self._parser.others(lines, self._requested.identities)
        hashes = filled(raw["id"], 0).astype(np.uint64).view(np.int64)
        return {
            int(code): str(text) for code, text in zip(hashes, filled(raw["text"], ""), strict=True) if code
        }


def _scope(paths: FieldPaths, fields: PredictionFields, crossing: Crossing, features: FeatureSet) -> str:
    """SQL for the segment value; crossed ones are joined by commas."""
    parts = []
    for path in [crossing] if isinstance(crossing, str) else crossing:
        text = paths.text(path)
        if path in features.kinds and not isinstance(fields.features, list | None):
            text = f"coalesce({text}, {feature_value(paths, fields, path)})"
        parts.append(f"coalesce({sql.canonical(text)}, {sql.text(NO_VALUE)})")
    return " || ',' || ".join(parts)


def _usable(
    raw: Mapping[str, npt.NDArray[Any]], latest: int, rejected: Counter[str]
) -> tuple[Flags, Integers]:
    time = filled(raw["time"], NO_TIME).astype(np.int64)
    unreadable = time == NO_TIME
    future = time > latest
    if "stamped" in raw:
        empty = filled(raw["empty"], False).astype(bool)
        stamped = filled(raw["stamped"], False).astype(bool)
        reject(rejected, "malformed", empty)
        reject(rejected, "missing_timestamp", ~empty & ~stamped)
        reject(rejected, "invalid_timestamp", stamped & unreadable)
    reject(rejected, "future_timestamp", future)
    usable = ~(unreadable | future)
    return usable, time[usable]


class Lines(NamedTuple):
    """Usable records, shape (rows,). ``time``: epoch µs. ``text``: each record's line, without its newline."""

    time: Integers
    version: Texts
    text: npt.NDArray[np.object_]


class LineDecoder:
    """Tells the time and the version of prediction records, as ``PredictionDecoder`` does, and keeps their text."""

    def __init__(self, predictions: Predictions) -> None:
        fields = predictions.fields

        def request(paths: FieldPaths) -> dict[str, str]:
            return {
                "time": epoch_microseconds(paths.text(fields.timestamp), predictions.times),
                "version": f"coalesce({paths.text(fields.version)}, '')",
                "line": sql.name(_LINE),
            }

        self._parser = _LineParser(request)

    def close(self) -> None:
        """Release the parser."""
        self._parser.close()

    def decode(self, lines: Buffer | TypedRows, latest: int) -> Lines:
        """Decode whole lines; records without a time, or with one after ``latest`` (epoch µs), are left out."""
        raw, _ = self._parser.select(lines)
        time = filled(raw["time"], NO_TIME).astype(np.int64)
        usable = (time != NO_TIME) & (time <= latest)
        return Lines(
            time[usable],
            Texts.encode(filled(raw["version"], "")[usable], ""),
            filled(raw["line"], "")[usable],
        )


class _LineParser(Parser):
    """Selects from the same rows, with the text of each: no counting of lines that could shift it."""

    takes_rows = False

    def _source(self, path: str, paths: FieldPaths) -> str:
        return (
            f"(SELECT json AS {sql.name(_LINE)}, unnest(from_json(json, {sql.text(paths.structure())})) "
            f"FROM read_ndjson_objects({path}, ignore_errors = true, maximum_object_size = {LONGEST_RECORD}))"
        )
