"""Measures step after step of a reading."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass

from exporter.daemon.snapshots import Snapshots
from exporter.measure.exposition import Snapshot
from exporter.replay.past import PastStore
from exporter.replay.reading import Reading
from exporter.state.connection import Connection
from exporter.summary.windows import MICROSECONDS


@dataclass(frozen=True)
class _Reader:
    """A sink that is read to its end at each step. ``up``: whether it could be."""

    up: bool

    lag_unit: str = "bytes"

    def lag(self) -> int:
        return 0

    def own_metrics(self) -> Iterable[tuple[str, Mapping[str, str], float]]:
        return ()


def snapshots(reading: Reading, steps: Sequence[int]) -> Iterator[Snapshot]:
    """Yield what the daemon would have exported at each of ``steps``, which ascend."""
    uri = f"{reading.path.absolute().as_uri()}?mode=ro"
    with closing(sqlite3.connect(uri, uri=True, factory=Connection)) as connection:
        connection.path = reading.path
        store = PastStore(reading, connection)
        store.hold(steps[0], steps[-1])
        presence = reading.ingestion.past_presence
        taking = Snapshots(reading.monitor, reading.task, reading.schemas, store, presence)
        readers = {name: _Reader(up) for name, up in reading.up.items()}
        for step in steps:
            end = reading.grid.time(step)
            store.to(step)
            yield taking.take(reading.buckets.windows(end), readers, done=end / MICROSECONDS)
