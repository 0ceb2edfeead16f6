"""Records that a test appends to a log, and the check that each is read once."""

from __future__ import annotations

import json
import random
import time
from collections import Counter
from collections.abc import Callable
from typing import Any

from tests.support.logs import record
from tests.support.sinks import SinkServer
from tests.support.sinks.reading import Reading

_PAUSE = 0.05


class Log:
    """Appends records to a server's log, and knows how often each must be counted."""

    def __init__(self, server: SinkServer, seed: int = 0) -> None:
        self.server = server
        self.random = random.Random(seed)
        self.expected: Counter[str] = Counter()
        self.order: list[str] = []

    def append(self, number: int, *, late: bool = False, **changes: Any) -> list[bytes]:
        """Append so many new records, in one call; return them."""
        first = len(self.order)
        records = [self.record(first + index, **changes) for index in range(number)]
        self.server.append(records, late=late)
        return records

    def record(self, number: int, **changes: Any) -> bytes:
        """Return the record of a number, which is expected to be counted from now on."""
        # Event times are in no order: a minute's worth are shuffled.
        made = record(number, at=self.random.uniform(0, 60), **changes)
        self.expected[made["id"]] += 1
        self.order.append(made["id"])
        return json.dumps(made).encode()


def drain(reading: Reading, log: Log, *, each: Callable[[], object] = lambda: None) -> None:
    """Read until all that was appended is counted, and then some. Raises AssertionError where a count is wrong.

    ``each``: called before each cycle.
    """
    until = time.monotonic() + log.server.patience
    while True:
        each()
        reading.cycle()
        if reading.counted().total() >= log.expected.total() or time.monotonic() > until:
            break
        time.sleep(_PAUSE)
    # What comes once more comes now.
    each()
    reading.cycle()
    compare(reading, log)


def compare(reading: Reading, log: Log) -> None:
    """Raise AssertionError where a record is counted more or less often than it should be."""
    counted = reading.counted()
    missing, doubled = log.expected - counted, counted - log.expected
    assert not missing, f"{missing.total()} of {log.expected.total()} are missing, such as {min(missing)}"
    assert not doubled, f"{doubled.total()} are counted once more, such as {min(doubled)}"
