"""Tests by the real clock: the machine for one of them alone, and no failure where the machine was late."""

from __future__ import annotations

import fcntl
import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

_PAUSE = 0.05


class Turns:
    """Two locks of a run, in a folder that its workers share.

    Whoever runs a test is in the house, and comes in through the door. Who wants to be alone closes the door, so that
    nobody else enters, and waits until the house is empty: it cannot starve, and holds nothing that others wait for.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        # Held until the process ends.
        self._door, self._house = (
            os.open(folder / name, os.O_CREAT | os.O_RDWR) for name in ("door", "house")
        )

    @contextmanager
    def together(self) -> Iterator[None]:
        """Run beside tests of other workers."""
        fcntl.flock(self._door, fcntl.LOCK_EX)
        fcntl.flock(self._house, fcntl.LOCK_SH)
        fcntl.flock(self._door, fcntl.LOCK_UN)
        try:
            yield
        finally:
            fcntl.flock(self._house, fcntl.LOCK_UN)

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Within `together`: run while no other worker is in a test of its own."""
        fcntl.flock(self._house, fcntl.LOCK_UN)
        fcntl.flock(self._door, fcntl.LOCK_EX)
        fcntl.flock(self._house, fcntl.LOCK_EX)
        try:
            yield
        finally:
            fcntl.flock(self._house, fcntl.LOCK_SH)
            fcntl.flock(self._door, fcntl.LOCK_UN)


@contextmanager
def unless_late(seconds: float) -> Iterator[None]:
    """Skip a test whose assertion fails while the machine was late by more than ``seconds``, and say how late.

    Measured by how long after its time a thread comes to its turn that sleeps and does nothing.
    """
    ended = threading.Event()
    late = [0.0]

    def watch() -> None:
        before = time.monotonic()
        while not ended.wait(_PAUSE):
            now = time.monotonic()
            late.append(now - before - _PAUSE)
            before = now

    watching = threading.Thread(target=watch, daemon=True)
    watching.start()
    try:
        yield
    except AssertionError as error:
        if max(late) > seconds:
            pytest.skip(f"the machine was {max(late) * 1000:.0f} ms late: {error}")
        raise
    finally:
        ended.set()
        watching.join()
