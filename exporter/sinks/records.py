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
    """Lines as they are."""

    def __init__(self) -> None:
        self._skipping = False

    def cut(self, block: Block, *, full: bool, final: bool, quiet: bool) -> Cut:  # noqa: ARG002
        buffer, start, end = block
        if stop := buffer.rfind(b"\n", start, end) + 1:
            begin = buffer.find(b"\n", start, end) + 1 if self._skipping else start
            self._skipping = False
            return Cut(memoryview(buffer)[begin:stop], stop - start)
        if full:
            # Longer than any record: its end is looked for, what is before it is dropped.
            skipped, self._skipping = self._skipping, True
            return Cut(NOTHING, end - start, too_long=int(not skipped))
        if final and not self._skipping and is_object(content := block.bytes()):
            return Cut(memoryview(content + b"\n"), end - start)
        return Cut(NOTHING, 0)


def batch_of(cut: Cut, positions: dict[str, str]) -> Batch:
    """Return the batch of some records, of whatever sink and format."""
    return Batch(cut.lines, cut.too_long, positions, cut.rejected)


def is_object(content: bytes) -> bool:
    """Return True where ``content`` is a JSON object."""
    with suppress(ValueError, RecursionError):
        return isinstance(json.loads(content), dict)
    return False
