"""A model of the file sink: random lives of log files, and which records must have been read at their end.

As the model test of Vector's file source: actions on files and on the sink alternate, drawn from a seed. ``python -m
tests.exporter.sinks.file_model --cases 5000`` plays many, and prints the actions of the first that fails.
"""

from __future__ import annotations

import argparse
import gzip
import json
import os
import random
import shutil
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from types import SimpleNamespace
from unittest.mock import patch

import zstandard

from exporter.sinks import SinkError
from exporter.sinks.compression import Decompressed
from exporter.sinks.content import Plain
from exporter.sinks.files import FileSink, recognition, tracked
from exporter.sinks.positions import HEAD

ACTIONS = 18
_COMPRESS: dict[str, Callable[[bytes], bytes]] = {
    ".gz": gzip.compress,
    ".zst": zstandard.ZstdCompressor(write_checksum=True).compress,
}
# Bytes that are read at once: a few lines of a file, so that a longer line is too long; or all of it.
_READ_AT_ONCE = (160, 1 << 20)
_TOO_LONG = 700


@dataclass
class Log:
    """One file's content, wherever it lies. ``numbers``: of its records.

    ``seen``: by the sink as it runs now, which holds it open. ``read``: some of it was, in this inode.
    """

    path: Path
    numbers: list[int] = field(default_factory=list)
    seen: bool = False
    read: bool = False


class BrokenPromiseError(AssertionError):
    """What was promised and did not come, with the actions that led there."""


