"""The prediction log: records in, lines on disk, and a model server that never waits for them."""

from __future__ import annotations

import atexit
import json
import logging
import math
import os
import threading
import time
import uuid
import weakref
from collections import deque
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from mlslo.prediction_log.rotating_file import RotatingFile

logger = logging.getLogger(__name__)

_MOST_AT_ONCE = 1 << 20
_SAY_AGAIN = 60.0


class PredictionLog:
    """A prediction log: JSON lines, written by a thread of its own.

    ``write`` never waits for the disk and never raises: where ``queue_size`` records wait already, or the disk is full,
    a record is dropped and counted. Safe in threads and in forked workers, also where several processes write to one
    ``path``. A process that is killed loses what it has not written yet, about ``interval`` seconds; one that ends in
    order, nothing.

    ``written``, ``dropped``: numbers of records since this process began to write.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        version: str | None = None,
        max_bytes: int = 64 << 20,
        backups: int = 3,
        queue_size: int = 10_000,
        interval: float = 0.2,
    ) -> None:
        """``version``: of the model, on every record. ``max_bytes``: of a file before it rotates; 0: never.

        Raises ValueError where a number makes no sense.
        """
        if max_bytes < 0 or backups < 0 or queue_size < 1 or interval <= 0:
            raise ValueError(
                "expected max_bytes and backups of 0 or more, queue_size of 1 or more, interval above 0"
            )
        self.version = version
        self._file = RotatingFile(Path(path), max_bytes, backups)
        self._queue_size = queue_size
        self._most_at_once = min(max_bytes or _MOST_AT_ONCE, _MOST_AT_ONCE)
        self._interval = interval
        self._thread: threading.Thread | None = None
        self._begin()
        atexit.register(self.close)
        _LOGS.add(self)

    def write(
        self,
        *,
        score: Any = None,
        prediction: Any = None,
        features: Mapping[str, Any] | None = None,
        id: str | None = None,  # noqa: A002 - the name in the record
        latency_seconds: float | None = None,
        status: int = 200,
        version: str | None = None,
        timestamp: datetime | None = None,
        **more: Any,
    ) -> str:
        """Write one prediction, and return its id (a new one where none is given), by which a label will name it.

        ``score``: P(positive class), an object class -> probability, or the predicted value. ``timestamp``: now, where
        None; one without a zone is local time. ``more``: other keys of the record. Values of numpy are written as
        numbers and lists.
        """
        identity = id or uuid.uuid4().hex
        try:
            moment = datetime.now(UTC) if timestamp is None else timestamp.astimezone(UTC)
            record: dict[str, Any] = {
                "timestamp": moment.isoformat(timespec="microseconds").replace("+00:00", "Z"),
                "id": identity,
                "status": status,
            }
            optional = {
                "version": self.version if version is None else version,
                "latency_ms": None if latency_seconds is None else round(latency_seconds * 1000, 3),
                "score": score,
                "prediction": prediction,
                "features": features,
            }
            record.update({key: value for key, value in {**more, **optional}.items() if value is not None})
            line = json.dumps(record, default=_plain, separators=(",", ":")).encode() + b"\n"
        except Exception as error:
            self.drop(1, f"a record cannot be written as JSON: {error}")
            return identity
        with self._condition:
            if self._closed:
                self._drop(1, "the log is closed")
            elif len(self._waiting) >= self._queue_size:
                self._drop(1, f"{self._queue_size} records wait for the disk")
            else:
                self._waiting.append(line)
                if self._thread is None:
                    self._start()
        return identity

    def drop(self, number: int, why: str) -> None:
        """Count predictions that there is no record of, and say why, once a minute."""
        with self._condition:
            self._drop(number, why)

    @property
    def written(self) -> int:
        """Records on disk."""
        return self._written

    @property
    def dropped(self) -> int:
        """Records that are not, and will not be."""
        return self._dropped

    def close(self, timeout: float = 5.0) -> None:
        """Write what waits, for at most ``timeout`` seconds; later records are dropped."""
        with self._condition:
            self._closed = True
            self._condition.notify()
            thread = self._thread
        if thread is not None:
            thread.join(timeout)
        atexit.unregister(self.close)

    def _begin(self) -> None:
        """Begin in this process: threads do not survive a fork, and what waits is the parent's to write."""
        self._condition = threading.Condition()
        self._waiting: deque[bytes] = deque()
        self._thread = None
        self._closed = False
        self._written = 0
        self._dropped = 0
        self._said = -math.inf

    def _after_fork(self) -> None:
        closed = self._closed
        self._file.forget()
        self._begin()
        self._closed = closed

    def _start(self) -> None:
        """Start the thread; the condition is held. Where the system has none to give, the next record asks again."""
        thread = threading.Thread(target=self._run, daemon=True, name="prediction-log")
        try:
            thread.start()
        except RuntimeError as error:
            self._drop(0, f"{error}: records wait")
            return
        self._thread = thread

    def _run(self) -> None:
        while True:
            with self._condition:
                if not self._closed:
                    # Lines that come meanwhile are written in one go.
                    self._condition.wait(self._interval)
                lines, size = [], 0
                while self._waiting and size < self._most_at_once:
                    lines.append(self._waiting.popleft())
                    size += len(lines[-1])
                if not lines and self._closed:
                    self._file.close()
                    return
            if lines:
                self._append(lines)

    def _append(self, lines: list[bytes]) -> None:
        content = b"".join(lines)
        try:
            size = self._file.append(content)
        except OSError as error:
            with self._condition:
                self._drop(len(lines), str(error))
            return
        whole = content.count(b"\n", 0, size)
        self._written += whole
        if whole < len(lines):
            with self._condition:
                self._drop(len(lines) - whole, "the disk is full")

    def _drop(self, number: int, why: str) -> None:
        """Count and say it; the condition is held."""
        self._dropped += number
        now = time.monotonic()
        if now - self._said >= _SAY_AGAIN:
            self._said = now
            logger.warning("prediction log: %d records dropped so far; %s", self._dropped, why)


def _plain(value: Any) -> Any:
    """Return a value of numpy or pandas as one of Python; anything else as its text."""
    for method in ("tolist", "isoformat"):
        if hasattr(value, method):
            return getattr(value, method)()
    return str(value)


_LOGS: weakref.WeakSet[PredictionLog] = weakref.WeakSet()


def _forked() -> None:
    for log in list(_LOGS):
        log._after_fork()


os.register_at_fork(after_in_child=_forked)
