"""Files recognised by what they hold: a copy goes on where its original was read."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from enum import Enum
from typing import NamedTuple

from exporter.sinks.compression import Decompressed
from exporter.sinks.content import Content
from exporter.sinks.parquet import ParquetFile
from exporter.sinks.positions import HEAD, Position, Positions
from exporter.sinks.tracked import QUIET, TrackedFile


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
    longer: list[Position] = []
    for position in positions.beginning_with(head):
        found_checksum = content.checksum(position.offset)
        if found_checksum is None:
            longer.append(position)
        elif found_checksum == position.content:
            there = original(position)
            waits = there is not None and (not there.named or not _is_longer(content, descriptor, there.size))
            return (Verdict.WAITS if waits else Verdict.COPY), position
    if settled:
        return Verdict.NEW, None
    compressed = isinstance(content, Decompressed)
    if longer and (compressed or any(map(original, longer))):
        return Verdict.WAITS, None
    if compressed and (not head or (len(head) < HEAD and not content.is_whole())):
        # Too little to be compared.
        return Verdict.WAITS, None
    return Verdict.NEW, None


def _is_longer(content: Content, descriptor: int, size: int) -> bool:
    if isinstance(content, Decompressed):
        return content.is_longer(size)
    return os.fstat(descriptor).st_size > size
