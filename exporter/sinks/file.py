"""Files that grow while they are read: every match of a glob, from where the last cycle ended."""

from __future__ import annotations

import codecs
import errno
import glob
import json
import os
import resource
import stat
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, replace
from itertools import islice
from pathlib import Path
from typing import BinaryIO

from exporter.sinks.sink import Batch, LogSink, Sample, SinkError
from exporter.sinks.wrappings import record_of, unwrap, unwrapped_sample
from mlslo.monitor import FileSink as FileSettings
from mlslo.monitor import Monitor

_BATCH = 32 << 20
_SAMPLE = 256
# Within a cycle they may be twice as many: those of the last one, and those that have grown since.
_MOST_HELD = 64
_MOST_FAILURES = 3


@dataclass(frozen=True)
class _Position:
    """Position in a file. ``content``: checksum of its first bytes and of those before ``offset``.

    By it a file that was replaced under its name is told from one that has grown.
    """

    path: str
    device: int
    inode: int
    offset: int
    content: int


class FileSink(LogSink):
    """Reads whole lines from every file that ``pattern`` matches.

    A renamed or copied file is the same file; one that shrank, or holds something else where it was read, is a
    new one. The files written to last are held open between cycles, so that what was written to them before
    their rotation or removal is read; the others are opened, read and closed.
    """

    def __init__(self, pattern: Path, positions: Mapping[str, str], name: str = "") -> None:
        """``name``: the pattern, for a person. Raises ValueError where ``positions`` are none of this sink's."""
        self._pattern = pattern
        self._name = name
        known = (_restored(text) for text in positions.values())
        self._positions = {f"{position.device}:{position.inode}": position for position in known}
        # Every file that can still be read, in the order of reading.
        self._paths: dict[str, str] = {}
        self._held: dict[str, int] = {}

    @classmethod
    def open(cls, monitor: Monitor, settings: FileSettings, positions: Mapping[str, str]) -> FileSink:
        return cls(monitor.pattern(settings.path), positions, str(monitor.resolve(settings.path)))

    def close(self) -> None:
        for descriptor in self._held.values():
            os.close(descriptor)
        self._held.clear()
        self._paths.clear()

    def batches(self, *, final: bool = False) -> Iterator[Batch]:
        """Raises SinkError where no file matches, or (after all the others were read) one cannot be read."""
        failures = self._discover()
        for key, path in list(self._paths.items()):
            try:
                with self._opened(key, path) as descriptor:
                    if descriptor is not None:
                        yield from self._read(key, descriptor, final)
            except OSError as error:
                failures.append(_failure(path, error))
        self._release()
        if failures:
            raise SinkError(_listed(failures))

    def lag(self) -> int:
        lag = 0
        for key, path in self._paths.items():
            with suppress(OSError):
                status = os.fstat(self._held[key]) if key in self._held else Path(path).stat()
                if _key(status) == key:
                    lag += max(0, status.st_size - self._positions[key].offset)
        return lag

    def sample(self, number: int) -> Sample:
        """Return lines of the first file that has any; raises SinkError where there are none and one cannot be read."""
        paths = sorted(glob.glob(str(self._pattern)))  # noqa: PTH207 - the pattern is absolute
        content, source, failures = b"", self._name, list[str]()
        for path in paths:
            try:
                with _regular(path) as file:
                    if not content and (content := _first_lines(file, number)):
                        source = path
            except OSError as error:
                failures.append(_failure(path, error))
            except UnicodeDecodeError as error:
                failures.append(
                    f"{path}: no whole line, and no UTF-8 text: it begins with {error.object[:16]!r}"
                )
        if content:
            content, remark = unwrapped_sample(content)
            return Sample(content, source, _listed([*failures, *filter(None, [remark])]))
        if not paths and (failure := _unlistable(self._pattern)):
            failures.append(failure)
        if failures:
            raise SinkError(_listed(failures))
        return Sample(b"", source, "no records yet" if paths else "no file matches; is the path right?")

    def _discover(self) -> list[str]:
        failures = []
        paths = sorted(glob.glob(str(self._pattern)))  # noqa: PTH207 - the pattern is absolute
        found: dict[str, os.stat_result] = {}
        for path in paths:
            try:
                found[path] = Path(path).stat()
            except OSError as error:
                failures.append(_failure(path, error))
        held = set(self._newest({_key(status): status for status in found.values()}))
        # New files first: a copy is recognised by the position of its original, which may be truncated by now.
        known = {position.path for position in self._positions.values()}
        for path in sorted(found, key=known.__contains__):
            try:
                self._adopt(path, found[path], held)
            except OSError as error:
                failures.append(_failure(path, error))
        matched = {_key(status) for status in found.values()}
        for key in self._paths.keys() - matched - self._held.keys():
            del self._paths[key]
        # A glob passes over the folders that it cannot list.
        if not paths and _no_descriptor_left():
            failures.append(_too_many_open())
        elif not paths and not self._held:
            failures.append(_unlistable(self._pattern) or f"no file matches {self._pattern}")
        return failures

    def _adopt(self, path: str, status: os.stat_result, held: set[str]) -> None:
        if not stat.S_ISREG(status.st_mode):
            raise _not_regular()
        key = _key(status)
        if key in held and key not in self._held:
            descriptor = _open(path)
            if _key(os.fstat(descriptor)) != key:
                # Replaced since it was listed; the next cycle sees what became of both.
                os.close(descriptor)
                return
            self._held[key] = descriptor
        with self._opened(key, path) as opened:
            if opened is None:
                return
            position = self._positions.get(key)
            if position is None or not _holds(opened, position):
                # A copy, by an editor's save or a copy-and-truncate rotation, goes on where its original was read.
                copied = [known for known in self._positions.values() if _holds(opened, known)]
                position = max(copied, key=lambda known: known.offset, default=None)
        offset, content = (position.offset, position.content) if position else (0, 0)
        self._positions[key] = _Position(path, status.st_dev, status.st_ino, offset, content)
        self._paths[key] = path

    @contextmanager
    def _opened(self, key: str, path: str) -> Iterator[int | None]:
        """A descriptor of the file; None where ``path`` is another one by now."""
        if key in self._held:
            yield self._held[key]
            return
        try:
            descriptor = _open(path)
        except FileNotFoundError:
            yield None
            return
        try:
            yield descriptor if _key(os.fstat(descriptor)) == key else None
        finally:
            os.close(descriptor)

    def _newest(self, found: Mapping[str, os.stat_result]) -> list[str]:
        """The files worth holding: those that were written to last."""
        regular = {key: status for key, status in found.items() if stat.S_ISREG(status.st_mode)}
        return sorted(regular, key=lambda key: regular[key].st_mtime_ns, reverse=True)[:_MOST_HELD]

    def _release(self) -> None:
        """Close what was removed, and what was not written to for long."""
        held = {key: os.fstat(descriptor) for key, descriptor in self._held.items()}
        kept = set(self._newest({key: status for key, status in held.items() if status.st_nlink}))
        for key in held.keys() - kept:
            os.close(self._held.pop(key))
            if not held[key].st_nlink:
                del self._paths[key]

    def _read(self, key: str, descriptor: int, final: bool) -> Iterator[Batch]:
        size = min(_BATCH, max(0, os.fstat(descriptor).st_size - self._positions[key].offset))
        if not size:
            return
        # One buffer for all batches: memory that is new to the process costs more than reading into it.
        buffer = bytearray(size)
        skipping = False
        while True:
            position = self._positions[key]
            length = os.preadv(descriptor, [buffer], position.offset)
            if not length:
                return
            end = buffer.rfind(b"\n", 0, length) + 1
            too_long = 0
            if end:
                lines = memoryview(buffer)[buffer.find(b"\n") + 1 if skipping else 0 : end]
                skipping = False
            elif length == _BATCH:
                # Longer than any record: its end is looked for, what is before it is dropped.
                lines, too_long, end = memoryview(b""), int(not skipping), length
                skipping = True
            elif final and not skipping and _is_object(bytes(buffer[:length])):
                lines, end = memoryview(buffer[:length] + b"\n"), length
            else:
                return
            unwrapped = unwrap(lines, final=final, full=length == _BATCH)
            end -= len(lines) - unwrapped.consumed
            if not end:
                return
            offset = position.offset + end
            self._positions[key] = replace(position, offset=offset, content=_checksum(descriptor, offset))
            positions = {key: json.dumps(asdict(self._positions[key]))}
            too_long += unwrapped.too_long
            yield Batch(unwrapped.lines, too_long, positions, unwrapped.not_a_record)


