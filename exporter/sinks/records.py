"""Whole records at the beginning of some content, as lines of JSON; and the one place where they become a batch."""

from __future__ import annotations

import json
import re
from abc import ABC, abstractmethod
from collections.abc import Mapping
from contextlib import suppress
from types import MappingProxyType
from typing import NamedTuple

from exporter.parse.json_lines import LONGEST_RECORD
from exporter.sinks.content import Block
from exporter.sinks.sink import Batch
from exporter.sinks.wrappings import record_of, unwrap

NOTHING = memoryview(b"")
_LOOKED_AT = 64 << 10
# What a crash of the machine, or a truncation under a writer that does not append, leaves between two records.
_NULLS = re.compile(rb"^\0+|\0\0+", re.MULTILINE)


class Cut(NamedTuple):
    """Records as lines, and the ``length`` of the content that they were, with what was passed over."""

    lines: memoryview
    length: int
    too_long: int = 0
    rejected: Mapping[str, int] = MappingProxyType({})


class Cutter(ABC):
    """Takes whole records off content, from its beginning.

    ``most``: bytes that it wants to be handed at once. ``header``: what it must know to go on elsewhere; and
    ``skipping``, which is True within a record that is longer than that, and was counted.
    """

    most = 32 << 20

    def __init__(self, *, skipping: bool = False) -> None:
        self.skipping = skipping

    @property
    def header(self) -> str:
        return ""

    @abstractmethod
    def cut(self, block: Block, *, full: bool, final: bool, quiet: bool) -> Cut:
        """Return what is whole; a length of 0 where nothing is.

        ``full``: the block is as long as it can be, so a record that does not end in it is too long. ``final``:
        nobody writes any more. ``quiet``: nobody has written for a while.
        """

    def _longer_than(self, block: Block, *, full: bool) -> Cut:
        """Cut off a block without an end of a record, where that is too long; else nothing."""
        if not (full or self.skipping):
            return Cut(NOTHING, 0)
        skipped, self.skipping = self.skipping, True
        return Cut(NOTHING, block.length, too_long=int(not skipped))


class JsonLines(Cutter):
    """Lines as they are, but for what container runtimes and loggers write around them."""

    def cut(self, block: Block, *, full: bool, final: bool, quiet: bool) -> Cut:  # noqa: ARG002
        buffer, start, end = block
        stop = buffer.rfind(b"\n", start, end) + 1
        if not stop and (full or self.skipping):
            stop = buffer.rfind(b"\0\0", start, end) + 2 if buffer.find(b"\0\0", start, end) >= 0 else 0
        if stop:
            lines = memoryview(buffer)[start:stop]
            if buffer.find(b"\0", start, stop) >= 0:
                # They end a line. Of as many bytes as before, for what is left to be told by its length.
                lines = memoryview(_NULLS.sub(lambda nulls: b"\n" * len(nulls[0]), lines))
            if self.skipping:
                lines = lines[_first_end(lines, 0) :]
                self.skipping = False
            return _unwrapped(lines, stop - start, full=full, final=final)
        if final and not full and not self.skipping and is_object(content := block.bytes()):
            return _unwrapped(memoryview(content + b"\n"), end - start, full=full, final=final)
        return self._longer_than(block, full=full)


def _unwrapped(lines: memoryview, length: int, *, full: bool, final: bool) -> Cut:
    """Cut the records out of ``lines``, which end ``length`` behind the block's beginning."""
    found = unwrap(lines, final=final, full=full)
    rejected = {"not_a_record": found.not_a_record} if found.not_a_record else {}
    kept, too_long = _without_long(found.lines)
    return Cut(kept, length - (len(lines) - found.consumed), found.too_long + too_long, rejected)


def _without_long(lines: memoryview) -> tuple[memoryview, int]:
    """Return the lines that the parser takes, and how many it would not: looks at an end of a line every 2 MiB."""
    kept: list[memoryview] = []
    begun = place = dropped = 0
    while len(lines) - place >= LONGEST_RECORD:
        end = _last_end(lines, place, place + LONGEST_RECORD - 1)
        if end == place:
            kept.append(lines[begun:place])
            begun = end = _first_end(lines, place + LONGEST_RECORD - 1)
            dropped += 1
        place = end
    return (memoryview(b"".join([*kept, lines[begun:]])) if dropped else lines), dropped


def _last_end(lines: memoryview, start: int, stop: int) -> int:
    """Return where the last line that ends between ``start`` and ``stop`` does; ``start`` where none does."""
    while stop > start:
        begin = max(start, stop - _LOOKED_AT)
        if end := bytes(lines[begin:stop]).rfind(b"\n") + 1:
            return begin + end
        stop = begin
    return start


def _first_end(lines: memoryview, start: int) -> int:
    """Return where the line at ``start`` ends."""
    while start < len(lines):
        if end := bytes(lines[start : start + _LOOKED_AT]).find(b"\n") + 1:
            return start + end
        start += _LOOKED_AT
    return len(lines)


def batch_of(cut: Cut, positions: dict[str, str]) -> Batch:
    """Return the batch of some records, of whatever sink and format."""
    return Batch(cut.lines, cut.too_long, positions, cut.rejected)


def is_object(content: bytes) -> bool:
    """Return True where ``content`` is a JSON object, or the last line of a wrapped one."""
    with suppress(ValueError, RecursionError):
        # A whole number of any length is one.
        return isinstance(json.loads(record_of(content) or b"", parse_int=float), dict)
    return False
