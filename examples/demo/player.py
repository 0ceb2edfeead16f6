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

FILES = ("predictions.jsonl", "labels.jsonl")
_PAUSE = 0.1

Event = tuple[float, str, dict[str, Any]]


class Player:
    """Writes the logs of `recorded` into the folder `played`, `factor` times as fast as they were recorded.

    What happened before the story is written at once, so that the windows are full when it starts.
    After its end, the last chapter is played again and again.
    """

    def __init__(self, recorded: Path, played: Path, factor: float, story_start: float) -> None:
        """`story_start` is in epoch seconds."""
        self._recorded, self._played = recorded, played
        self._factor, self._story_start = factor, story_start
        self._events = self._all_events()
        self._next = next(self._events)
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
        while (moment := self._moment(self._next[0])) <= now:
            record = {**self._next[2], "ts": _rfc3339(moment)}
            due[self._next[1]].append(json.dumps(record, separators=(",", ":")) + "\n")
            self._next = next(self._events)
        for name, lines in due.items():
            with (self._played / name).open("a", encoding="utf-8") as log:
                log.writelines(lines)

    def _moment(self, minute: float) -> float:
        return self._story_start + minute * 60 / self._factor

    def _all_events(self) -> Iterator[Event]:
        """(minute of the story, file, record) in order of time, without end."""
        events = list(heapq.merge(*(self._read(name) for name in FILES), key=lambda event: event[0]))
        end = PHASES[-1].end
        yield from (event for event in events if event[0] < end)
        again = [event for event in events if PHASES[-1].start <= event[0] < end]
        length = end - PHASES[-1].start
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
