"""Events that were pushed: the sink's end of an inbox."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing
from itertools import islice
from pathlib import Path

from exporter.inbox import InboxError, InboxReader
from exporter.sinks.sink import Batch, LogSink, Sample, SinkError
from mlslo.monitor import Monitor
from mlslo.monitor import PushSink as PushSettings

_MOST = 8 << 20
POSITION = "inbox"
"""The key of the position in an inbox; a sink of files has other keys."""


class PushSink(LogSink):
    """Reads the events that the receiver put into an inbox, and tells it once they are counted.

    The receiver is a process of its own (``exporter.web.push``). The position is the inbox's identity and the number of
    the last row that was counted, so an inbox that replaces a lost one is read from its beginning.
    """

    LONGEST_PAUSE = 0.0

    def __init__(self, settings: PushSettings, positions: Mapping[str, str], path: Path | None) -> None:
        """``path``: of the inbox; None where no state is kept, and so no inbox.

        Raises ValueError where ``positions`` are none of this sink's.
        """
        self._settings = settings
        self._path = path
        identity, _, number = positions.get(POSITION, " 0").partition(" ")
        self._identity, self._number = identity, int(number)

    @classmethod
    def open(cls, monitor: Monitor, settings: PushSettings, positions: Mapping[str, str]) -> PushSink:  # noqa: ARG003
        return cls(settings, positions, None)

    def close(self) -> None:
        """Release nothing: no file is held between cycles."""

    def batches(self, *, final: bool = False) -> Iterator[Batch]:
        """Yield what lies in the inbox at the time of the call; what comes meanwhile is of the next cycle.

        Raises SinkError where it cannot be read and, unless ``final``, where nobody receives events for it.
        """
        received = False
        if self._path is not None and self._path.exists():
            try:
                with closing(InboxReader(self._path)) as inbox:
                    yield from self._new(inbox)
                    received = inbox.is_received()
            except InboxError as error:
                raise SinkError(str(error)) from None
        if not received and not final:
            raise SinkError(f"nobody receives events for {self._settings.path}: see the log of the receiver")

    def lag(self) -> int:
        if self._path is None or not self._path.exists():
            return 0
        try:
            with closing(InboxReader(self._path)) as inbox:
                return self._unread(inbox)
        except InboxError:
            return 0

    def own_metrics(self) -> Iterable[tuple[str, Mapping[str, str], float]]:
        if self._path is None or not self._path.exists():
            return
        try:
            with closing(InboxReader(self._path)) as inbox:
                counts = inbox.counts()
                waiting = self._unread(inbox)
        except InboxError:
            return
        yield "ml_push_waiting_bytes", {}, waiting
        for outcome in ("accepted", "repeated", "rejected"):
            yield "ml_push_events_total", {"outcome": outcome}, counts.pop(outcome, 0)
        for reason, number in counts.items():
            yield "ml_push_refused_requests_total", {"reason": reason}, number

    def sample(self, number: int) -> Sample:
        """Return the first events that lie in the inbox; they stay there."""
        source = f"POST {self._settings.path}"
        if self._path is None or not self._path.exists():
            return Sample(b"", source, "events come by HTTP to mlslo-exporter run; none is there yet")
        lines: list[bytes] = []
        try:
            with closing(InboxReader(self._path)) as inbox:
                for _, content in islice(inbox.rows(0, inbox.last()), number):
                    lines += content.splitlines(keepends=True)
                    if len(lines) >= number:
                        break
        except InboxError as error:
            raise SinkError(str(error)) from None
        remark = "" if lines else "events come by HTTP to mlslo-exporter run; none waits to be counted"
        return Sample(b"".join(lines[:number]), source, remark)

    def _new(self, inbox: InboxReader) -> Iterator[Batch]:
        if inbox.identity != self._identity:
            self._identity, self._number = inbox.identity, 0
        if self._number:
            # Counted before the last end of the process, which may have come before that was noted.
            inbox.note_counted(self._number)
        content, number = bytearray(), self._number
        for row, lines in inbox.rows(self._number, inbox.last()):
            if content and len(content) + len(lines) > _MOST:
                yield self._batch(content, number)
                inbox.note_counted(number)
                content = bytearray()
            content += lines
            number = row
        if content:
            yield self._batch(content, number)
            inbox.note_counted(number)

    def _unread(self, inbox: InboxReader) -> int:
        return inbox.unread(self._number if inbox.identity == self._identity else 0)

    def _batch(self, content: bytearray, number: int) -> Batch:
        """Return a batch, and go on behind it: it is committed by the time that another one is asked for."""
        self._number = number
        return Batch(memoryview(content), 0, {POSITION: f"{self._identity} {number}"})