def _restored(text: str) -> _Position:
    try:
        position = _Position(**json.loads(text))
    except (TypeError, ValueError) as error:
        raise ValueError(f"a position of another shape: {error}") from None
    numbers = (position.device, position.inode, position.offset, position.content)
    if not isinstance(position.path, str) or not all(type(item) is int and item >= 0 for item in numbers):
        raise ValueError(f"a position with other values: {text}")
    return position


def _key(status: os.stat_result) -> str:
    return f"{status.st_dev}:{status.st_ino}"


def _open(path: str) -> int:
    # Not blocking: between the listing and now, a pipe may have taken the name.
    return os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)


def _not_regular() -> OSError:
    return IsADirectoryError(errno.EISDIR, "not a regular file")


def _regular(path: str) -> BinaryIO:
    """Open a file to be read; raises OSError where it is a folder, a pipe or a device."""
    descriptor = _open(path)
    if stat.S_ISREG(os.fstat(descriptor).st_mode):
        return os.fdopen(descriptor, "rb")
    os.close(descriptor)
    raise _not_regular()


def _first_lines(file: BinaryIO, number: int) -> bytes:
    """Return whole lines from the beginning, up to the size of a batch beside those that are longer.

    Raises UnicodeDecodeError where all that there is is the beginning of one, and no text.
    """
    lines: list[bytes] = []
    size = 0
    for line in islice(file, number):
        if not (line.endswith(b"\n") or _is_object(line)):
            if not lines:
                codecs.getincrementaldecoder("utf-8")().decode(line)
            break
        lines.append(line if line.endswith(b"\n") else line + b"\n")
        size += len(line) if len(line) < _BATCH else 0
        if size > _BATCH:
            break
    return b"".join(lines)


