"""One file that a sink reads: its format, its compression, and what is known of it between cycles."""

from __future__ import annotations

import os
import time
import zlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import PurePath

from exporter.sinks.compression import MEMBERS, Decompressed, stored_checksum
from exporter.sinks.content import Content, Plain
from exporter.sinks.descriptors import UnreadableError
from exporter.sinks.parquet import ParquetFile
from exporter.sinks.positions import HEAD, OF_ROWS, Position
from exporter.sinks.records import Cut, Cutter, JsonLines
from exporter.sinks.rows import CsvRows

FORMATS = {".csv": "csv", ".tsv": "csv", ".parquet": "parquet"}
"""Ending of a name -> format; all others are JSON lines."""
QUIET = 60.0
"""Seconds after which a file that nobody writes to is taken for whole."""
NOT_WHOLE = "no whole Parquet file: its footer is missing"
_OVERDUE = 600.0
# A clock of a file system may tick that late.
_TICK = 2.0


def endings(path: str) -> list[str]:
    """Return the endings of a name, the last one first, without numbers and dates of rotation."""
    return [ending.lower() for ending in reversed(PurePath(path).suffixes) if any(map(str.isalpha, ending))]


class TrackedFile:
    """A file of a sink. ``path``: where it was last seen."""

    def __init__(self, path: str, format_: str | None) -> None:
        self.path = path
        self._endings = endings(path)
        self.compression = next((MEMBERS[ending] for ending in self._endings[:1] if ending in MEMBERS), None)
        inner = self._endings[self.compression is not None :]
        self.format = format_ or FORMATS.get(inner[0] if inner else "", "jsonl")
        self.is_parquet = self.format == "parquet"
        self._stream: Decompressed | None = None
        self._looked: tuple[int, ...] = ()
        self._rows: int | None = None

    @property
    def is_plain(self) -> bool:
        """True where a position is one in the file itself."""
        return self.compression is None and not self.is_parquet

    def is_as_it_was(self, status: os.stat_result) -> bool:
        """Return True where nothing has changed since a look that found nothing more to read."""
        return self._looked == state_of(status)

    def looked(self, status: os.stat_result) -> None:
        """Remember that there was nothing more to read, unless a change might go unseen."""
        settled = time.time() - max(status.st_mtime, status.st_ctime) > _TICK
        self._looked = state_of(status) if settled else ()

    def content(self, descriptor: int) -> Content:
        """Return the content, decompressed; what was decompressed before is not again, unless it was replaced."""
        if self.compression is None:
            return Plain(descriptor)
        if self._stream is not None:
            self._stream.descriptor = descriptor
            if self._stream.holds():
                return self._stream
        self._stream = Decompressed(self.compression, descriptor)
        return self._stream

    @property
    def is_unfinished(self) -> bool:
        """True where a member is being decompressed, which takes memory."""
        return self._stream is not None and not self._stream.is_whole()

    def forget(self) -> None:
        """Release what makes the next look cheaper."""
        self._stream = None

    def holds(self, descriptor: int, position: Position) -> bool:
        """Return True where the file holds what was read up to ``position``."""
        if self.is_parquet != (position.head == OF_ROWS):
            return False
        if self.is_parquet:
            return ParquetFile(descriptor).checksum() == position.content
        if self._stream is None and position.stored:
            # Nothing needs be decompressed.
            return stored_checksum(descriptor, position.stored) == position.stored_content
        return self.content(descriptor).checksum(position.offset) == position.content

    def unread(self, status: os.stat_result, position: Position) -> int:
        """Return the bytes that are not read yet, compressed where the file is."""
        if self.is_parquet:
            left = (self._rows or 0) - position.offset
            return (
                status.st_size * left // self._rows if self._rows else status.st_size * (self._rows is None)
            )
        if self.compression is None:
            read = position.offset
        else:
            read = self._stream.read if self._stream is not None else position.stored
        return max(0, status.st_size - read)

    def read(self, descriptor: int, position: Position, *, final: bool) -> Iterator[tuple[Cut, Position]]:
        """Yield what comes after ``position``, with the position after it. Raises OSError where it cannot be read."""
        status = os.fstat(descriptor)
        if self.is_as_it_was(status):
            return
        if self.is_parquet:
            yield from self._read_parquet(descriptor, status, position, final=final)
            quiet = True
        elif not (self._stream is None and position.stored and position.stored == status.st_size):
            quiet = final or time.time() - status.st_mtime > QUIET
            yield from self._read_content(self.content(descriptor), position, final=final, quiet=quiet)
        else:
            quiet = True
        if quiet:
            self.looked(status)

    def _read_content(
        self, content: Content, position: Position, *, final: bool, quiet: bool
    ) -> Iterator[tuple[Cut, Position]]:
        if self.format == "csv" and position.offset and not position.header:
            # It was read as something else.
            position = replace(position, offset=0)
        cutter = self.cutter(position.header, skipping=position.skipping)
        size = min(cutter.most, content.most)
        while (block := content.at(position.offset, size)).length:
            start = position.offset
            if not block.buffer[block.start]:
                # Passed over with the line behind it only: by NULs alone files could not be told apart.
                start = content.after_nulls(start)
                cutter.skipping = False
                block = content.at(start, size)
            cut = cutter.cut(block, full=block.length == size, final=final, quiet=quiet)
            if not cut.length:
                break
            further = replace(position, offset=start + cut.length, marks=position.marked())
            position = self.after(content, further, cutter)
            yield cut, position
        if isinstance(content, Decompressed):
            content.rest(position.offset)
            content.raise_damage()

    def after(self, content: Content, position: Position, cutter: Cutter) -> Position:
        """Return ``position`` with the checksums of what is before it, and what ``cutter`` must know to go on."""
        stored, stored_content = (
            content.taken(position.offset) if isinstance(content, Decompressed) else (0, 0)
        )
        return replace(
            position,
            content=content.checksum(position.offset) or 0,
            head=zlib.crc32(content.head()[: min(HEAD, position.offset)]),
            stored=stored,
            stored_content=stored_content,
            header=cutter.header,
            skipping=cutter.skipping,
        )

    def cutter(self, header: str = "", *, skipping: bool = False) -> Cutter:
        """Return what takes records off the content."""
        return CsvRows(header, skipping=skipping) if self.format == "csv" else JsonLines(skipping=skipping)

    def _read_parquet(
        self, descriptor: int, status: os.stat_result, position: Position, *, final: bool
    ) -> Iterator[tuple[Cut, Position]]:
        file = ParquetFile(descriptor)
        checksum = file.checksum()
        if checksum is None:
            if final or time.time() - status.st_mtime > _OVERDUE:
                raise UnreadableError(NOT_WHOLE)
            return
        if position.content != checksum:
            position = replace(position, offset=0, content=checksum, stored=0)
            self._rows = None
        if position.stored == status.st_size:
            self._rows = position.offset
        if self._rows is None:
            self._rows = file.rows()
        if position.offset >= self._rows:
            return
        for lines, number in file.lines(position.offset):
            offset = position.offset + number
            stored = status.st_size if offset == self._rows else 0
            position = replace(position, offset=offset, head=OF_ROWS, stored=stored, stored_content=0)
            yield Cut(memoryview(lines), number), position


def state_of(status: os.stat_result) -> tuple[int, ...]:
    """Return what changes with the content of a file."""
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns
