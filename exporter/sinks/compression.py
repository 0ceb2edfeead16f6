"""Content of compressed files: gzip and zstandard, of several members, while they grow."""

from __future__ import annotations

import os
import zlib
from abc import ABC, abstractmethod
from typing import Any, NamedTuple

from exporter.extras import needs
from exporter.sinks.content import Block, Content
from exporter.sinks.descriptors import UnreadableError
from exporter.sinks.positions import HEAD, SAMPLE, checksum

# A member of gzip says how much it gives at a time; one of zstandard does not: 4 KiB of it are mostly 40, at worst
# (a made-up file) 128 MiB.
_GZIP_INPUT = 256 << 10
_ZSTD_INPUT = 4 << 10
_OUTPUT = 1 << 20


class Progress(NamedTuple):
    """``output`` of ``consumed`` bytes; ``ended``: the member ends with them."""

    output: bytes
    consumed: int
    ended: bool


class Member(ABC):
    """One member (gzip) or frame (zstandard) while it is decompressed."""

    name: str
    magic: tuple[bytes, ...]
    most_input: int

    @abstractmethod
    def advance(self, stored: bytes) -> Progress:
        """Decompress some of ``stored``; raises UnreadableError where it is damaged."""


class GzipMember(Member):
    """A member of gzip."""

    name = "gzip"
    magic = (b"\x1f\x8b",)
    most_input = _GZIP_INPUT

    def __init__(self) -> None:
        self._decompressor = zlib.decompressobj(wbits=31)

    def advance(self, stored: bytes) -> Progress:
        before, decompressor = self._decompressor.copy(), self._decompressor
        try:
            output = decompressor.decompress(stored, _OUTPUT)
        except zlib.error as error:
            if len(stored) < 2:
                raise UnreadableError(f"damaged: {error}") from None
            # What comes before the damage is whole.
            self._decompressor = before
            return self.advance(stored[: len(stored) // 2])
        left = len(decompressor.unused_data) if decompressor.eof else len(decompressor.unconsumed_tail)
        return Progress(output, len(stored) - left, decompressor.eof)


class ZstdMember(Member):
    """A frame of zstandard."""

    name = "zstandard"
    magic = (b"\x28\xb5\x2f\xfd", *(bytes([0x50 + number]) + b"\x2a\x4d\x18" for number in range(16)))
    most_input = _ZSTD_INPUT

    def __init__(self) -> None:
        self._module = _zstandard()
        self._decompressor = self._module.ZstdDecompressor().decompressobj()

    def advance(self, stored: bytes) -> Progress:
        if not stored:
            return Progress(b"", 0, False)
        try:
            output = self._decompressor.decompress(stored)
        except self._module.ZstdError as error:
            raise UnreadableError(f"damaged: {error}") from None
        ended = self._decompressor.eof
        left = len(self._decompressor.unused_data) if ended else 0
        return Progress(output, len(stored) - left, ended)


MEMBERS: dict[str, type[Member]] = {".gz": GzipMember, ".zst": ZstdMember}
"""Every compression, by the ending of a file's name."""


class Decompressed(Content):
    """Content of a compressed file, read forwards; what lies before costs reading from the beginning.

    It outlives the descriptor that it reads from: a growing file goes on where it was.
    """

    most = 8 << 20

    def __init__(self, member: type[Member], descriptor: int) -> None:
        self.descriptor = descriptor
        self._member = member
        self._restart()

    @property
    def read(self) -> int:
        """Bytes of the compressed file that were decompressed."""
        return self._stored

    def at(self, offset: int, size: int) -> Block:
        if offset < self._start:
            self._restart()
        # What a checksum needs stays before it. A new buffer: the lines of the last batch may still be in use.
        self._forget(min(offset, self._end) - SAMPLE)
        while self._end < offset + size and self._failure is None:
            if not self._advance(offset):
                break
        start = min(offset, self._end) - self._start
        end = min(offset + size, self._end) - self._start
        if start == end and size and self._failure is not None:
            raise self._failure
        return Block(self._buffer, start, end)

    def checksum(self, offset: int) -> int | None:
        length = min(SAMPLE, offset)
        if offset - length < self._start:
            self._restart()
        if self._end < offset:
            self.at(offset, 0)
        if self._end < offset:
            if self._failure is not None:
                raise self._failure
            return None
        end = offset - self._start
        return checksum(self._head[:length], bytes(self._buffer[end - length : end]))

    def length(self) -> int:
        while self._failure is None and self._advance(self._end + _OUTPUT):
            pass
        return self._end

    def head(self) -> bytes:
        if len(self._head) < HEAD and (self._failure is None or not self._head):
            self.at(self._end, max(0, HEAD - self._end))
        return self._head

    def is_whole(self) -> bool:
        return self._decompressor is None

    def is_longer(self, offset: int) -> bool:
        """Return True where there is content after ``offset``."""
        return self.at(offset, 1).length > 0

    def holds(self) -> bool:
        """Return True where what was read of the compressed file still stands there."""
        return (
            self._failure is None and stored_checksum(self.descriptor, self._stored) == self._stored_content()
        )

    def stored_at(self, offset: int, size: int) -> bytes:
        """Return up to ``size`` bytes of the compressed file from ``offset`` on."""
        return os.pread(self.descriptor, size, offset)

    def rest(self, offset: int) -> None:
        """Give memory back until the next cycle; what comes after ``offset`` stays."""
        self._forget(min(offset, self._end) - SAMPLE)

    def raise_damage(self) -> None:
        """Raise UnreadableError where what comes next is damaged."""
        if self._failure is not None:
            raise self._failure

    def taken(self, offset: int) -> tuple[int, int]:
        """Return length and checksum of the compressed file, where nothing of it is left after ``offset``; else zeros.

        Where a member has not ended, more of its content may be left.
        """
        if self._decompressor is None and self._end == offset:
            return self._stored, self._stored_content()
        return 0, 0

    def _restart(self) -> None:
        self._decompressor: Member | None = None
        self._stored = 0
        self._stored_head = self._stored_tail = self._head = b""
        self._buffer = bytearray()
        self._start = self._end = 0
        self._failure: UnreadableError | None = None

    def _advance(self, wanted: int) -> bool:
        """Decompress some more; False where there is no more yet. What lies before ``wanted`` is not kept."""
        stored = self.stored_at(self._stored, self._member.most_input)
        try:
            if self._decompressor is None:
                return self._begin(stored)
            progress = self._decompressor.advance(stored)
        except UnreadableError as error:
            self._failure = error
            return False
        self._consume(stored[: progress.consumed])
        if progress.ended:
            self._decompressor = None
        output = progress.output
        if len(self._head) < HEAD:
            self._head += output[: HEAD - len(self._head)]
        self._buffer += output
        self._end += len(output)
        if self._end < wanted:
            self._forget(self._end - SAMPLE)
        return bool(output or progress.consumed)

    def _begin(self, stored: bytes) -> bool:
        """Begin the next member, after zeros that fill up a block; raises UnreadableError otherwise."""
        if not stored:
            return False
        padding = len(stored) - len(stored.lstrip(b"\0"))
        if padding and self._stored:
            self._consume(stored[:padding])
            return True
        if stored.startswith(self._member.magic):
            self._decompressor = self._member()
            return True
        if any(magic.startswith(stored) for magic in self._member.magic):
            return False
        if self._stored:
            raise UnreadableError(f"damaged: after a member of {self._member.name} comes {stored[:8]!r}")
        raise UnreadableError(f"not {self._member.name}, as its name says: it begins with {stored[:8]!r}")

    def _consume(self, stored: bytes) -> None:
        self._stored += len(stored)
        if len(self._stored_head) < SAMPLE:
            self._stored_head += stored[: SAMPLE - len(self._stored_head)]
        self._stored_tail = (self._stored_tail + stored[-SAMPLE:])[-SAMPLE:]

    def _stored_content(self) -> int:
        return checksum(self._stored_head, self._stored_tail)

    def _forget(self, start: int) -> None:
        start = max(start, self._start)
        self._buffer = self._buffer[start - self._start :]
        self._start = start


def stored_checksum(descriptor: int, length: int) -> int | None:
    """Return the checksum of the first ``length`` bytes of a compressed file; None where it is shorter."""
    if os.fstat(descriptor).st_size < length:
        return None
    ends = min(SAMPLE, length)
    return checksum(os.pread(descriptor, ends, 0), os.pread(descriptor, ends, length - ends))


def _zstandard() -> Any:
    try:
        import zstandard
    except ModuleNotFoundError:
        raise UnreadableError(needs("zstd")) from None
    return zstandard
