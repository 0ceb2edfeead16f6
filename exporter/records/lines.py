"""Prediction records as they were logged."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from exporter.parse import sql
from exporter.parse.field_paths import FieldPaths
from exporter.parse.json_lines import LONGEST_RECORD, Buffer, Parser, filled
from exporter.records.columns import NO_TIME, Texts
from exporter.summary.base import Integers
from mlslo.monitor import PredictionFields

_LINE = "the line itself"


@dataclass(frozen=True)
class Lines:
    """Usable records, shape (rows,). ``time``: epoch µs. ``text``: each record's line, without its newline."""

    time: Integers
    version: Texts
    text: npt.NDArray[np.object_]


class LineDecoder:
    """Tells the time and the version of prediction records, as ``PredictionDecoder`` does, and keeps their text."""

    def __init__(self, fields: PredictionFields) -> None:
        paths = FieldPaths()
        requested = {
            "time": sql.epoch_microseconds(paths.text(fields.timestamp)),
            "version": f"coalesce({paths.text(fields.version)}, '')",
            "line": sql.name(_LINE),
        }
        self._parser = _LineParser(requested, paths)

    def close(self) -> None:
        """Release the parser."""
        self._parser.close()

    def decode(self, lines: Buffer, latest: int) -> Lines:
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

    def _source(self, path: str, paths: FieldPaths) -> str:
        return (
            f"(SELECT json AS {sql.name(_LINE)}, unnest(from_json(json, {sql.text(paths.structure())})) "
            f"FROM read_ndjson_objects({path}, ignore_errors = true, maximum_object_size = {LONGEST_RECORD}))"
        )
