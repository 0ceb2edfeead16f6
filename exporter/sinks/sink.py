"""Contract of a log sink: whole lines in batches, with positions to continue from."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple, Self

from mlslo.monitor import Monitor


class SinkError(Exception):
    """A sink that cannot be read now; its text says why."""


class Batch(NamedTuple):
    """Whole lines, each ending in a newline, and the positions to commit with what becomes of them.

    ``lines`` are valid until the next batch is asked for. ``too_long``: lines passed over because they exceed a
    batch. ``positions``: opaque to everybody else. ``not_a_record``: lines passed over because they hold no record.
    """

    lines: memoryview
    too_long: int
    positions: dict[str, str]
    not_a_record: int = 0

    @property
    def passed_over(self) -> Counter[str]:
        """Lines that were passed over, by reason."""
        return Counter({"too_long": self.too_long, "not_a_record": self.not_a_record})


class Sample(NamedTuple):
    """The first whole lines of a sink, for a person. ``source``: where they are from, or would be.

    ``remark``: why there are none, or what else could not be read.
    """

    lines: bytes
    source: str
    remark: str = ""


class LogSink(ABC):
    """Reads a log from where the last cycle ended."""

    @classmethod
    @abstractmethod
    def open(cls, monitor: Monitor, settings: Any, positions: Mapping[str, str]) -> Self:
        """Open the sink that ``settings`` of the monitor file describe, at committed ``positions``.

        Raises ValueError where ``positions`` are none of this sink's: without them, records count twice.
        """

    @abstractmethod
    def close(self) -> None:
        """Release files and connections."""

    @abstractmethod
    def batches(self, *, final: bool = False) -> Iterator[Batch]:
        """Yield what has been appended since the last call.

        ``final``: nobody writes any more, so a last line that lacks only its newline is whole as well.
        Raises SinkError where something cannot be read, after all else was.
        """

    @abstractmethod
    def lag(self) -> int:
        """Return the bytes that are not read yet."""

    @abstractmethod
    def sample(self, number: int) -> Sample:
        """Return up to ``number`` of the first whole lines. Raises SinkError where they cannot be read."""
