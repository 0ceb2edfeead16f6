"""Timestamps that are whole hours off the clock: local time that is read as UTC."""

from __future__ import annotations

import os
from contextlib import closing
from pathlib import Path

import numpy as np

from exporter.features.timestamp import time_text
from exporter.parse.field_paths import FieldPaths
from exporter.parse.json_lines import Parser, filled
from exporter.parse.times import epoch_microseconds
from exporter.records.columns import NO_TIME
from exporter.records.reshaping import plain, reshapings
from exporter.sinks.content import Block
from exporter.sinks.files import TrackedFile, matches
from exporter.sinks.rows import CsvRows
from exporter.sinks.wrappings import unwrapped_sample
from exporter.state import Store
from mlslo.monitor import Monitor, Sink, WrittenTimes

_TAIL = 1 << 18
_BEING_WRITTEN = 600.0
_HALF_HOUR = 1800
_TOLERANCE = 60.0
_FARTHEST = 14 * 3600
_ELSEWHERE = WrittenTimes("+01:00")


def doubt(monitor: Monitor, log: str, now: float) -> str | None:
    """Say that the newest record of a log file is whole or half hours off the clock; None where it is not.

    The clock is the time of the last write while a file is written to, else ``now`` (Unix seconds), by which only a
    future can be told. ``log``: its key; labels and offline features may be logged long after their time, so that only
    a future tells anything.
    """
    named = monitor.spec.logs.get(log)
    found = None if named is None else _newest_lines(monitor, named.sink)
    if named is None or named.fields.timestamp is None or found is None:
        return None
    lines, modified = found
    with closing(Store()) as store, store.transaction():
        lines = bytes(reshapings(monitor, store)[log].plain(lines, int(now * 1e6)).lines)

    def newest(written: WrittenTimes) -> float | None:
        return _newest(monitor, log, lines, written)

    written = named.times
    last = newest(written)
    if last is None:
        return None
    growing = 0 <= now - modified <= _BEING_WRITTEN
    clock = modified if growing else now
    shift = round((last - clock) / _HALF_HOUR) * _HALF_HOUR
    if not shift or abs(shift) > _FARTHEST or abs(last - clock - shift) > _TOLERANCE:
        return None
    if shift < 0 and (log != "predictions" or not growing):
        return None
    hours = f"{abs(shift) / 3600:g} h {'ahead of' if shift > 0 else 'behind'} the clock"
    said = f"timestamps are {hours}: the newest is {time_text(last, 'seconds')}; "
    zone = f"'spec.{log}.timezone'"
    if written.zone is not None and newest(WrittenTimes(None, written.formats)) != last:
        return f"{said}is {zone} right?"
    if newest(WrittenTimes(_ELSEWHERE.zone, written.formats)) != last:
        return f"{said}written in local time without an offset? {zone} says which, such as Europe/Berlin or +02:00"
    return f"{said}local time that is logged as UTC, or with another offset? Correct the log's writer"


def _newest(monitor: Monitor, log: str, lines: bytes, written: WrittenTimes) -> float | None:
    """Return the newest event time (Unix seconds) of plain records, read as ``written``."""
    fields = plain(monitor).spec.logs[log].fields

    def request(paths: FieldPaths) -> dict[str, str]:
        return {"time": epoch_microseconds(paths.text(fields.timestamp), written)}

    with closing(Parser(request)) as parser:
        times = filled(parser.select(lines)[0]["time"], NO_TIME).astype(np.int64)
    times = times[times != NO_TIME]
    return float(np.max(times)) / 1e6 if len(times) else None


def _newest_lines(monitor: Monitor, sink: Sink) -> tuple[bytes, float] | None:
    """Return the last whole lines of the file that was written to last, and when; None where there is none."""
    if sink.file is None:
        return None
    newest: tuple[float, str] | None = None
    for path in matches(monitor.pattern(sink.file.path))[0]:
        try:
            modified = Path(path).stat().st_mtime
        except OSError:
            continue
        if Path(path).is_file() and TrackedFile(path, sink.file.format).is_plain:
            newest = max(newest or (modified, path), (modified, path))
    if newest is None:
        return None
    try:
        with Path(newest[1]).open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(0, size - _TAIL))
            lines = file.read()
            file.seek(0)
            header = file.readline(_TAIL)
    except OSError:
        return None
    begin = lines.find(b"\n") + 1 if size > _TAIL else 0
    lines = lines[begin : lines.rfind(b"\n") + 1]
    if TrackedFile(newest[1], sink.file.format).format == "csv":
        content = bytearray(lines if size <= _TAIL else header + lines)
        rows = CsvRows().cut(Block(content, 0, len(content)), full=False, final=True, quiet=True)
        return bytes(rows.lines), newest[0]
    return unwrapped_sample(lines)[0], newest[0]
