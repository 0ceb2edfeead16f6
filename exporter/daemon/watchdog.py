"""Watchdog for a cycle that does not come on."""

from __future__ import annotations

import logging
import sys
import threading
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

logger = logging.getLogger(__name__)

STUCK_AFTER = 600.0
"""A cycle that has committed nothing for so long, in seconds, is stuck."""


class _Run(NamedTuple):
    what: str
    model: str
    thread: int
    began: float
    progress: float


class Watchdog:
    """Tells a cycle that is stuck from one that has much to do, which commits a batch after the other.

    From any thread. What hangs cannot be interrupted: the process must be ended, and nothing is lost by that.
    """

    def __init__(self, stuck_after: float = STUCK_AFTER) -> None:
        """``stuck_after``: seconds without progress."""
        self._stuck_after = stuck_after
        self._run: _Run | None = None
        self._ended = threading.Event()

    def start(self) -> None:
        """Watch, until ``stop``, in a thread of its own."""
        threading.Thread(target=self._watch, daemon=True, name="watchdog").start()

    def stop(self) -> None:
        """End the thread."""
        self._ended.set()

    @contextmanager
    def watching(self, what: str, model: str = "") -> Iterator[None]:
        """Watch what the calling thread does inside: the cycle of ``model``, or something else."""
        now = time.monotonic()
        self._run = _Run(what, model, threading.get_ident(), now, now)
        try:
            yield
        finally:
            self._run = None

    def progress(self) -> None:
        """Note that the cycle has committed something."""
        if self._run is not None:
            self._run = self._run._replace(progress=time.monotonic())

    def running(self, model: str) -> float:
        """Return for how many seconds the cycle of ``model`` has been running; 0 between cycles."""
        run = self._run
        return time.monotonic() - run.began if run is not None and run.model == model else 0.0

    def stuck(self) -> str | None:
        """Return what is stuck and where, or None."""
        run = self._run
        if run is None or (silent := time.monotonic() - run.progress) < self._stuck_after:
            return None
        return f"{run.what} has come no further for {silent:.0f} s, {_place(run.thread)}"

    def _watch(self) -> None:
        said: float | None = None
        while not self._ended.wait(self._stuck_after / 10):
            run, stuck = self._run, self.stuck()
            if run is None or stuck is None or said == run.progress:
                continue
            said = run.progress
            stack = "".join(traceback.format_stack(sys._current_frames().get(run.thread)))
            logger.error(
                "%s; no model is measured until it goes on or the exporter is restarted, which loses nothing:\n%s",
                stuck,
                stack.rstrip(),
            )


def _place(thread: int) -> str:
    """Return where a thread is: the innermost function of the exporter, and its line."""
    for frame, line in traceback.walk_stack(sys._current_frames().get(thread)):
        if (module := frame.f_globals.get("__name__", "")).startswith("exporter."):
            return f"in {module}.{frame.f_code.co_name}, line {line}"
    return "outside of the exporter's code"
