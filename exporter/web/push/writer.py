"""Group commit: all requests that wait for one inbox share a transaction."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections import Counter
from http import HTTPStatus
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import NamedTuple

from exporter.inbox import Inbox, InboxError, Request, Taken, checkpoint, set_aside
from exporter.web.push.answers import wait

logger = logging.getLogger(__name__)

_MOST_REQUESTS = 1000
_MOST_BYTES = 32 << 20
_COUNTED_WITHIN = 1.0
_SAID_AGAIN_AFTER = 60.0
_RETRY_FULL, _RETRY_UNAVAILABLE = 10, 5
_DAMAGE = ("malformed", "not a database")


class _Waiting(NamedTuple):
    request: Request
    size: int
    taken: asyncio.Future[Taken]


class Writer:
    """A thread that writes what comes to one inbox; requests that come during a transaction are the next one's.

    Refusals are counted in the inbox as well, at most a second later.
    """

    def __init__(self, path: Path, most_bytes: int, loop: asyncio.AbstractEventLoop) -> None:
        self.path = path
        self.most_bytes = most_bytes
        self._loop = loop
        self._queue: SimpleQueue[_Waiting | None] = SimpleQueue()
        self._refused: Counter[str] = Counter()
        self._lock = threading.Lock()
        self._inbox: Inbox | None = None
        self._said = 0.0
        self._checkpoint: threading.Thread | None = None
        self._tidy()
        self._thread = threading.Thread(target=self._run, daemon=True, name=f"inbox {path.stem}")
        self._thread.start()

    def take(self, request: Request) -> asyncio.Future[Taken]:
        """Queue ``request``; the result is there once it is durable, or it is a RefusedError."""
        taken: asyncio.Future[Taken] = self._loop.create_future()
        self._queue.put(_Waiting(request, sum(len(event.line) + 1 for event in request.events), taken))
        return taken

    def count(self, name: str, number: int = 1) -> None:
        """Count a refusal by its reason, or rejected events."""
        with self._lock:
            self._refused[name] += number

    def close(self) -> None:
        """Write what is queued, and end."""
        self._queue.put(None)
        self._thread.join()

    def _run(self) -> None:
        ends = False
        while not ends:
            group, ends = self._next()
            self._write(group)
            self._shorten_log()
        if self._checkpoint is not None:
            self._checkpoint.join()
        if self._inbox is not None:
            self._inbox.close()

    def _next(self) -> tuple[list[_Waiting], bool]:
        """Return what waits, nothing where only refusals are to be counted; and whether it is the end."""
        group: list[_Waiting] = []
        size = 0
        try:
            item = self._queue.get(timeout=_COUNTED_WITHIN)
            while item is not None:
                group.append(item)
                size += item.size
                if len(group) == _MOST_REQUESTS or size > _MOST_BYTES:
                    return group, False
                item = self._queue.get_nowait()
        except Empty:
            return group, False
        return group, True

    def _write(self, group: list[_Waiting]) -> None:
        with self._lock:
            counts, self._refused = self._refused, Counter()
        if not group and not counts:
            self._tidy()
            return
        answers: list[tuple[asyncio.Future[Taken], Taken | Exception]] = []
        try:
            inbox = self._opened()
            fitting = self._fitting(inbox, group, answers)
            full = Counter(queue_full=len(group) - len(fitting))
            done = inbox.append([item.request for item in fitting], counts + full)
            answers += [(item.taken, taken) for item, taken in zip(fitting, done, strict=True)]
        except InboxError as error:
            self._failed(error)
            with self._lock:
                self._refused += counts
                self._refused["unavailable"] += len(group)
            refusal = wait(
                HTTPStatus.SERVICE_UNAVAILABLE,
                "events cannot be stored now; send them again",
                "",
                _RETRY_UNAVAILABLE,
            )
            answers = [(item.taken, refusal) for item in group]
        except Exception as error:
            logger.exception("inbox %s", self.path)
            answers = [(item.taken, error) for item in group]
        self._loop.call_soon_threadsafe(_resolve, answers)

    def _fitting(
        self,
        inbox: Inbox,
        group: list[_Waiting],
        answers: list[tuple[asyncio.Future[Taken], Taken | Exception]],
    ) -> list[_Waiting]:
        """Return what there is room for; the others are answered."""
        room = self.most_bytes - inbox.waiting()
        fitting = []
        for item in group:
            if item.size <= room:
                room -= item.size
                fitting.append(item)
            else:
                text = f"{self.most_bytes:,} bytes of events wait to be counted; send them again later"
                answers.append((item.taken, wait(HTTPStatus.TOO_MANY_REQUESTS, text, "", _RETRY_FULL)))
        return fitting

    def _shorten_log(self) -> None:
        """Have another thread copy the log into the file; only the end of it is left to be done between two groups."""
        if self._checkpoint is not None:
            if not self._checkpoint.is_alive():
                self._checkpoint = None
                try:
                    if self._inbox is not None:
                        self._inbox.finish_checkpoint()
                except InboxError as error:
                    self._failed(error)
        elif self._inbox is not None and self._inbox.checkpoint_due():
            self._checkpoint = threading.Thread(target=self._copy_log, daemon=True, name="checkpoint")
            self._checkpoint.start()

    def _copy_log(self) -> None:
        try:
            checkpoint(self.path)
        except InboxError as error:
            self._say(f"inbox {error}")

    def _tidy(self) -> None:
        """Open the inbox again where that failed; delete what is counted, while nobody waits."""
        try:
            inbox = self._opened()
            while self._queue.empty() and inbox.has_counted():
                inbox.append(())
        except InboxError as error:
            self._failed(error)

    def _opened(self) -> Inbox:
        """Return the inbox. Raises InboxError where it cannot be opened, or another process receives for it."""
        if self._inbox is None:
            inbox = Inbox(self.path)
            try:
                held = inbox.hold()
            except InboxError:
                inbox.close()
                raise
            if not held:
                inbox.close()
                raise InboxError(f"{self.path}: another process receives events for it")
            self._inbox = inbox
        return self._inbox

    def _failed(self, error: Exception) -> None:
        """Say what is wrong; put a damaged file out of the way."""
        if self._inbox is not None:
            self._inbox.close()
            self._inbox = None
        if any(word in str(error) for word in _DAMAGE):
            try:
                aside = set_aside(self.path)
            except OSError as failure:
                self._say(f"inbox {self.path}: damaged, and cannot be renamed: {failure.strerror}")
            else:
                logger.error(
                    "inbox %s: damaged (%s): it is now %s, and a new one begins", self.path, error, aside
                )
        else:
            self._say(f"inbox {error}; events are refused until it can be written")

    def _say(self, text: str) -> None:
        if time.monotonic() > self._said:
            self._said = time.monotonic() + _SAID_AGAIN_AFTER
            logger.error(text)


def _resolve(answers: list[tuple[asyncio.Future[Taken], Taken | Exception]]) -> None:
    for future, answer in answers:
        if future.done():
            continue
        if isinstance(answer, Exception):
            future.set_exception(answer)
        else:
            future.set_result(answer)
