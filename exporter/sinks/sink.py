"""Contract of a log sink: whole lines in batches, with positions to continue from."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, ClassVar, Literal, NamedTuple, Self

from exporter.parse.typed_rows import TypedRows
from mlslo.monitor import Monitor


class SinkError(Exception):
    """A sink that cannot be read now; its text says why."""


@dataclass(frozen=True)
class Batch:
    """Whole lines, each ending in a newline, and the positions to commit with what becomes of them.

    ``content``: the lines, or rows that can be read without them; valid until the next batch is asked for.
    ``too_long``: lines passed over because they exceed a batch. ``positions``: those that changed, opaque to everybody
    else; an empty text is forgotten. ``rejected``: reason -> records of which no line could be made.
    """

    content: memoryview | TypedRows
    too_long: int
    positions: dict[str, str]
    rejected: Mapping[str, int] = field(default_factory=dict)

    @cached_property
    def lines(self) -> memoryview:
        """The content as lines."""
        return self.content if isinstance(self.content, memoryview) else memoryview(bytes(self.content))

    @property
    def is_empty(self) -> bool:
        """True where only positions are to be committed."""
        return not len(self.content) and not +self.passed_over

    @property
    def passed_over(self) -> Counter[str]:
        """Reason -> records that are not among the lines."""
        return Counter({"too_long": self.too_long, **self.rejected})


class Sample(NamedTuple):
    """The first whole lines of a sink, for a person. ``source``: where they are from, or would be.

    ``remark``: why there are none, what else could not be read, or how many records gave no line.
    """

    lines: bytes
    source: str
    remark: str = ""


class LogSink(ABC):
    """Reads a log from where the last cycle ended.

    What a sink promises, and ``tests/exporter/sinks/shared`` tries, in this order:

    * An empty log gives nothing, and is no error.
    * Each record is in one batch, whatever process reads: all that is known of the log is in the committed positions.
      A read that finds nothing new yields nothing.
    * Records that come late, behind those that were read, are read as well, as far as the sink's page says.
    * A record that is too long for the parser is counted (``Batch.too_long``), and the rest is read.
    * A batch holds at most 32 MiB, whatever waits. ``batches`` may be left after any of them: what it has yielded is
      committed by the next call, of ``next`` or of ``batches``. Only then is it acknowledged to a server that wants to
      know.
    * Where that is not so, because a transaction failed, the sink is closed without another call, and another one is
      opened at the committed positions.
    * Positions that it did not write are refused: begun from nowhere, records would count twice.
    * ``sample`` takes nothing away. ``lag`` is 0 or None once all is read.
    * ``close`` releases descriptors and threads.
    * The process may be killed between any two instructions.
    * A server that refuses the credentials, or is gone, is a SinkError with the reason and without the secret, within
      the sink's own time-outs of at most a minute altogether: while it waits, no model is measured. A later call
      goes on.
    * It connects in ``batches``, not in ``open``, whose errors are the state's.
    """

    LONGEST_PAUSE: ClassVar[float] = 600.0
    """Seconds for which a sink that fails again and again is left alone at most; 0 where to try costs nothing."""

    LAG_UNIT: ClassVar[Literal["bytes", "records"]] = "bytes"
    """Unit of ``lag``."""

    REASONS: ClassVar[tuple[str, ...]] = ()
    """Reasons for which only this kind of sink rejects records."""

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
    def lag(self) -> int | None:
        """Return how much is not read yet, in ``LAG_UNIT``; None where that is not known now.

        The gauges ask for it after each cycle: it costs no more than a read that finds nothing, and never raises.
        """

    def own_metrics(self) -> Iterable[tuple[str, Mapping[str, str], float]]:
        """Return what only this kind of sink exports: metric, labels beside model and sink, value."""
        return ()

    @abstractmethod
    def sample(self, number: int) -> Sample:
        """Return up to ``number`` of the first whole lines. Raises SinkError where they cannot be read."""
