"""Content of a file from any offset on, as it was written: plain here, compressed in ``compression``."""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from contextlib import suppress
from typing import NamedTuple

from exporter.sinks.positions import HEAD, SAMPLE, checksum

_NULLS = 1 << 20


class Block(NamedTuple):
    """Content from an offset on: ``buffer`` from ``start`` to ``end``."""

    buffer: bytearray
    start: int
    end: int

    @property
    def length(self) -> int:
        return self.end - self.start

    def bytes(self) -> bytes:
        """Return a copy of the content."""
        return bytes(memoryview(self.buffer)[self.start : self.end])


class Content(ABC):
    """Content of one file. ``most``: bytes of it that are read at once, at most."""

    most = 32 << 20

    @abstractmethod
    def at(self, offset: int, size: int) -> Block:
        """Return up to ``size`` bytes from ``offset`` on: fewer where no more are there yet. Valid until the next call.

        Raises OSError where nothing of it can be read.
        """

    @abstractmethod
    def checksum(self, offset: int) -> int | None:
        """Return the checksum of the content before ``offset``, as positions have it; None where it is shorter."""

    @abstractmethod
    def length(self) -> int:
        """Return how long the content is so far."""

    @abstractmethod
    def head(self) -> bytes:
        """Return the first ``HEAD`` bytes, or as many as there are."""

    def after_nulls(self, offset: int) -> int:
        """Return where a run of NULs from ``offset`` on ends, or what is there so far.

        A writer that does not append leaves one where its file was truncated: as long as what was written before.
        """
        while (block := self.at(offset, _NULLS)).length:
            rest = block.bytes().lstrip(b"\0")
            offset += block.length - len(rest)
            if rest:
                break
        return offset

    @abstractmethod
    def is_whole(self) -> bool:
        """Return True unless what is there so far ends in the middle of a compressed member."""


class Plain(Content):
    """Content of a file that is not compressed, by its descriptor."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        # One buffer for all batches: memory that is new to the process costs more than reading into it.
        self._buffer = bytearray()

    def at(self, offset: int, size: int) -> Block:
        size = min(size, max(0, os.fstat(self._descriptor).st_size - offset))
        if size > len(self._buffer):
            self._buffer = bytearray(size)
        length = os.preadv(self._descriptor, [memoryview(self._buffer)[:size]], offset) if size else 0
        return Block(self._buffer, 0, length)

    def checksum(self, offset: int) -> int | None:
        if os.fstat(self._descriptor).st_size < offset:
            return None
        length = min(SAMPLE, offset)
        return checksum(
            os.pread(self._descriptor, length, 0), os.pread(self._descriptor, length, offset - length)
        )

    def length(self) -> int:
        return os.fstat(self._descriptor).st_size

    def head(self) -> bytes:
        return os.pread(self._descriptor, HEAD, 0)

    def after_nulls(self, offset: int) -> int:
        # Of a hole nothing needs to be read. Where nothing but a hole is left, or the file system knows of none, it is.
        with suppress(OSError):
            offset = max(offset, os.lseek(self._descriptor, offset, os.SEEK_DATA))
        return super().after_nulls(offset)

    def is_whole(self) -> bool:
        return True
