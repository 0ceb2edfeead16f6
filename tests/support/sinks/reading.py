"""Read a sink as the exporter does, into a real state file that counts each record by its id."""

from __future__ import annotations

import json
import os
import sys
import time
import warnings
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

from exporter.sinks import SinkReader
from exporter.state import Store
from mlslo.monitor import Monitor, load
from tests.support.logs import monitor, write_monitor

_READ, _PASSED_OVER = "read", "passed over"


def monitor_of(sink: Mapping[str, Any], folder: Path, **spec: Any) -> Monitor:
    """Write a monitor file whose predictions come from ``sink``, and read it."""
    content = monitor(labels=None, schedule="100ms", **spec)
    content["spec"]["predictions"]["sink"] = dict(sink)
    folder.mkdir(parents=True, exist_ok=True)
    return load(write_monitor(folder, content))


class Reading:
    """The real reader of one sink over the real store: ids and positions are committed together.

    ``sizes``: bytes of each batch so far. ``order``: ids as they came.
    """

    def __init__(self, sink: Mapping[str, Any], folder: Path, state: Path) -> None:
        monitored = monitor_of(sink, folder)
        self.store = Store(state)
        self.sizes: list[int] = []
        self.order: list[str] = []
        try:
            self.reader = SinkReader("predictions", monitored, monitored.spec.predictions.sink, self.store)
        except BaseException:
            self.store.close()
            raise

    def cycle(
        self, *, stopped: Callable[[], bool] = lambda: False, fails: Callable[[], bool] = lambda: False
    ) -> int:
        """Read all that is new; return how many records that was. ``fails``: a transaction fails in its middle."""
        number = 0
        for batch in self.reader.batches(final=False, stopped=stopped):
            with self.store.transaction():
                self.reader.commit(batch)
                ids = [str(json.loads(line)["id"]) for line in bytes(batch.lines).splitlines()]
                for record_id in ids:
                    self.store.counters.add(_READ, (record_id,), 1)
                for reason, passed_over in batch.passed_over.items():
                    self.store.counters.add(_PASSED_OVER, (reason,), passed_over)
                if fails():
                    raise FailedError
            self.sizes.append(len(batch.lines))
            self.order += ids
            number += len(ids)
        return number

    def counted(self) -> Counter[str]:
        """Id -> how often it was counted, since the state began."""
        return _totals(self.store, _READ)

    def passed_over(self) -> Counter[str]:
        """Reason -> records that were passed over."""
        return +_totals(self.store, _PASSED_OVER)

    def positions(self) -> dict[str, str]:
        """Return the committed positions."""
        return self.store.positions.load("predictions")

    def close(self) -> None:
        self.reader.close()
        self.store.close()


class FailedError(Exception):
    """A transaction that a test has fail."""


def _totals(store: Store, name: str) -> Counter[str]:
    return Counter({key: int(total) for (key,), total in store.counters.totals(name).items()})


def read_until_killed(
    sink: Mapping[str, Any],
    folder: Path,
    state: Path,
    environment: Mapping[str, str],
    errors: Path,
    started: Path,
) -> None:
    """Read for ever, as a process of its own does; ``started`` is there once it has read."""
    with errors.open("ab") as file:
        os.dup2(file.fileno(), sys.stderr.fileno())
    os.environ.update(environment)
    warnings.simplefilter("error")
    with closing(Reading(sink, folder, state)) as reading:
        while True:
            reading.cycle()
            started.touch()
            time.sleep(0.005)
