"""The machine for one test alone: what compares moments of the real clock waits until no other worker runs a test."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


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
