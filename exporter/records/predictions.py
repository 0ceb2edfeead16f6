"""Prediction records."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from exporter.parse import sql
from exporter.parse.field_paths import Leaves
from exporter.parse.json_lines import Buffer, Parser, filled
from exporter.records.columns import NO_TIME, PredictionColumns, Texts
from exporter.records.features import FeatureDecoder, FeatureSet
from exporter.records.latency import UNIT_SECONDS
from exporter.summary.base import Floats
from exporter.tasks.task import Task, reject
from mlslo.monitor import PredictionFields, scope_name

NO_VALUE = "missing"
"""The segment value of records that have none."""

Paths = str | list[str]


@dataclass(frozen=True)
class Wanted:
    """What is wanted of prediction records.

    ``identified``: whether the hashes of ids are. ``scopes``: paths (or crossed ones) of segments and attributes.
    """

    fields: PredictionFields
    task: Task
    features: FeatureSet
    identified: bool = True
    scopes: Sequence[Paths] = ()

    def expressions(self) -> tuple[dict[str, str], Leaves]:
        """Alias -> SQL, and the leaves that it is over.

        Raises ValueError where two names of one object differ in case only.
        """
        fields, leaves = self.fields, Leaves()
        stamp = leaves.text(fields.timestamp)
        wanted = {
            "time": sql.epoch_microseconds(stamp),
            "id": sql.identity(leaves.text(fields.id)) if fields.id and self.identified else "0::UBIGINT",
            # Text costs a Python object each, and most records are of one version.
            "version": f"nullif(coalesce({leaves.text(fields.version)}, ''), getvariable('usual version'))",
            "status": f"TRY_CAST({leaves.number(fields.status)} AS INTEGER)",
            "latency": leaves.number(fields.latency.field if fields.latency else None),
            **self.task.answer_expressions(leaves),
        }
        if fields.fallback:
            fallback = leaves.text(fields.fallback)
            wanted["fallback"] = f"lower({fallback}) IN ('1', '1.0', 'true')"
        for position, paths in enumerate(self.scopes):
            wanted[f"scope {position}"] = _scope(leaves, fields, paths, self.features)
        for position, name in enumerate(self.features.attributed):
            wanted[f"attribution {position}"] = leaves.member_number(fields.attributions, name)
        wanted.update(FeatureDecoder(fields, self.features).expressions(leaves))
        container = fields.features if isinstance(fields.features, str) else None
        wanted["has_features"] = leaves.present(container) if container and self.features.kinds else "true"
        return wanted, leaves

    def of_unusable(self) -> tuple[dict[str, str], Leaves]:
        """What tells why a record has no event time; asked where one has none."""
        _, leaves = self.expressions()
        stamped = f"{leaves.text(self.fields.timestamp)} IS NOT NULL"
        empty = " AND ".join(f"{column} IS NULL" for column in leaves.tops())
        return {"stamped": stamped, "empty": empty}, leaves


class PredictionDecoder:
    """Decodes prediction records."""

    def __init__(self, wanted: Wanted) -> None:
        """Raises ValueError where two names of one object differ in case only."""
        latency = wanted.fields.latency
        self._wanted = wanted
        self._task = wanted.task
        self._latency_unit = UNIT_SECONDS[latency.unit] if latency else 1.0
        self._scopes = [scope_name(paths) for paths in wanted.scopes]
        self._attributed = wanted.features.attributed
        self._features = FeatureDecoder(wanted.fields, wanted.features)
        self._parser = Parser(*wanted.expressions())
        self._features.define_categories(self._parser)
        self._usual_version = ""
        self._parser.define("usual version", "")

    def close(self) -> None:
        """Release the parser."""
        self._parser.close()

    def decode(self, lines: Buffer, latest: int, file: int | None = None) -> PredictionColumns:
        """Decode whole lines; records with an event time after ``latest`` (epoch µs) are rejected."""
        raw, too_long = self._parser.select(lines, file)
        self._ask_for_scores(raw)
        rejected: Counter[str] = Counter({"too_long": too_long} if too_long else {})
        if np.ma.is_masked(raw["time"]):
            raw.update(self._parser.again(*self._wanted.of_unusable()))
        usable, time = _usable(raw, latest, rejected)
        status = filled(raw["status"], -1)[usable].astype(np.int32)
        latency = filled(raw["latency"], np.nan)[usable].astype(np.float64) * self._latency_unit
        return PredictionColumns(
            records=len(usable) + too_long,
            rejected=rejected,
            time=time,
            id=filled(raw["id"], 0)[usable].astype(np.uint64).view(np.int64),
            version=self._versions(raw["version"][usable]),
            status=status,
            latency=np.where(np.isfinite(latency), latency, np.nan),
            answers=self._task.answers(raw, usable, rejected),
            features=self._features.decode(raw, usable, self._parser),
            has_features=filled(raw["has_features"], False)[usable].astype(bool) | (status < 400),
            scopes={
                name: Texts.encode(raw[f"scope {position}"][usable], NO_VALUE)
                for position, name in enumerate(self._scopes)
            },
            fallback=self._fallback(raw, usable),
            attributions=self._attributions(raw, usable),
        )

    def _versions(self, column: npt.NDArray[Any]) -> Texts:
        """Versions as codes; NULL stands for the usual one, which is then that of the last record."""
        texts = Texts.encode(column, self._usual_version)
        if len(texts.codes):
            self._expect(texts.names[texts.codes[-1]])
        return texts

    def _ask_for_scores(self, raw: dict[str, npt.NDArray[Any]]) -> None:
        """Tell a score that is no number from none at all: both come as NULL."""
        leaves = Leaves()
        wanted = self._task.logged(leaves)
        if not wanted or not self._task.unclear(raw):
            return
        again = self._parser.again(wanted, leaves)
        if all(len(column) == len(raw["time"]) for column in again.values()):
            raw.update(again)

    def _expect(self, version: str) -> None:
        if version != self._usual_version:
            self._usual_version = version
            self._parser.define("usual version", version)

    @staticmethod
    def _fallback(raw: Mapping[str, npt.NDArray[Any]], usable: npt.NDArray[np.bool_]) -> npt.NDArray[np.int8]:
        if "fallback" not in raw:
            return np.full(int(np.count_nonzero(usable)), -1, dtype=np.int8)
        column = raw["fallback"][usable]
        return np.where(np.ma.getmaskarray(column), -1, np.ma.getdata(column)).astype(np.int8)

    def _attributions(
        self, raw: Mapping[str, npt.NDArray[Any]], usable: npt.NDArray[np.bool_]
    ) -> Floats | None:
        if not self._attributed:
            return None
        columns = [
            filled(raw[f"attribution {position}"], np.nan)[usable].astype(np.float64)
            for position in range(len(self._attributed))
        ]
        return np.stack(columns, axis=1)


def _scope(leaves: Leaves, fields: PredictionFields, paths: Paths, features: FeatureSet) -> str:
    """SQL for the segment value; crossed ones are joined by commas."""
    container = fields.features if isinstance(fields.features, str) else None
    parts = []
    for path in [paths] if isinstance(paths, str) else paths:
        text = leaves.text(path)
        if container is not None and path in features.kinds:
            text = f"coalesce({text}, {leaves.member_text(container, path)})"
        parts.append(f"coalesce({sql.canonical(text)}, {sql.text(NO_VALUE)})")
    return " || ',' || ".join(parts)


def _usable(
    raw: Mapping[str, npt.NDArray[Any]], latest: int, rejected: Counter[str]
) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.int64]]:
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
