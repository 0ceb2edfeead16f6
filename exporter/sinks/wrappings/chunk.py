"""A chunk of a log, unwrapped line by line."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice
from typing import NamedTuple

from exporter.parse.json_lines import LONGEST_RECORD
from exporter.sinks.wrappings.container import Piece, cri, docker, without_prefixes
from exporter.sinks.wrappings.text import begins_object, is_object, record_in

_LINE = re.compile(rb"[^\n]*\S[^\n]*")
_LOOKED_AT = 20
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
# Lines are taken apart in blocks: all at once would take twice the memory of a chunk.
_BLOCK = 1 << 16
# A line that is continued after so many bytes of other streams is not waited for.
_LONGEST_GAP = 1 << 20
_MOST_STARTS = 4


class Unwrapped(NamedTuple):
    """Records of a chunk, a line each.

    ``consumed``: bytes of the chunk that they came from; behind it a line begins whose rest is not written yet.
    ``not_a_record``: lines that hold none. ``too_long``: lines of several pieces that are too long for a record.
    """

    lines: memoryview
    consumed: int
    not_a_record: int = 0
    too_long: int = 0


def unwrap(lines: memoryview, *, final: bool, full: bool = False) -> Unwrapped:
    """Take records out of their wrappings; a chunk of plain JSON lines is returned as it is.

    ``final``: nobody writes any more. ``full``: no more can be read behind the chunk, so some of it must be consumed.
    """
    if is_plain(lines):
        return Unwrapped(lines, len(lines))
    chunk = Chunk()
    for block in _blocks(lines):
        chunk.take_block(block)
    if not chunk.wrapped:
        # Broken lines are for the parser to reject.
        return Unwrapped(lines, len(lines))
    chunk.end(final=final, full=full)
    return Unwrapped(memoryview(chunk.records), chunk.offset, chunk.not_a_record, chunk.too_long)


def unwrapped_sample(content: bytes) -> tuple[bytes, str]:
    """Return the records of a log's first lines, and a remark on the lines that hold none."""
    unwrapped = unwrap(memoryview(content), final=True)
    number = unwrapped.not_a_record
    looked_at = content.count(b"\n")
    remark = f"{number} of the first {looked_at} lines hold no record (not_a_record)" if number else ""
    # Of no records at all the parser says what is wrong.
    return bytes(unwrapped.lines) or content, remark


def is_plain(lines: memoryview) -> bool:
    """Return True where the first lines of a chunk are records as they are: then all of it is taken as it is."""
    for found in islice(_LINE.finditer(lines), _LOOKED_AT):
        line = found.group().removeprefix(_BYTE_ORDER_MARK).strip()
        if not begins_object(line) or docker(line) is not None:
            return False
    return True


def _blocks(lines: memoryview) -> Iterator[bytes]:
    """Yield ``lines`` in blocks of whole ones."""
    begun: list[bytes] = []
    for start in range(0, len(lines), _BLOCK):
        block = bytes(lines[start : start + _BLOCK])
        end = block.rfind(b"\n") + 1
        if end:
            yield b"".join([*begun, block[:end]])
            begun.clear()
        begun.append(block[end:])


@dataclass
class _Partial:
    """Pieces of one line that is not at its end yet. ``last``: where the chunk goes on behind the last of them."""

    pieces: list[bytes] = field(default_factory=list)
    size: int = 0
    last: int = 0

    def may_hold_record(self) -> bool:
        return any(b"{" in piece or b"=" in piece for piece in self.pieces)

    def starts(self) -> Iterator[bytes]:
        """Yield the line, then without its first pieces.

        A process that dies within a line leaves it open: the next one's first line then seems to continue it.
        """
        for start in range(min(len(self.pieces), _MOST_STARTS)):
            yield b"".join(self.pieces[start:])


class _Kept(NamedTuple):
    """State of a chunk before the first line that is open."""

    offset: int
    size: int
    not_a_record: int
    too_long: int


