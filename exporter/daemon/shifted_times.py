"""Log times that are whole hours off the clock: said while the daemon runs, in the words of `check`."""

from __future__ import annotations

import logging

from exporter.records.accounts import clock_shift
from mlslo.monitor import Monitor

logger = logging.getLogger(__name__)

# A zone changes with the season, a writer with a release.
_LOOK_AGAIN = 3600.0


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
