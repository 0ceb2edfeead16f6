"""Timestamps that are whole hours off the clock: local time that is read as UTC."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np

from exporter.features.timestamp import time_text
from exporter.sinks.content import Block
from exporter.sinks.listing import matches
from exporter.sinks.rows import CsvRows
from exporter.sinks.tracked import TrackedFile
from exporter.sinks.wrappings import unwrapped_sample
from exporter.summary.base import Integers
from mlslo.monitor import Monitor, Sink, WrittenTimes

Times = Callable[[bytes, WrittenTimes], Integers]
"""Event times, epoch µs, of the usable records of whole lines."""

_TAIL = 1 << 18
_BEING_WRITTEN = 600.0
_HALF_HOUR = 1800
_TOLERANCE = 60.0
_FARTHEST = 14 * 3600
_ELSEWHERE = WrittenTimes("+01:00")


def doubt(
    monitor: Monitor, key: str, sink: Sink, written: WrittenTimes, times: Times, now: float, *, late: bool
) -> str | None:
    """Say that the newest record of a sink is whole or half hours off the clock; None where it is not.

    The clock is the time of the last write while a file is written to, else ``now`` (Unix seconds), by which only a
    future can be told. ``key``: of the log in the monitor file. ``late``: whether records may be logged long after
    their time, as labels are, so that only a future tells anything.
    """
    found = _newest_lines(monitor, sink)
    if found is None:
        return None
    lines, modified = found
    newest = _newest(times(lines, written))
    if newest is None:
        return None
    growing = 0 <= now - modified <= _BEING_WRITTEN
    clock = modified if growing else now
    shift = round((newest - clock) / _HALF_HOUR) * _HALF_HOUR
    if not shift or abs(shift) > _FARTHEST or abs(newest - clock - shift) > _TOLERANCE:
        return None
    if shift < 0 and (late or not growing):
        return None
    hours = f"{abs(shift) / 3600:g} h {'ahead of' if shift > 0 else 'behind'} the clock"
    said = f"timestamps are {hours}: the newest is {time_text(newest, 'seconds')}; "
    zone = f"'spec.{key}.timezone'"
    if written.zone is not None and _newest(times(lines, WrittenTimes(None, written.formats))) != newest:
        return f"{said}is {zone} right?"
    if _newest(times(lines, WrittenTimes(_ELSEWHERE.zone, written.formats))) != newest:
        return f"{said}written in local time without an offset? {zone} says which, such as Europe/Berlin or +02:00"
    return f"{said}local time that is logged as UTC, or with another offset? Correct the log's writer"


def _newest(times: Integers) -> float | None:
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
