"""Files recognised by what they hold: a copy goes on where its original was read."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import replace
from enum import Enum
from typing import NamedTuple

from exporter.sinks.compression import Decompressed
from exporter.sinks.content import Content
from exporter.sinks.files.tracked import QUIET, TrackedFile
from exporter.sinks.parquet import ParquetFile
from exporter.sinks.positions import HEAD, Position, Positions


class Verdict(Enum):
    """Kind of a file that has no position of its own."""

    NEW = "new"
    WAITS = "it may become a copy, or is one of a file that is still read"
    COPY = "copy"


class Original(NamedTuple):
    """A file that is there now, in which a position was: how long its content is, and whether it has a name."""

    size: int
    named: bool


def recognise(
    file: TrackedFile,
    descriptor: int,
    positions: Positions,
    original: Callable[[Position], Original | None],
    *,
    final: bool,
) -> tuple[Verdict, Position | None]:
    """Return what ``file`` is, and the position in the original of a copy.

    ``original``: tells of a position whether its file still holds what was read of it. A copy waits until that is gone,
    or until it is the longer one: what is left in both would be read twice. While it is being made it is shorter than
    what was read. ``final``: nobody makes one.
    """
    if file.is_parquet:
        checksum = ParquetFile(descriptor).checksum()
        found = positions.with_footer(checksum) if checksum is not None else []
        if not found:
            return Verdict.NEW, None
        return (Verdict.WAITS if original(found[0]) else Verdict.COPY), found[0]
    content = file.content(descriptor)
    settled = final or time.time() - os.fstat(descriptor).st_mtime > QUIET
    head = content.head()
    compressed = isinstance(content, Decompressed)
    longer: list[Position] = []
    copied: Position | None = None
    for position in positions.beginning_with(head):
        found_checksum = content.checksum(position.offset)
        if found_checksum is None:
            marked = _holds_mark(content, position)
            unfinished = isinstance(content, Decompressed) and not content.is_whole()
            if marked and (settled or not (unfinished or original(position))):
                # It was made before all of this was read: by then, all that it holds was.
                return Verdict.COPY, _at_end(content, position)
            if marked is not False:
                longer.append(position)
        elif found_checksum == position.content and (copied is None or position.offset == copied.offset):
            there = original(position)
            if there is not None and (
                not _is_longer(content, descriptor, there.size)
                if there.named
                else there.size > position.offset
            ):
                return Verdict.WAITS, position
            # There may be another copy.
            copied = copied or position
    if copied is not None:
        return Verdict.COPY, copied
    if settled:
        return Verdict.NEW, None
    if longer and (compressed or any(map(original, longer))):
        return Verdict.WAITS, None
    if compressed and (not head or (len(head) < HEAD and not content.is_whole())):
        # Too little to be compared.
        return Verdict.WAITS, None
    return Verdict.NEW, None


def _holds_mark(content: Content, position: Position) -> bool | None:
    """Tell whether content that is shorter than what was read is its beginning; None where nothing tells."""
    length = content.length()
    for offset, checksum in reversed(position.marks):
        if offset <= length:
            return content.checksum(offset) == checksum
    return None


def _at_end(content: Content, position: Position) -> Position:
    length = content.length()
    marks = tuple(mark for mark in position.marks if mark[0] <= length)
    return replace(
        position, offset=length, content=content.checksum(length) or 0, marks=marks, skipping=False
    )


def _is_longer(content: Content, descriptor: int, size: int) -> bool:
    if isinstance(content, Decompressed):
        return content.is_longer(size)
    return os.fstat(descriptor).st_size > size
