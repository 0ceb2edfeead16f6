"""Standard input, read by a thread of its own, so that neither a cycle nor the writer waits for the other."""

from __future__ import annotations

import io
import os
import threading
import time
from collections.abc import Iterator, Mapping
from itertools import count

from exporter.sinks.content import Block
from exporter.sinks.files.first_records import first_lines, not_rows
from exporter.sinks.records import Cutter, JsonLines, batch_of
from exporter.sinks.rows import CsvRows
from exporter.sinks.sink import Batch, LogSink, Sample, SinkError
from mlslo.monitor import FileSink as FileSettings
from mlslo.monitor import Monitor

NAME = "standard input"
_READ = 256 << 10
# What a writer can be ahead by before it has to wait.
_MOST = 32 << 20
# A cycle ends although somebody writes faster than it reads.
_MOST_BATCHES = 8
_PATIENCE = 10.0


class Pipe:
    """Content that was read of a descriptor and is not taken yet.

    ``failure``: why no more can be read. ``header``, ``skipping``: what a reader must know of what was taken.
    ``looked_at``: whether somebody looked at the first records.
    """

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._content = bytearray()
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None
        self.ended = False
        self.failure = ""
        self.header = ""
        self.skipping = False
        self.looked_at = False

    def start(self) -> None:
        """Begin to read, once."""
        with self._changed:
            if self._thread is None:
                self._thread = threading.Thread(target=self._fill, daemon=True, name=NAME)
                self._thread.start()

    def wait(self, length: int, until: float | None = None) -> bytes:
        """Return what is there: waits for ``length`` bytes, the end, or (monotonic) ``until``."""
        with self._changed:
            while len(self._content) < min(length, _MOST) and not self.ended:
                if not self._changed.wait(None if until is None else max(0.0, until - time.monotonic())):
                    break
            return bytes(self._content)

    def take(self, length: int) -> None:
        """Drop the first ``length`` bytes, which makes room for more."""
        with self._changed:
            self._content = self._content[length:]
            self._changed.notify_all()

    def __len__(self) -> int:
        return len(self._content)

    def _fill(self) -> None:
        while True:
            try:
                found = os.read(self._descriptor, _READ)
            except OSError as error:
                found, self.failure = b"", str(error.strerror)
            with self._changed:
                self._content += found
                self.ended = not found
                self._changed.notify_all()
                if self.ended:
                    return
                while len(self._content) >= _MOST:
                    self._changed.wait()


_PIPE = Pipe(0)
"""The standard input of this process: there is one, and what was read of it cannot be read again."""


class StandardInput(LogSink):
    """Reads the records that come on standard input; nothing is committed, as a restart cannot go back."""

    LONGEST_PAUSE = 0.0

    def __init__(self, pipe: Pipe, format_: str | None = None) -> None:
        self._pipe = pipe
        self._is_csv = format_ == "csv"
        pipe.start()

    @classmethod
    def open(cls, monitor: Monitor, settings: FileSettings, positions: Mapping[str, str]) -> StandardInput:  # noqa: ARG003
        return cls(_PIPE, settings.format)

    def close(self) -> None:
        """Leave in the pipe what was not taken: a sink opened again goes on with it."""

    def batches(self, *, final: bool = False) -> Iterator[Batch]:
        """Yield what is there; where ``final``, what comes until the end.

        Raises SinkError where it cannot be read, and where it has ended although more is expected.
        """
        skipping = self._pipe.skipping
        cutter: Cutter = (
            CsvRows(self._pipe.header, skipping=skipping) if self._is_csv else JsonLines(skipping=skipping)
        )
        size = min(cutter.most, _MOST)
        # Whoever looked at the first records only does not wait for the last.
        waits = final and not self._pipe.looked_at
        for number in count():
            content = bytearray(self._pipe.wait(size if waits else 0)[:size])
            ended = self._pipe.ended and len(content) == len(self._pipe)
            block = Block(content, 0, len(content))
            cut = cutter.cut(block, full=len(content) == size, final=ended, quiet=ended)
            if not cut.length:
                break
            yield batch_of(cut, {})
            # Taken when it is committed: after a failure it is read again.
            self._pipe.take(cut.length)
            self._pipe.header, self._pipe.skipping = cutter.header, cutter.skipping
            if not final and number >= _MOST_BATCHES:
                break
        if self._pipe.failure:
            raise SinkError(f"{NAME}: {self._pipe.failure}")
        if self._pipe.ended and not final:
            raise SinkError(f"{NAME} has ended: no more records will come")

    def lag(self) -> int:
        return len(self._pipe)

    def sample(self, number: int) -> Sample:
        """Return the first lines, which stay to be read; waits for them some seconds."""
        self._pipe.looked_at = True
        until = time.monotonic() + _PATIENCE
        content = b""
        while content.count(b"\n") < number and len(content) < CsvRows.most and time.monotonic() < until:
            content = self._pipe.wait(len(content) + 1, until)
            if self._pipe.ended:
                break
        if self._pipe.failure:
            raise SinkError(f"{NAME}: {self._pipe.failure}")
        malformed = 0
        if self._is_csv:
            block = Block(bytearray(content), 0, len(content))
            cut = CsvRows().cut(block, full=False, final=self._pipe.ended, quiet=True)
            lines = b"".join(cut.lines.tobytes().splitlines(keepends=True)[:number])
            malformed = cut.rejected.get("malformed", 0)
        else:
            try:
                lines, _ = first_lines(io.BytesIO(content), number)
            except OSError as error:
                raise SinkError(f"{NAME}: {error.strerror}") from None
        if not lines:
            return Sample(b"", NAME, "it ended without a record" if self._pipe.ended else "no records yet")
        return Sample(lines, NAME, not_rows(malformed))
