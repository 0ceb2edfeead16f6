"""Files that grow while they are read: every match of a glob, from where the last cycle ended."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import ClassVar, NamedTuple, Self

from exporter.sinks.descriptors import (
    UnreadableError,
    failure,
    key_of,
    listed,
    no_descriptor_left,
    not_regular,
    open_file,
    open_regular,
    too_many_open,
)
from exporter.sinks.files.first_records import first_records
from exporter.sinks.files.listing import matches, unlistable
from exporter.sinks.files.recognition import Original, Verdict, recognise
from exporter.sinks.files.tracked import TrackedFile, state_of
from exporter.sinks.positions import Position, Positions
from exporter.sinks.records import NOTHING, Cut, batch_of
from exporter.sinks.sink import Batch, LogSink, Sample, SinkError
from mlslo.monitor import FileSink as FileSettings
from mlslo.monitor import Monitor

# Within a cycle they may be twice as many: those of the last one, and those that have grown since.
_MOST_HELD = 64
_MOST_UNFINISHED = 4
_ENDLESS = 1 << 62


class _Waiting(NamedTuple):
    """A file that is not read for now. ``of``: what was read of its original."""

    state: tuple[int, ...]
    of: Position | None


class FileSink(LogSink):
    """Reads whole records from every file that ``pattern`` matches.

    A renamed or copied file is the same file, compressed or not; one that shrank, or holds something else where it was
    read, is a new one. The files written to last are held open between cycles, so that what was written to them before
    their rotation or removal is read; the others are opened, read and closed.
    """

    LONGEST_PAUSE = 0.0

    FILE: ClassVar[type[TrackedFile]] = TrackedFile
    """Reader of one file."""

    def __init__(
        self, pattern: Path, positions: Mapping[str, str], name: str = "", format_: str | None = None
    ) -> None:
        """``name``: the pattern, for a person. ``format_``: of all files; by their endings, where None.

        Raises ValueError where ``positions`` are none of this sink's.
        """
        self._pattern = pattern
        self._name = name
        self._format = format_
        self._positions = Positions(map(Position.restored, positions.values()))
        # Every file that can still be read, in the order of reading.
        self._files: dict[str, TrackedFile] = {}
        self._held: dict[str, int] = {}
        # Path and key of what this cycle has found.
        self._present: dict[str, str] = {}
        self._waiting: dict[str, _Waiting] = {}
        # Positions to be committed of originals that are gone, or written over: their copies have them.
        self._emptied: dict[str, str] = {}
        self._succeeded: set[str] = set()
        self._damaged: dict[str, tuple[tuple[int, ...], str]] = {}

    @classmethod
    def open(cls, monitor: Monitor, settings: FileSettings, positions: Mapping[str, str]) -> Self:
        pattern, name = monitor.pattern(settings.path), str(monitor.resolve(settings.path))
        return cls(pattern, positions, name, settings.format)

    def close(self) -> None:
        for descriptor in self._held.values():
            os.close(descriptor)
        self._held.clear()
        self._files.clear()

    def batches(self, *, final: bool = False) -> Iterator[Batch]:
        """Raises SinkError where no file matches, or (after all the others were read) one cannot be read."""
        failures, copied, compressed = self._discover(final)
        if copied or self._emptied:
            # Before the position in the original is replaced by one in what has its place now.
            yield self._commit_only(copied)
        for key in list(self._files):
            if key not in compressed:
                yield from self._read(key, failures, final)
        for key, path in compressed.items():
            # By now it may be seen to be a copy of a file that was read above.
            with self._noting(key, path, failures):
                verdict = self._adopt(key, path, final, last=True)
                if verdict is Verdict.COPY:
                    yield self._commit_only([key])
                if verdict is not Verdict.WAITS:
                    yield from self._read(key, failures, final)
        self._positions.forget_former()
        self._release()
        if failures:
            raise SinkError(listed(failures))

    def lag(self) -> int:
        lag = 0
        for key, file in self._files.items():
            with suppress(OSError):
                status = os.fstat(self._held[key]) if key in self._held else Path(file.path).stat()
                if key_of(status, file.path) == key:
                    lag += file.unread(status, self._positions[key])
        for key, waiting in self._waiting.items():
            with suppress(OSError):
                lag += Path(self._present[key]).stat().st_size if waiting.of is None else 0
        return lag

    def sample(self, number: int) -> Sample:
        """Return lines of the first file that has any; raises SinkError where there are none and one cannot be read."""
        paths, failures = matches(self._pattern)
        content, source = b"", self._name
        for path in paths:
            try:
                descriptor = open_regular(path)
                try:
                    if not content:
                        content, remark = first_records(TrackedFile(path, self._format), descriptor, number)
                        source = path if content else source
                        failures += [f"{path}: {remark}"] if remark else []
                finally:
                    os.close(descriptor)
            except OSError as error:
                failures.append(failure(path, error))
        if content:
            return Sample(content, source, listed(failures))
        if not paths and (unlisted := unlistable(self._pattern)):
            failures.append(unlisted)
        if failures:
            raise SinkError(listed(failures))
        return Sample(b"", source, "no records yet" if paths else "no file matches; is the path right?")

    def _discover(self, final: bool) -> tuple[list[str], list[str], dict[str, str]]:
        """Return failures, the keys of copies, and key and path of compressed files that are new."""
        paths, failures = matches(self._pattern)
        found: dict[str, os.stat_result] = {}
        for path in paths:
            try:
                found[path] = os.stat(path)  # noqa: PTH116 - there may be ten thousand
            except OSError as error:
                failures.append(failure(path, error))
        self._present = {key_of(status, path): path for path, status in found.items()}
        held = set(self._newest({key_of(status, path): status for path, status in found.items()}))
        known = self._positions.paths()
        copied: list[str] = []
        compressed: dict[str, str] = {}
        # New files first: a copy is recognised by the position of its original, which may be truncated by now.
        for path in sorted(found, key=known.__contains__):
            key = key_of(found[path], path)
            with self._noting(key, path, failures):
                if not stat.S_ISREG(found[path].st_mode):
                    raise not_regular()
                if self._is_as_it_was(key, path, found[path], failures):
                    continue
                if key in held and not self._hold(key, path):
                    continue
                match self._adopt(key, path, final, last=False):
                    case Verdict.COPY:
                        copied.append(key)
                    case Verdict.NEW:
                        compressed[key] = path
        for key in self._held.keys() & self._files.keys() - self._present.keys():
            # It may have been written over before it left.
            with self._noting(key, self._files[key].path, failures):
                if self._adopt(key, self._files[key].path, final, last=True) is Verdict.COPY:
                    copied.append(key)
        if self._positions.have_displaced:
            # An original may have been truncated since its copy was looked at, when it still waited.
            for key in self._waiting.keys() & self._present.keys():
                with self._noting(key, self._present[key], failures):
                    if self._adopt(key, self._present[key], final, last=False) is Verdict.COPY:
                        copied.append(key)
        for key in self._files.keys() - self._present.keys() - self._held.keys():
            del self._files[key]
        for key in self._waiting.keys() - self._present.keys():
            del self._waiting[key]
        # A glob passes over the folders that it cannot list.
        if not paths and no_descriptor_left():
            failures.append(too_many_open())
        elif not paths and not failures:
            # What is held is read all the same: the failure is raised at the end.
            failures.append(unlistable(self._pattern) or f"no file matches {self._pattern}")
        return failures, copied, compressed

    def _is_as_it_was(self, key: str, path: str, status: os.stat_result, failures: list[str]) -> bool:
        """Return True where it need not be looked into: nothing has changed since nothing was left of it."""
        if key in self._damaged and self._damaged[key][0] == state_of(status):
            failures.append(f"{path}: {self._damaged[key][1]}")
            return True
        file = self._files.get(key)
        if file is not None and file.path == path and file.is_as_it_was(status):
            return True
        waiting = self._waiting.get(key)
        return (
            waiting is not None
            and waiting.of is not None
            and waiting.state == state_of(status)
            and self._original(waiting.of) is not None
        )

    def _hold(self, key: str, path: str) -> bool:
        """Hold a file open; False where another one has its path since it was listed, which the next cycle sees."""
        if key not in self._held:
            descriptor = open_file(path)
            if key_of(os.fstat(descriptor), path) != key:
                os.close(descriptor)
                return False
            self._held[key] = descriptor
        return True

    def _adopt(self, key: str, path: str, final: bool, *, last: bool) -> Verdict | None:
        """Find out where a file goes on, and let it be read.

        Returns None, or that it is a copy; that it waits, or is compressed and new, where it is not to be read (yet).
        ``last``: a compressed one is not asked again.
        """
        with self._opened(key, path) as descriptor:
            if descriptor is None:
                return Verdict.WAITS
            file = self._files.get(key)
            if file is None or file.path != path:
                file = self.FILE(path, self._format)
            position = self._positions.get(key)
            verdict = None
            own = position is not None and position.offset > 0 and file.holds(descriptor, position)
            if not own:
                verdict, position = recognise(file, descriptor, self._positions, self._original, final=final)
                if verdict is Verdict.WAITS:
                    self._waiting[key] = _Waiting(state_of(os.fstat(descriptor)), position)
                    self._files.pop(key, None)
                    return verdict
                if verdict is Verdict.NEW and file.compression and not last:
                    self._files.pop(key, None)
                    return verdict
            self._waiting.pop(key, None)
            if verdict is Verdict.NEW and (old := self._positions.get(key)) is not None and old.offset:
                self._emptied[key] = old.emptied().text
            if position is None:
                position = Position("", 0, 0, 0, 0)
            elif verdict is Verdict.COPY and position.key not in self._present:
                self._empty(position)
            put = self._positions.put if own else self._positions.displace
            put(position.of_file(path, key))
            self._files[key] = file
            return verdict if verdict is Verdict.COPY else None

    def _commit_only(self, keys: list[str]) -> Batch:
        """Return a batch without a record, for the positions in copies and in their originals."""
        positions = self._emptied | {key: self._positions[key].text for key in keys}
        self._emptied = {}
        return batch_of(Cut(NOTHING, 0), positions)

    def _empty(self, position: Position) -> None:
        """Forget the position in a file that is gone: another one may get its inode, even with the same beginning."""
        self._emptied[position.key] = position.emptied().text
        if position.key in self._held:
            self._succeeded.add(position.key)
        else:
            self._positions.put(position.emptied())

    def _original(self, position: Position) -> Original | None:
        """Tell whether the file of ``position`` is there and holds what was read of it."""
        path = self._present.get(position.key, "")
        if not path and position.key not in self._held:
            return None
        with suppress(OSError), self._opened(position.key, path) as descriptor:
            if descriptor is None:
                return None
            status = os.fstat(descriptor)
            file = self._files.get(position.key)
            if file is None or (path and file.path != path):
                file = self.FILE(path, self._format)
            if file.holds(descriptor, position):
                # How long a compressed one will be is not known.
                size = status.st_size if file.is_plain else _ENDLESS
                return Original(size, status.st_nlink > 0)
        return None

    @contextmanager
    def _noting(self, key: str, path: str, failures: list[str]) -> Iterator[None]:
        """Note a failure, and go on."""
        try:
            yield
        except OSError as error:
            failures.append(failure(path, error))
            if isinstance(error, UnreadableError):
                # It need not be read again before it changes.
                self._files.pop(key, None)
                with suppress(OSError):
                    self._damaged[key] = state_of(os.stat(path)), str(error.strerror)  # noqa: PTH116

    @contextmanager
    def _opened(self, key: str, path: str) -> Iterator[int | None]:
        """A descriptor of the file; None where ``path`` is another one by now."""
        if key in self._held:
            yield self._held[key]
            return
        try:
            descriptor = open_file(path)
        except FileNotFoundError:
            yield None
            return
        try:
            yield descriptor if key_of(os.fstat(descriptor), path) == key else None
        finally:
            os.close(descriptor)

    def _newest(self, found: Mapping[str, os.stat_result]) -> list[str]:
        """The files worth holding: those that were written to last. Without an inode, another one may have the key."""
        regular = {
            key: status for key, status in found.items() if stat.S_ISREG(status.st_mode) and status.st_ino
        }
        return sorted(regular, key=lambda key: regular[key].st_mtime_ns, reverse=True)[:_MOST_HELD]

    def _release(self) -> None:
        """Close what was removed, and what was not written to for long."""
        held = {key: os.fstat(descriptor) for key, descriptor in self._held.items()}
        kept = self._newest({key: status for key, status in held.items() if status.st_nlink})
        for key in held.keys() - set(kept):
            os.close(self._held.pop(key))
            if not held[key].st_nlink:
                self._files.pop(key, None)
            if key in self._succeeded:
                self._succeeded.remove(key)
                self._empty(self._positions[key])
        unfinished = [key for key in kept if key in self._files and self._files[key].is_unfinished]
        for key in self._files.keys() - set(kept) | set(unfinished[_MOST_UNFINISHED:]):
            self._files[key].forget()

    def _read(self, key: str, failures: list[str], final: bool) -> Iterator[Batch]:
        file = self._files[key]
        with self._noting(key, file.path, failures), self._opened(key, file.path) as descriptor:
            if descriptor is None:
                return
            for cut, position in file.read(descriptor, self._positions[key], final=final):
                self._positions.put(position)
                # What was there before is written over by this.
                self._emptied.pop(key, None)
                yield batch_of(cut, {key: position.text})