def _listed(failures: list[str]) -> str:
    distinct = list(dict.fromkeys(failures))
    more = len(distinct) - _MOST_FAILURES
    return "; ".join(distinct[:_MOST_FAILURES]) + (f"; and {more} more" if more > 0 else "")


def _failure(path: str, error: OSError) -> str:
    if error.errno == errno.EMFILE:
        return _too_many_open()
    return f"{path}: {error.strerror}"


def _unlistable(pattern: Path) -> str | None:
    """Say why the folder of ``pattern`` cannot be listed, which a glob passes over; None where it can or is none."""
    folder = next(parent for parent in pattern.parents if not glob.has_magic(str(parent)))
    try:
        os.scandir(folder).close()
    except FileNotFoundError:
        return None
    except OSError as error:
        return _failure(str(folder), error)
    return None


def _too_many_open() -> str:
    limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return f"too many open files: this process may have {limit} (ulimit -n); raise that, or watch fewer models in it"


def _no_descriptor_left() -> bool:
    try:
        os.close(os.dup(2))
    except OSError as error:
        return error.errno == errno.EMFILE
    return False


def _checksum(descriptor: int, offset: int) -> int:
    length = min(_SAMPLE, offset)
    return zlib.crc32(
        os.pread(descriptor, length, offset - length), zlib.crc32(os.pread(descriptor, length, 0))
    )


def _holds(descriptor: int, position: _Position) -> bool:
    """Return True where a file holds what was read up to a position."""
    if not position.offset or os.fstat(descriptor).st_size < position.offset:
        return False
    return _checksum(descriptor, position.offset) == position.content


def _is_object(content: bytes) -> bool:
    with suppress(ValueError, RecursionError):
        return isinstance(json.loads(record_of(content) or b""), dict)
    return False
