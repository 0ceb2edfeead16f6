"""Pieces of logs, each read by one task: stretches of files of lines, and files that must be read from their beginning.

The driver goes through a file as the file sink does, but looks at the ends of its blocks only. A task reads exactly
those blocks by the sink's own code, so that its records are those of the sink, and the last position is the one that
an exporter goes on from.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from exporter.sinks.content import Block, Content, Plain
from exporter.sinks.descriptors import failure, open_file
from exporter.sinks.files import FileSink, TrackedFile
from exporter.sinks.positions import Position
from exporter.sinks.records import NOTHING, Cut, JsonLines, batch_of, is_object
from exporter.sinks.sink import Batch
from exporter.sinks.wrappings import is_plain

_LOOKED_AT = 64 << 10
_SMALLEST, _LARGEST = 32 << 20, 256 << 20
MOST_TASKS = 2500
"""Tasks of a stage, about: each that reads hands something to each that folds, and millions of blocks are enough."""


@dataclass(frozen=True)
class Piece:
    """A stretch of a file of ``sink``, from ``start`` to the offset ``end``; to the end of the file where that is None.

    ``size``: bytes of the file that it is, as they are stored.
    """

    sink: str
    path: str
    format: str | None
    start: Position
    end: int | None
    size: int


class PlannedFile(TrackedFile):
    """A file that is gone through without being read. ``entire``: from where on one task must have all of it."""

    entire = False

    def read(
        self,
        descriptor: int,
        position: Position,
        *,
        final: bool,  # noqa: ARG002 - the driver plans the final read only
    ) -> Iterator[tuple[Cut, Position]]:
        """Yield the position after each block that the sink would read, up to where the end of one is not certain."""
        self.entire = not self.is_plain or self.format != "jsonl"
        content = self.content(descriptor)
        while not self.entire and (length := min(JsonLines.most, content.length() - position.offset)) > 0:
            stop = _last_line_end(descriptor, position.offset, position.offset + length)
            first = os.pread(descriptor, min(_LOOKED_AT, length), position.offset)
            if length < JsonLines.most and stop == position.offset and b"\0" not in first:
                if not is_object(os.pread(descriptor, length, position.offset)):
                    return
                stop += length
            # What is wrapped, too long or begins with NULs is cut where only its content tells.
            self.entire = stop == position.offset or first[:1] == b"\0" or not is_plain(memoryview(first))
            if not self.entire:
                further = replace(position, offset=stop, marks=position.marked())
                position = self.after(content, further, JsonLines())
                yield Cut(NOTHING, length), position


class PlannedSink(FileSink):
    """A file sink that finds files, copies and positions as ever, and collects ``pieces`` in the order of reading."""

    FILE = PlannedFile

    def collect(self, name: str) -> tuple[list[Piece], dict[str, str]]:
        """Return the pieces of what was not read yet, and the positions of the files that were gone through.

        ``name``: of the sink. Raises SinkError where there is no file, or one cannot be read.
        """
        self._sink_name = name
        self._pieces: list[Piece] = []
        positions: dict[str, str] = {}
        for batch in self.batches(final=True):
            positions |= batch.positions
        return self._pieces, positions

    def _read(self, key: str, failures: list[str], final: bool) -> Iterator[Batch]:
        file, start = self._files[key], self._positions[key]
        for batch in super()._read(key, failures, final):
            position = self._positions[key]
            size = position.offset - start.offset
            self._pieces.append(self._piece(file.path, start, position.offset, size))
            start = position
            yield batch
        if isinstance(file, PlannedFile) and file.entire:
            with self._noting(key, file.path, failures):
                size = Path(file.path).stat().st_size - (start.offset if file.is_plain else 0)
                self._pieces.append(self._piece(file.path, start, None, size))

    def _piece(self, path: str, start: Position, end: int | None, size: int) -> Piece:
        return Piece(self._sink_name, os.path.realpath(path), self._format, start, end, size)


class _Upto(Plain):
    """Content that ends at an offset, whatever is appended meanwhile."""

    def __init__(self, descriptor: int, end: int) -> None:
        super().__init__(descriptor)
        self._end = end

    def at(self, offset: int, size: int) -> Block:
        return super().at(offset, min(size, self._end - offset))


class _PieceFile(TrackedFile):
    def __init__(self, piece: Piece) -> None:
        super().__init__(piece.path, piece.format)
        self._end = piece.end

    def content(self, descriptor: int) -> Content:
        return super().content(descriptor) if self._end is None else _Upto(descriptor, self._end)


def read(piece: Piece) -> Iterator[Batch]:
    """Yield the batches of a piece, as the sink has them. Raises OSError where it cannot be read."""
    key = piece.start.key
    try:
        descriptor = open_file(piece.path)
        try:
            for cut, position in _PieceFile(piece).read(descriptor, piece.start, final=True):
                # Of stretches the driver knows where they end.
                yield batch_of(cut, {key: position.text} if piece.end is None else {})
                if position.offset == piece.end:
                    return
        finally:
            os.close(descriptor)
    except OSError as error:
        raise OSError(failure(piece.path, error)) from None


def grouped(pieces: Sequence[Piece], cores: int) -> list[Piece]:
    """Join pieces that follow one another in a file, while some four tasks a core are left, of 32 MiB at least."""
    total = sum(piece.size for piece in pieces)
    most = max(_SMALLEST, min(_LARGEST, total // (4 * cores)), total // MOST_TASKS)
    found: list[Piece] = []
    for piece in pieces:
        last = found[-1] if found else None
        if last and last.path == piece.path and last.end == piece.start.offset and last.size < most:
            found[-1] = replace(last, end=piece.end, size=last.size + piece.size)
        else:
            found.append(piece)
    return found


def _last_line_end(descriptor: int, start: int, stop: int) -> int:
    """Return where the last line that ends between ``start`` and ``stop`` does; ``start`` where none does."""
    while stop > start:
        begin = max(start, stop - _LOOKED_AT)
        if end := os.pread(descriptor, stop - begin, begin).rfind(b"\n") + 1:
            return begin + end
        stop = begin
    return start