class Case:
    """One life of a folder of logs. Any ``seed`` gives the same one again."""

    def __init__(self, folder: Path, seed: int) -> None:
        self.random = random.Random(seed)
        self.seed = seed
        self.root = folder
        self.folder = folder / "v0"
        self.folder.mkdir()
        (folder / "logs").symlink_to("v0")
        self.pattern = folder / "logs/app.log*"
        self.at_once = self.random.choice(_READ_AT_ONCE)
        self.appends = self._chance(0.7)
        self.shifts = self._chance(0.5)
        self.width = self.random.choice((0, 0, 3000))
        if self.at_once < 1000:
            self.width = 0
        self.positions: dict[str, str] = {}
        self.delivered: Counter[int] = Counter()
        self.too_long = 0
        self.long: set[int] = set()
        self.may_be_lost: set[int] = set()
        self.number = self.names = self.folders = 0
        self.partial = b""
        self.offset = 0
        self.skew = 0.0
        self.stamps: dict[int, int] = {}
        self.current: Log | None = None
        self.rotated: list[Log] = []
        self.compressed: list[Log] = []
        # Not to be found any more, but perhaps held open.
        self.gone: list[Log] = []
        self.trace: list[str] = []
        self.sink: FileSink | None = FileSink(self.pattern, self.positions)

    def run(self) -> None:
        """Play it; raises BrokenPromiseError."""
        actions = list(_ACTIONS)
        weights = [_ACTIONS[action] for action in actions]
        try:
            for action in self.random.choices(actions, weights, k=ACTIONS):
                self.trace.append(action.__name__)
                action(self)
            self.end()
        except Exception as error:
            raise BrokenPromiseError(
                f"seed {self.seed}, {self.at_once} at once: {error!r}\n  " + "\n  ".join(self.trace)
            ) from error
        finally:
            if self.sink is not None:
                self.sink.close()

    def write(self) -> None:
        for _ in range(self.random.randint(1, 6)):
            self._put(self._line()[len(self.partial) :], whole=True)

    def write_a_part_of_a_line(self) -> None:
        if not self.partial:
            line = self._line()
            self.partial = line[: self.random.randint(1, len(line) - 2)]
            self._put(self.partial, whole=False)
        elif len(rest := self._line()[len(self.partial) :]) > 2:
            more = rest[: self.random.randint(1, len(rest) - 2)]
            self.partial += more
            self._put(more, whole=False)

    def read(self) -> None:
        if self.sink is not None:
            self._read(stop=False)

    def kill(self) -> None:
        """Stop before some batch is committed, and start again at what was."""
        if self.sink is not None:
            if self._chance(0.7):
                self._read(stop=True)
            self._stop()
            self._start()

    def pause(self) -> None:
        if self.sink is not None:
            self._stop()
        else:
            self._start()

    def time_passes(self) -> None:
        self._stamp()
        self.skew += 120

    def rotate_by_renaming(self) -> None:
        if (log := self._whole_current()) is not None:
            self._shift()
            self._move(log, self._rotated_name())
            self.rotated.insert(0, log)
            self.current = None
            if self._chance(0.3):
                # Until it is told to open the new one, the application writes to the old one.
                self._append(log, self.random.randint(1, 3))

    def rotate_by_copying(self) -> None:
        log = self._whole_current()
        if log is None or not log.numbers:
            return
        self._shift()
        copy = Log(self._rotated_name(), list(log.numbers))
        content = log.path.read_bytes()
        if log.read and len(content) > HEAD:
            copy.path.write_bytes(content[: self.random.randint(HEAD, len(content))])
            self._maybe_read()
        copy.path.write_bytes(content)
        if log.read:
            # Of what nothing was read, a plain copy is not known: both must not be there at once.
            self._maybe_read()
            if self._chance(0.3):
                late = self._append(log, 1)
                # Of less than that no copy is known once more was read.
                if self._read_of(content) >= HEAD:
                    self._maybe_read()
                self.may_be_lost.update(set(late) - self.delivered.keys())
        os.truncate(log.path, 0)
        # What follows is another file in the same place, as far as the records go.
        copy.read = log.read
        self.current = Log(log.path, seen=log.seen)
        self.rotated.insert(0, copy)

    def compress(self) -> None:
        if not self.rotated:
            return
        log = self.rotated.pop(self.random.randrange(len(self.rotated)))
        ending = self.random.choice(list(_COMPRESS))
        place = log.path.with_name(log.path.name + ending)
        content = _COMPRESS[ending](log.path.read_bytes())
        place.write_bytes(content[: int(self.random.random() * len(content))])
        self._maybe_read()
        place.write_bytes(content)
        self._maybe_read()
        if self._chance(0.3) and self.sink is not None:
            self._stop()
            self._start()
        log.path.unlink()
        log.path, log.seen = place, False
        self.compressed.append(log)

    def delete(self) -> None:
        logs = [*self.rotated, *self.compressed, *filter(None, (self._whole_current(),))]
        if logs:
            log = self.random.choice(logs)
            log.path.unlink()
            self._leave(log, held=log.seen and log not in self.compressed)

    def move_out_of_the_pattern(self) -> None:
        if (log := self._whole_current()) is not None:
            self._move(log, self.root / f"elsewhere-{self._next()}")
            self._leave(log, held=log.seen)

    def replace(self) -> None:
        """Another file takes the name of the log."""
        if (log := self._whole_current()) is not None:
            new = self.root / "new"
            new.write_bytes(b"")
            new.replace(log.path)
            self._leave(log, held=log.seen)
            self.current = Log(log.path)
            self.offset = 0
            self.write()

    def write_over(self) -> None:
        """The file is begun anew."""
        if (log := self._whole_current()) is not None:
            log.path.write_bytes(b"")
            self._leave(log, held=False)
            self.current = Log(log.path, seen=log.seen)
            self.offset = 0
            self.write()

    def edit(self) -> None:
        """An editor saves a copy under the same name, with a line more."""
        log = self._whole_current()
        if log is not None and log.read and not self._unread(log):
            new = self.root / "new"
            shutil.copyfile(log.path, new)
            new.replace(log.path)
            log.seen = log.read = False
            self._append(log, 1)

    def remount(self) -> None:
        """All files have other inodes, as in a network file system; nobody runs meanwhile."""
        if self.sink is None:
            for path in sorted(self.folder.iterdir()):
                new = self.root / "new"
                shutil.copyfile(path, new)
                new.replace(path)
            for log in self._plain():
                log.read = False

    def swap_inodes(self) -> None:
        if self.sink is None and len(self.rotated) >= 2:
            a, b = (log.path for log in self.random.sample(self.rotated, 2))
            of_a, of_b, new = a.read_bytes(), b.read_bytes(), self.root / "new"
            a.rename(new)
            b.rename(a)
            new.rename(b)
            a.write_bytes(of_a)
            b.write_bytes(of_b)
            for log in self._plain():
                log.read = False

    def swap_folders(self) -> None:
        """The link to the folder leads elsewhere, as those of ConfigMaps and of releases do."""
        self._whole_current()
        self.folders += 1
        self.folder = self.root / f"v{self.folders}"
        self.folder.mkdir()
        link = self.root / "link"
        link.symlink_to(self.folder.name)
        link.replace(self.root / "logs")
        for log in [*self.rotated, *self.compressed, *filter(None, (self.current,))]:
            self._leave(log, held=log.seen)
        self.current = None

    def end(self) -> None:
        """Hold what was read against what had to be."""
        self._whole_current()
        if self.sink is None:
            self._start()
        for _ in range(3):
            self.time_passes()
            self._read(stop=False)
        records = set(range(1, self.number + 1))
        twice = [number for number, times in self.delivered.items() if times > 1]
        lost = sorted(records - self.delivered.keys() - self.may_be_lost - self.long)
        sure = len(self.long - self.may_be_lost)
        assert not twice, f"read twice: {twice}"
        assert not lost, f"lost: {lost}"
        assert sure <= self.too_long <= len(self.long), f"too long: {self.too_long}, of {self.long}"
        assert self.sink is not None
        assert self.sink.lag() == 0, f"lag: {self.sink.lag()}"

    def _chance(self, share: float = 0.5) -> bool:
        return self.random.random() < share

    def _next(self) -> int:
        self.names += 1
        return self.names

    def _line(self) -> bytes:
        """Return the next record, whose size follows from its number."""
        number = self.number + 1
        chosen = random.Random(f"{self.seed} {number}").random()
        long = self.at_once < 1000 and chosen < 0.05
        size = _TOO_LONG if long else int(chosen * 60) + self.width
        return json.dumps({"n": number, "x": (f"{number} " * size)[:size]}).encode() + b"\n"

    def _put(self, content: bytes, *, whole: bool) -> None:
        """Write as the application does."""
        if self.current is None:
            self.current = Log(self.folder / "app.log")
            self.current.path.touch()
            self.offset = 0
        with self.current.path.open("ab" if self.appends else "r+b") as file:
            if not self.appends:
                file.seek(self.offset)
            file.write(content)
            self.offset = file.tell()
        if whole:
            self._wrote(self.current)

    def _wrote(self, log: Log) -> int:
        if self.at_once < len(self._line()):
            self.long.add(self.number + 1)
        self.number += 1
        self.partial = b""
        log.numbers.append(self.number)
        return self.number

    def _append(self, log: Log, lines: int) -> list[int]:
        found = []
        for _ in range(lines):
            with log.path.open("ab") as file:
                file.write(self._line())
            found.append(self._wrote(log))
        self.offset = log.path.stat().st_size
        return found

    def _whole_current(self) -> Log | None:
        """Return the log, after the end of a line that was begun."""
        if self.partial:
            self._put(self._line()[len(self.partial) :], whole=True)
        return self.current

    def _rotated_name(self) -> Path:
        return self.folder / ("app.log.1" if self.shifts else f"app.log-{self._next():05}")

    def _shift(self) -> None:
        if self.shifts:
            logs = [*self.rotated, *self.compressed]
            for log in sorted(logs, key=lambda log: int(log.path.name.split(".")[2]), reverse=True):
                app, ending, number, *further = log.path.name.split(".")
                self._move(log, log.path.with_name(".".join((app, ending, str(int(number) + 1), *further))))

    def _move(self, log: Log, target: Path) -> None:
        log.path = log.path.rename(target)

    def _read_of(self, content: bytes) -> int:
        """Return how many bytes of ``content`` were read."""
        lines = content.replace(b"\0", b"").splitlines()
        return sum(len(line) for line in lines if self.delivered[json.loads(line)["n"]])

    def _unread(self, log: Log) -> set[int]:
        return set(log.numbers) - self.delivered.keys()

    def _leave(self, log: Log, *, held: bool) -> None:
        """Take a log out of what is there; held open, it is read yet."""
        for logs in (self.rotated, self.compressed):
            if log in logs:
                logs.remove(log)
        if log is self.current:
            self.current = None
        if held and self.sink is not None:
            self.gone.append(log)
        else:
            self.may_be_lost |= self._unread(log)

    def _start(self) -> None:
        self.sink = FileSink(self.pattern, self.positions)

    def _stop(self) -> None:
        assert self.sink is not None
        self.sink.close()
        self.sink = None
        for log in self.gone:
            self.may_be_lost |= self._unread(log)
        self.gone.clear()
        for log in self._plain():
            log.seen = False

    def _plain(self) -> Iterator[Log]:
        yield from self.rotated
        if self.current is not None:
            yield self.current

    def _stamp(self) -> None:
        """Date what was written since the last time, as the clock of the sink goes."""
        for path in self.folder.iterdir():
            status = path.stat()
            if self.stamps.get(status.st_ino) != status.st_mtime_ns:
                os.utime(path, (time.time() + self.skew,) * 2)
                self.stamps[status.st_ino] = path.stat().st_mtime_ns

    def _maybe_read(self) -> None:
        if self.sink is not None and self._chance(0.6):
            self.trace.append("  read within")
            self._read(stop=False)

    def _read(self, *, stop: bool) -> None:
        assert self.sink is not None
        self._stamp()
        try:
            with _as_if(self.skew, self.at_once):
                for batch in self.sink.batches():
                    if stop and self._chance(0.3):
                        break
                    self.positions.update(batch.positions)
                    self.too_long += batch.too_long
                    assert not batch.rejected
                    for line in filter(None, batch.lines.tobytes().split(b"\n")):
                        self.delivered[json.loads(line)["n"]] += 1
        except SinkError as error:
            if "no file matches" not in str(error):
                raise
        for log in self._plain():
            log.seen = True
            log.read = log.read or (not stop and len(self._unread(log)) < len(log.numbers))


