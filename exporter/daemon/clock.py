"""Time of a cycle: the wall clock, and what is trusted of it."""

from __future__ import annotations

import logging

from exporter.records.accounts import clock_shift
from exporter.summary.windows import MICROSECONDS
from mlslo.monitor import Monitor

logger = logging.getLogger(__name__)

# A zone changes with the season, a writer with a release.
_LOOK_AGAIN = 3600.0

STEP = 10 * MICROSECONDS
"""Difference from the monotonic clock by which the wall clock must have been set, in µs."""
TRUSTED_AFTER = 3600.0
"""A clock that was set is trusted once it has run on for this long, in seconds."""


class TrustedClock:
    """The wall clock while it runs as the monotonic one does; after a step, the time before it, going on.

    What is done for good at the time of a clock (dropping, rejecting) asks this one as well: a clock that is set
    wrong, for minutes, must not cost anything. Times are in epoch µs.
    """

    def __init__(self, model: str, known: int | None) -> None:
        """``known``: what was trusted last, by whoever had the state before; None where nobody had."""
        self._model = model
        self._trusted = known
        self._read_at: float | None = None
        self._offset: int | None = None
        self._since = 0.0

    def read(self, wall: int, monotonic: float) -> int:
        """Return the trusted time, where the clocks show ``wall`` and ``monotonic`` (in seconds).

        A step is logged once. The time between two processes is no step, but is trusted as late as one.
        """
        known, before = self._trusted, self._read_at
        self._read_at = monotonic
        if known is None:
            self._trusted = wall
            return wall
        trusted = known if before is None else known + round((monotonic - before) * MICROSECONDS)
        offset = wall - trusted
        if abs(offset) <= STEP:
            trusted = wall
            if self._offset is not None:
                self._offset = None
                logger.info("model %s: the clock is back from its step", self._model)
        elif self._offset is None or abs(offset - self._offset) > STEP:
            self._offset, self._since = offset, monotonic
            if before is not None or offset < 0:
                logger.warning(
                    "model %s: the clock was set %s by %s: for an hour nothing is dropped or rejected because of it",
                    self._model,
                    "back" if offset < 0 else "forward",
                    _shown(abs(offset)),
                )
        elif monotonic - self._since >= TRUSTED_AFTER:
            trusted, self._offset = wall, None
        self._trusted = trusted
        return trusted


def _shown(offset: int) -> str:
    """Return ``45 s``, ``12 min``, ``5.5 h`` or ``30 days``."""
    seconds = offset / MICROSECONDS
    for unit, length in (("days", 86_400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * length:
            return f"{seconds / length:.3g} {unit}"
    return f"{seconds:.3g} s"


class ShiftedTimes:
    """The times of both logs of one model. ``monitor``: as the user wrote it."""

    def __init__(self, monitor: Monitor) -> None:
        self._monitor = monitor
        self._look_at: dict[str, float] = {}
        self._said: dict[str, str | None] = {}

    def look(self, log: str, wall: float, monotonic: float) -> None:
        """Look at the newest records of a log that got some, once an hour; both clocks in seconds.

        A shift is said when it begins, or is another one.
        """
        if monotonic < self._look_at.get(log, monotonic):
            return
        self._look_at[log] = monotonic + _LOOK_AGAIN
        doubt = clock_shift.doubt(self._monitor, log, wall)
        shift = None if doubt is None else doubt.partition(":")[0]
        if doubt is not None and shift != self._said.get(log):
            logger.warning("model %s: %s: %s", self._monitor.model, log, doubt)
        self._said[log] = shift
