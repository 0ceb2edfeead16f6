"""Plays the recorded log: each record is written when its time has come, with that time in it."""

import heapq
import json
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from examples.story import PHASES, START

PREDICTIONS = "predictions.jsonl"
FILES = (PREDICTIONS, "labels.jsonl")
LAST = PHASES[-1]
_PAUSE = 0.1

Event = tuple[float, str, dict[str, Any]]


class Player:
    """Writes the logs of `recorded` into the folder `played`, `factor` times as fast as they were recorded.

    What happened before the story is written at once, so that the windows are full when it starts.
    After its end, the last chapter is played again and again. It begins when its time has come, or once it is deployed.
    """

    def __init__(self, recorded: Path, played: Path, factor: float, story_start: float) -> None:
        """`story_start` is in epoch seconds."""
        self._recorded, self._played = recorded, played
        self._factor, self._story_start = factor, story_start
        self._events = self._all_events()
        self._next = next(self._events)
        self._skipped = 0.0
        self._never_made: set[str] = set()
        self._lock = threading.Lock()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, name="player", daemon=True)
        self.error: OSError | None = None

    def start(self) -> None:
        """Write what is due by now, then go on in the background."""
        self._played.mkdir(parents=True, exist_ok=True)
        self._write_due()
        self._thread.start()

    def stop(self) -> None:
        """Write nothing more."""
        self._over.set()
        if self._thread.is_alive():
            self._thread.join()

    def deploy(self) -> None:
        """Begin the last chapter now: what was recorded until then never happens, nor do the labels of it."""
        with self._lock:
            minute = (time.time() - self._story_start) * self._factor / 60
            if self._skipped or minute >= LAST.start:
                return
            while self._next[0] < LAST.start:
                if self._next[1] == PREDICTIONS:
                    self._never_made.add(self._next[2]["request_id"])
                self._next = next(self._events)
            self._skipped = LAST.start - minute

    def moment(self, minute: float) -> float:
        """Return when a minute of the story is, in epoch seconds."""
        skipped = self._skipped if minute >= LAST.start else 0.0
        return self._story_start + (minute - skipped) * 60 / self._factor

    def _run(self) -> None:
        while not self._over.wait(_PAUSE):
            try:
                self._write_due()
            except OSError as error:
                self.error = error
                return

    def _write_due(self) -> None:
        now = time.time()
        due: dict[str, list[str]] = {name: [] for name in FILES}
        with self._lock:
            while (moment := self.moment(self._next[0])) <= now:
                record = {**self._next[2], "ts": _rfc3339(moment)}
                if record["request_id"] not in self._never_made:
                    due[self._next[1]].append(json.dumps(record, separators=(",", ":")) + "\n")
                self._next = next(self._events)
        for name, lines in due.items():
            with (self._played / name).open("a", encoding="utf-8") as log:
                log.writelines(lines)

    def _all_events(self) -> Iterator[Event]:
        """(minute of the story, file, record) in order of time, without end."""
        events = list(heapq.merge(*(self._read(name) for name in FILES), key=lambda event: event[0]))
        yield from (event for event in events if event[0] < LAST.end)
        again = [event for event in events if LAST.start <= event[0] < LAST.end]
        length = LAST.end - LAST.start
        turn = 0
        while True:
            turn += 1
            for minute, name, record in again:
                repeated = {**record, "request_id": f"{record['request_id']}-{turn}"}
                yield minute + turn * length, name, repeated

    def _read(self, name: str) -> list[Event]:
        with (self._recorded / name).open(encoding="utf-8") as log:
            records = [json.loads(line) for line in log]
        return [
            ((datetime.fromisoformat(record["ts"]) - START) / timedelta(minutes=1), name, record)
            for record in records
        ]


def _rfc3339(moment: float) -> str:
    text = datetime.fromtimestamp(moment, UTC).isoformat(timespec="milliseconds")
    return text.replace("+00:00", "Z")
