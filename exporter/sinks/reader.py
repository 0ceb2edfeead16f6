"""Read a sink in batches that are committed one by one."""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path

from exporter.inbox import inbox_folder, inbox_path
from exporter.sinks.files import FileSink, StandardInput
from exporter.sinks.kafka import KafkaSink
from exporter.sinks.objects import ObjectsSink
from exporter.sinks.paged import LokiSink, OpenSearchSink
from exporter.sinks.push import POSITION, PushSink
from exporter.sinks.sink import Batch, LogSink, SinkError
from exporter.sinks.sql import SqlSink
from exporter.state import Store
from mlslo.monitor import Monitor, Sink

logger = logging.getLogger(__name__)

SINKS: dict[str, type[LogSink]] = {
    "file": FileSink,
    "kafka": KafkaSink,
    "loki": LokiSink,
    "objects": ObjectsSink,
    "opensearch": OpenSearchSink,
    "sql": SqlSink,
}
"""Kinds of sink, by their key below ``sink:`` in a monitor file; pushed events wait in an inbox of their own."""


def open_sink(
    monitor: Monitor, sink: Sink, positions: Mapping[str, str], inbox: Path | None = None
) -> LogSink:
    """Open the sink of the one kind that is given. Raises ValueError where ``positions`` are none of its own.

    ``inbox``: where pushed events wait, below the state directory; None where there is none.
    """
    if sink.push is not None:
        return PushSink(sink.push, positions, inbox)
    # Those of an inbox may be left of a time when the events were pushed.
    positions = {key: position for key, position in positions.items() if key != POSITION}
    if sink.is_standard_input and sink.file is not None:
        return StandardInput.open(monitor, sink.file, positions)
    kind, settings = next((kind, settings) for kind, settings in sink if settings is not None)
    return SINKS[kind].open(monitor, settings, positions)


_SAY_AGAIN = 3600.0
_MOST_SAID = 20


class SinkReader:
    """One sink of one model. ``up``: whether its last read succeeded.

    A sink that fails is tried again in the next cycle, then after twice the time each, until its own longest pause;
    some of it is random, so that many exporters do not come back at once.
    """

    def __init__(self, name: str, monitor: Monitor, sink: Sink, store: Store) -> None:
        """Raises StoreError where the positions in ``store`` are damaged."""
        self.name = name
        self.up = False
        self._monitor = monitor
        # What is not kept takes no records from those who keep them.
        self._settings = sink if store.path else sink.whole()
        self._store = store
        self._inbox = store.path and inbox_path(inbox_folder(store.path), name)
        self._sink = self._restored()
        self._schedule = monitor.spec.schedule.seconds
        self._failures = 0
        self._again = 0.0
        # When each error was last said.
        self._said: dict[str, float] = {}

    def batches(self, *, final: bool, stopped: Callable[[], bool]) -> Iterator[Batch]:
        """New batches; each must be committed, with its positions, before the next is asked for.

        A sink that cannot be read ends the iteration and sets ``up`` to False; each reason is logged once an hour.
        While it is left alone there are none, unless this is the ``final`` read.
        """
        if not final and time.monotonic() < self._again:
            return
        try:
            for batch in self._sink.batches(final=final):
                yield batch
                if stopped():
                    return
        except (SinkError, OSError) as error:
            self.up = False
            self._failed(str(error))
        else:
            if self._failures:
                logger.info("model %s: sink %s: readable again", self._monitor.model, self.name)
            self._failures = 0
            self._said.clear()
            self.up = True

    def _failed(self, reason: str) -> None:
        now = time.monotonic()
        pause = min(self._schedule * 2.0 ** min(self._failures, 32), self._sink.LONGEST_PAUSE)
        self._again = now + pause * random.uniform(0.5, 1.0)
        self._failures += 1
        if now - self._said.get(reason, -_SAY_AGAIN) >= _SAY_AGAIN:
            if len(self._said) >= _MOST_SAID:
                # A reason with a number in it, say, that is another one each time.
                del self._said[min(self._said, key=self._said.__getitem__)]
            self._said[reason] = now
            logger.warning("model %s: sink %s: %s", self._monitor.model, self.name, reason)

    def commit(self, batch: Batch) -> None:
        """Write the batch's positions, inside the transaction of what became of it."""
        self._store.positions.save(self.name, batch.positions)

    def reset(self) -> None:
        """Go back to the committed positions, after a transaction that failed."""
        self._sink.close()
        self._sink = self._restored()

    def lag(self) -> int | None:
        """Return how much is not read yet, in ``lag_unit``; None where that is not known."""
        return self._sink.lag()

    @property
    def lag_unit(self) -> str:
        """Unit of ``lag``: bytes or records."""
        return self._sink.LAG_UNIT

    @property
    def reasons(self) -> tuple[str, ...]:
        """Reasons for which only this kind of sink rejects records."""
        return self._sink.REASONS

    def own_metrics(self) -> Iterable[tuple[str, Mapping[str, str], float]]:
        """Metrics that only this kind of sink exports."""
        return self._sink.own_metrics()

    def close(self) -> None:
        """Release the files."""
        self._sink.close()

    def _restored(self) -> LogSink:
        try:
            positions = self._store.positions.load(self.name)
            return open_sink(self._monitor, self._settings, positions, self._inbox)
        except ValueError as error:
            raise self._store.damaged(str(error)) from None