_ACTIONS: dict[Callable[[Case], None], int] = {
    Case.write: 10,
    Case.write_a_part_of_a_line: 5,
    Case.read: 10,
    Case.kill: 5,
    Case.pause: 4,
    Case.time_passes: 2,
    Case.rotate_by_renaming: 4,
    Case.rotate_by_copying: 4,
    Case.compress: 4,
    Case.delete: 2,
    Case.move_out_of_the_pattern: 1,
    Case.replace: 1,
    Case.write_over: 1,
    Case.edit: 1,
    Case.remount: 2,
    Case.swap_inodes: 2,
    Case.swap_folders: 1,
}


@contextmanager
def _as_if(skew: float, at_once: int) -> Iterator[None]:
    """Read when ``skew`` seconds have passed, ``at_once`` bytes at a time."""
    clock = SimpleNamespace(time=lambda: time.time() + skew)
    with (
        patch.object(tracked, "time", clock),
        patch.object(recognition, "time", clock),
        patch.object(Plain, "most", at_once),
        patch.object(Decompressed, "most", at_once),
    ):
        yield


def play(cases: int, first: int = 0) -> None:
    """Play cases; raises BrokenPromiseError for the first that fails."""
    for seed in range(first, first + cases):
        with TemporaryDirectory() as folder:
            Case(Path(folder), seed).run()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description="Random lives of log files, and what the sink must have read."
    )
    parser.add_argument("--cases", type=int, default=5000)
    parser.add_argument("--first", type=int, default=0, help="seed of the first case")
    given = parser.parse_args()
    begun = time.monotonic()
    try:
        play(given.cases, given.first)
    except BrokenPromiseError as broken:
        sys.exit(str(broken))
    sys.stdout.write(f"{given.cases} cases, nothing lost or doubled, in {time.monotonic() - begun:.0f} s\n")
