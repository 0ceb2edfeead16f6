"""Kill the real daemon at random moments while its logs grow and rotate, and recount: all gauges must be equal.

``python -m tests.endurance --kills 200`` prints a line for each kill. After each, ``once`` goes on from the state that
the daemon left, in the logs as they lie; another ``once`` counts all lines ever written, from one file, anew.
"""

from __future__ import annotations

import argparse
import gzip
import json
import math
import os
import random
import shutil
import signal
import sqlite3
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from multiprocessing.process import BaseProcess
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import zstandard

from tests.support.commands import exporter, start
from tests.support.logs import Gauges, monitor, once, write_lines, write_monitor

# What depends on when something was read, not on what.
_OF_READING = (
    "ml_exporter_",
    "ml_labels_unmatched_total",
    "ml_monitor_cycle_",
    "ml_monitor_last_success_",
    "ml_sink_lag_bytes",
    "ml_sink_late_records_total",
    "ml_state_",
)
_FIELDS = monitor()["spec"]["predictions"]["fields"]
_FEATURES = {
    "amount": {"type": "numeric"},
    "age": {"type": "numeric"},
    "country": {"type": "categorical"},
}
_KILLS_EACH = 20
_COUNTRIES = ("DE", "FR", "NL")


class Endurance:
    """An application that logs and rotates, and a daemon that reads."""

    def __init__(self, folder: Path, seed: int) -> None:
        self.random = random.Random(seed)
        self.folder = folder
        self.logs = folder / "logs"
        self.log = self.logs / "predictions.jsonl"
        self.labels = self.logs / "labels.jsonl"
        self.rotated: list[Path] = []
        self.compressing: tuple[Path, Path, bytes] | None = None
        self.number = self.names = self.labelled = 0
        self.partial = b""
        self.renames = True
        self.ways: Counter[str] = Counter()
        spec = monitor(
            predictions={"sink": {"file": {"path": "logs/predictions*"}}, "fields": _FIELDS},
            schedule="50ms",
            windows=["1h"],
            features=_FEATURES,
            segments=["features.country"],
            references={"training": {"static": "training.json"}},
            metrics={"include": ["ml_*"]},
        )
        self.monitor = write_monitor(folder, spec)
        self.truth = folder / "truth"
        (self.truth / "logs").mkdir(parents=True)
        data = write_lines(folder / "data.jsonl", [self._record(-number) for number in range(1, 500)])
        exporter("baseline", self.monitor, "--data", data, "--out", folder / "training.json")
        shutil.copy(folder / "training.json", self.truth)
        self.recounted = write_monitor(self.truth, spec)
        self.logs.mkdir()
        self._write(100)
        self._label()

    def kill(self) -> dict[str, Any]:
        """Run a daemon, kill it at a random moment, and recount. Raises AssertionError where a gauge differs."""
        self.renames = self.random.random() < 0.4
        said = self.folder / "stderr"
        said.write_bytes(b"")
        options = ["--web.listen-address", "127.0.0.1:0", "--state-dir", self.folder / "state"]
        process = start("run", self.monitor, *options, errors=said)
        try:
            self._live(process, said)
        finally:
            process.kill()
            process.join()
        assert process.exitcode == -signal.SIGKILL, said.read_text()
        for _ in range(self.random.randint(0, 3)):
            self._act()
        return self.recount()

    def recount(self) -> dict[str, Any]:
        """Compare what is counted from the state on with a count of everything."""
        self._finish()
        state = self.folder / "copy"
        shutil.rmtree(state, ignore_errors=True)
        shutil.copytree(self.folder / "state", state) if (self.folder / "state").exists() else None
        at = datetime.fromtimestamp(math.ceil(time.time()) + 1, UTC).isoformat().replace("+00:00", "Z")
        found = once(self.monitor, "--state-dir", state, at=at)
        expected = once(self.recounted, at=at)
        different = list(differences(found, expected))
        assert not different, "\n".join(different)
        counted = sum(count for _, count in found["ml_predictions_total"])
        assert counted == self.number, f"{counted} of {self.number} records"
        return {
            "records": self.number,
            "labels": self.labelled,
            "series": sum(map(len, expected.values())),
            **self.ways,
        }

    def _live(self, process: BaseProcess, said: Path) -> None:
        """Write and rotate until the moment of the kill: while it starts, or while it reads."""
        until = time.monotonic() + self.random.uniform(0, 0.5)
        if self.random.random() < 0.8:
            while b"/metrics" not in said.read_bytes():
                assert process.is_alive(), said.read_text()
                self._act()
                time.sleep(0.02)
            until = time.monotonic() + self.random.uniform(0, 2)
        while time.monotonic() < until:
            self._act()
            time.sleep(self.random.uniform(0, 0.05))

    def _act(self) -> None:
        actions = [self._grow, self._label, self._rename, self._copy_and_truncate, self._compress]
        # Of a log that was just begun, nothing may be read yet: it is not renamed all the time.
        renamed, copied = (1, 0) if self.renames else (0, 2)
        self.random.choices(actions, [10, 3, renamed, copied, 3])[0]()

    def _grow(self) -> None:
        self._write(self.random.randint(1, 60))
        if self.random.random() < 0.2:
            line = self._line()
            self.partial = line[: self.random.randint(1, len(line) - 2)]
            _append(self.log, self.partial)

    def _label(self) -> None:
        """Label some of what was written."""
        written = range(self.labelled + 1, self.number + 1)[: self.random.randint(1, 60)]
        self.labelled += len(written)
        now = time.time()
        lines = [{"id": f"r{number}", "label": number % 7 % 2, "ts": now} for number in written]
        for path in (self.labels, self.truth / "logs/labels.jsonl"):
            write_lines(path, lines)
        if self.random.random() < 0.1:
            self.labels.rename(self.logs / f"labels-{self._next()}.jsonl")
            self.labels.touch()

    def _rename(self) -> None:
        self._end_line()
        self.rotated.append(self.log.rename(self.logs / f"predictions-{self._next()}.jsonl"))
        self._write(1)
        self.ways["renamed"] += 1

    def _copy_and_truncate(self) -> None:
        self._end_line()
        if self._is_read():
            copy = self.logs / f"predictions-{self._next()}.jsonl"
            shutil.copyfile(self.log, copy)
            os.truncate(self.log, 0)
            self.rotated.append(copy)
            self.ways["copied"] += 1

    def _compress(self) -> None:
        """Begin to compress a rotated file, or go on."""
        if self.compressing is None:
            if self.rotated:
                original = self.rotated.pop(0)
                ending = self.random.choice((".gz", ".zst"))
                compress = gzip.compress if ending == ".gz" else zstandard.ZstdCompressor().compress
                content = compress(original.read_bytes())
                self.compressing = original, original.with_name(original.name + ending), content
                self.compressing[1].write_bytes(b"")
            return
        original, copy, content = self.compressing
        there = copy.stat().st_size
        _append(copy, content[there : there + self.random.randint(1, max(1, len(content)))])
        if copy.stat().st_size == len(content):
            original.unlink()
            self.compressing = None
            self.ways["compressed"] += 1

    def _finish(self) -> None:
        self._end_line()
        while self.compressing is not None:
            self._compress()

    def _is_read(self) -> bool:
        """Return whether a position in the log is committed: without, nothing tells its copy from another log."""
        copy = self.folder / "looked-at"
        shutil.rmtree(copy, ignore_errors=True)
        copy.mkdir()
        for path in sorted((self.folder / "state").glob("m.sqlite*")):
            # The daemon has the original for itself.
            shutil.copy(path, copy)
        try:
            with closing(sqlite3.connect(copy / "m.sqlite")) as connection:
                rows = connection.execute("SELECT position FROM positions").fetchall()
        except sqlite3.Error:
            return False
        inode = self.log.stat().st_ino
        return any(
            found["inode"] == inode and found["offset"] for found in (json.loads(row[0]) for row in rows)
        )

    def _write(self, number: int) -> None:
        self._end_line()
        lines = b""
        for _ in range(number):
            lines += self._line()
            self.number += 1
        _append(self.log, lines)
        _append(self.truth / "logs/predictions.jsonl", lines)

    def _end_line(self) -> None:
        if self.partial:
            rest, begun = self._line()[len(self.partial) :], self.partial
            self.partial = b""
            self.number += 1
            _append(self.log, rest)
            _append(self.truth / "logs/predictions.jsonl", begun + rest)

    def _line(self) -> bytes:
        return json.dumps(self._record(self.number + 1)).encode() + b"\n"

    def _record(self, number: int) -> dict[str, Any]:
        """Return a record that follows from its number, but for its time."""
        chosen = random.Random(number)
        score = chosen.random()
        return {
            "ts": round(self._begun() + abs(number) / 1000, 3),
            "id": f"r{number}",
            "version": f"v{abs(number) % 3 % 2}",
            "status": 500 if chosen.random() < 0.02 else 200,
            "latency_ms": round(chosen.expovariate(0.05), 3),
            "score": score,
            "prediction": int(score > 0.5),
            "features": {
                "amount": chosen.gauss(100, 15),
                "age": chosen.randint(18, 90),
                "country": chosen.choice(_COUNTRIES),
            },
        }

    def _begun(self) -> float:
        if not hasattr(self, "begun"):
            self.begun = time.time() - 1000
        return self.begun

    def _next(self) -> str:
        self.names += 1
        return f"{self.names:05}"


def _append(path: Path, content: bytes) -> None:
    with path.open("ab") as file:
        file.write(content)


def differences(found: Gauges, expected: Gauges) -> Iterator[str]:
    """Yield each series that is not the same in both."""
    for name in sorted(found.keys() | expected.keys()):
        if name.startswith(_OF_READING):
            continue
        ours, theirs = (
            {tuple(sorted(labels.items())): v for labels, v in side.get(name, [])}
            for side in (found, expected)
        )
        for labels in sorted(ours.keys() | theirs.keys()):
            one, other = ours.get(labels), theirs.get(labels)
            if one is None or other is None or not math.isclose(one, other, rel_tol=1e-9, abs_tol=1e-9):
                yield f"{name}{dict(labels)}: {one}, recounted {other}"


def main() -> None:
    """Kill as often as asked for."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    for begun in range(0, given.kills, _KILLS_EACH):
        # Counting all again takes the longer the more there is.
        with TemporaryDirectory() as folder:
            endurance = Endurance(Path(folder), given.seed + begun)
            for kill in range(begun, min(begun + _KILLS_EACH, given.kills)):
                sys.stdout.write(f"{kill + 1}: {endurance.kill()}\n")
                sys.stdout.flush()


if __name__ == "__main__":
    main()
