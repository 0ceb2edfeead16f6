"""Whole records at the beginning of some content, as lines of JSON; and the one place where they become a batch."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Mapping
from contextlib import suppress
from types import MappingProxyType
from typing import NamedTuple

from exporter.sinks.content import Block
from exporter.sinks.sink import Batch
from exporter.sinks.wrappings import record_of, unwrap

NOTHING = memoryview(b"")


class Cut(NamedTuple):
    """Records as lines, and the ``length`` of the content that they were, with what was passed over."""

    lines: memoryview
    length: int
    too_long: int = 0
    rejected: Mapping[str, int] = MappingProxyType({})


class Cutter(ABC):
    """Takes whole records off content, from its beginning.

    ``most``: bytes that it wants to be handed at once. ``header``: what it must know to go on elsewhere.
    """

    most = 32 << 20

    @property
    def header(self) -> str:
        return ""

    @abstractmethod
    def cut(self, block: Block, *, full: bool, final: bool, quiet: bool) -> Cut:
        """Return what is whole; a length of 0 where nothing is.

        ``full``: the block is as long as it can be, so a record that does not end in it is too long. ``final``:
        nobody writes any more. ``quiet``: nobody has written for a while.
        """


class JsonLines(Cutter):
    """Lines as they are, but for what container runtimes and loggers write around them."""

    def __init__(self) -> None:
        self._skipping = False

    def cut(self, block: Block, *, full: bool, final: bool, quiet: bool) -> Cut:  # noqa: ARG002
        buffer, start, end = block
        if stop := buffer.rfind(b"\n", start, end) + 1:
            begin = buffer.find(b"\n", start, end) + 1 if self._skipping else start
            self._skipping = False
            return _unwrapped(memoryview(buffer)[begin:stop], stop - start, full=full, final=final)
        if full:
            # Longer than any record: its end is looked for, what is before it is dropped.
            skipped, self._skipping = self._skipping, True
            return Cut(NOTHING, end - start, too_long=int(not skipped))
        if final and not self._skipping and is_object(content := block.bytes()):
            return _unwrapped(memoryview(content + b"\n"), end - start, full=full, final=final)
        return Cut(NOTHING, 0)


def _unwrapped(lines: memoryview, length: int, *, full: bool, final: bool) -> Cut:
    """Cut the records out of ``lines``, which end ``length`` behind the block's beginning."""
    found = unwrap(lines, final=final, full=full)
    rejected = {"not_a_record": found.not_a_record} if found.not_a_record else {}
    return Cut(found.lines, length - (len(lines) - found.consumed), found.too_long, rejected)


def batch_of(cut: Cut, positions: dict[str, str]) -> Batch:
    """Return the batch of some records, of whatever sink and format."""
    return Batch(cut.lines, cut.too_long, positions, cut.rejected)


def is_object(content: bytes) -> bool:
    """Return True where ``content`` is a JSON object, or the last line of a wrapped one."""
    with suppress(ValueError, RecursionError):
        return isinstance(json.loads(record_of(content) or b""), dict)
    return False