class Chunk:
    """Records of the lines taken so far. ``offset``: bytes of those lines. ``wrapped``: whether any was."""

    def __init__(self) -> None:
        self.records = bytearray()
        self.offset = 0
        self.not_a_record = 0
        self.too_long = 0
        self.wrapped = False
        self._open: dict[str, _Partial] = {}
        # Streams whose open line was given up: its further pieces are passed over.
        self._given_up: set[str] = set()
        self._kept = _Kept(0, 0, 0, 0)

    def take_block(self, block: bytes) -> None:
        """Take the next lines, each with its newline."""
        end = self.offset + len(block)
        if not self.offset:
            block = block.removeprefix(_BYTE_ORDER_MARK)
        waiting = self._open or self._given_up
        bare = None if waiting else without_prefixes(block)
        if bare is None:
            self.offset = end - len(block)
            for line in block[:-1].split(b"\n"):
                self.take(line)
            return
        self.wrapped |= bare.removed > 0
        if bare.rest:
            for line in bare.text[:-1].split(b"\n"):
                if begins_object(line):
                    self.records += line
                    self.records += b"\n"
                else:
                    self.take(line)
        else:
            self.records += bare.text
        self.offset = end

    def take(self, line: bytes) -> None:
        """Take the next line."""
        size = len(line) + 1
        if line.startswith(b"{"):
            piece = docker(line)
        else:
            # Some write \r\n, also behind a piece.
            line = line.removesuffix(b"\r")
            piece = cri(line)
        if piece is None:
            self._take_text(line)
        else:
            self.wrapped = True
            if piece.whole and not self._open and not self._given_up:
                self._take_text(piece.text)
            else:
                self._take_piece(piece, size)
        self.offset += size
        if self._open:
            self._expire()

    def end(self, *, final: bool, full: bool) -> None:
        """Go back to before the first line that is open, unless its rest cannot be waited for."""
        stuck = full and not self._kept.offset
        if stuck or not any(partial.may_hold_record() for partial in self._open.values()):
            self._close_all()
        elif final:
            # As of plain lines: what lacks only its end is taken, the rest is left for whoever continues.
            whole = all(_whole(b"".join(partial.pieces)) for partial in self._open.values())
            if whole or len(self.records) > self._kept.size:
                self._close_all()
            else:
                self._go_back()
        else:
            self._go_back()

    def _take_text(self, text: bytes) -> None:
        record = record_in(text)
        if record is None:
            if text and not text.isspace():
                self.not_a_record += 1
            return
        if not self.wrapped:
            self.wrapped = not begins_object(text.lstrip())
        self.records += record
        self.records += b"\n"

    def _take_piece(self, piece: Piece, size: int) -> None:
        if piece.stream in self._given_up:
            if piece.whole:
                self._given_up.remove(piece.stream)
            return
        partial = self._open.get(piece.stream)
        if partial is None:
            if piece.whole:
                self._take_text(piece.text)
                return
            if not self._open:
                self._kept = _Kept(self.offset, len(self.records), self.not_a_record, self.too_long)
            partial = self._open[piece.stream] = _Partial()
        partial.pieces.append(piece.text)
        partial.size += len(piece.text)
        partial.last = self.offset + size
        if partial.size >= LONGEST_RECORD:
            self.too_long += 1
            del self._open[piece.stream]
            if not piece.whole:
                self._given_up.add(piece.stream)
        elif piece.whole:
            del self._open[piece.stream]
            self._close(partial)

    def _expire(self) -> None:
        for stream, partial in list(self._open.items()):
            if self.offset - partial.last > _LONGEST_GAP:
                del self._open[stream]
                self._close(partial)

    def _close_all(self) -> None:
        for partial in self._open.values():
            self._close(partial)
        self._open.clear()

    def _close(self, partial: _Partial) -> None:
        for dropped, text in enumerate(partial.starts()):
            if _whole(text):
                self.not_a_record += dropped > 0
                self._take_text(text)
                return
        self._take_text(b"".join(partial.pieces))

    def _go_back(self) -> None:
        self.offset, size, self.not_a_record, self.too_long = self._kept
        del self.records[size:]


def _whole(text: bytes) -> bool:
    record = record_in(text)
    return record is not None and is_object(record)
