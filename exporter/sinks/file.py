"""Files that grow while they are read: every match of a glob, from where the last cycle ended."""

from __future__ import annotations

import glob
import json
import os
import stat
import zlib
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from exporter.sinks import Batch, SinkError

_BATCH = 8 << 20
_SAMPLE = 256


@dataclass(frozen=True)
class _Position:
    """How far a file is read. ``content``: checksum of its first bytes and of those before ``offset``.

    By it a file that was replaced under its name is told from one that has grown.
    """

    path: str
    device: int
    inode: int
    offset: int
    content: int

    @property
    def key(self) -> str:
        return f"{self.device}:{self.inode}"


class FileSink:
    """Reads whole lines from every file that ``pattern`` matches.

    A renamed or copied file is the same file; one that shrank, or holds something else where it was read, is a
    new one. A file stays open between cycles, so that what was written before its rotation or removal is read.
    """

    def __init__(self, pattern: Path, positions: Mapping[str, str]) -> None:
        self._pattern = pattern
        known = (_Position(**json.loads(text)) for text in positions.values())
        self._positions = {position.key: position for position in known}
        self._open: dict[str, int] = {}

    def close(self) -> None:
        """Release the files."""
        for descriptor in self._open.values():
            os.close(descriptor)
        self._open.clear()

    def batches(self, *, final: bool = False) -> Iterator[Batch]:
        """What has been appended since the last call.

        ``final``: nobody writes any more, so a last line that lacks only its newline is whole as well.
        Raises SinkError where no file matches, or (after all the others were read) one cannot be read.
        """
        failures = self._discover()
        for key, descriptor in list(self._open.items()):
            yield from self._read(key, descriptor, final)
            if os.fstat(descriptor).st_nlink == 0:
                os.close(self._open.pop(key))
        if failures:
            raise SinkError("; ".join(failures))

    def lag(self) -> int:
        """Bytes in the open files that are not read yet."""
        return sum(
            max(0, os.fstat(descriptor).st_size - self._positions[key].offset)
            for key, descriptor in self._open.items()
        )

    def _discover(self) -> list[str]:
        failures = []
        paths = sorted(glob.glob(str(self._pattern)))  # noqa: PTH207 - the pattern is absolute
        # New files first: a copy is recognised by the position of its original, which may be truncated by now.
        known = {position.path for position in self._positions.values()}
        for path in sorted(paths, key=known.__contains__):
            try:
                self._adopt(path)
            except OSError as error:
                failures.append(f"{path}: {error.strerror}")
        if not paths and not self._open:
            failures.append(f"no file matches {self._pattern}")
        return failures

    def _adopt(self, path: str) -> None:
        status = Path(path).stat()
        key = f"{status.st_dev}:{status.st_ino}"
        if key not in self._open:
            if not stat.S_ISREG(status.st_mode):
                raise IsADirectoryError(21, "not a regular file")
            self._open[key] = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        descriptor = self._open[key]
        position = self._positions.get(key)
        if position is None or not _holds(descriptor, position):
            position = self._copied(descriptor)
        offset, content = (position.offset, position.content) if position else (0, 0)
        self._positions[key] = _Position(path, status.st_dev, status.st_ino, offset, content)

    def _copied(self, descriptor: int) -> _Position | None:
        """The position of the file that this one is a copy of: by an editor's save, or a copy-and-truncate rotation."""
        copied = [position for position in self._positions.values() if _holds(descriptor, position)]
        return max(copied, key=lambda position: position.offset, default=None)

    def _read(self, key: str, descriptor: int, final: bool) -> Iterator[Batch]:
        skipping = False
        while True:
            position = self._positions[key]
            content = os.pread(descriptor, _BATCH, position.offset)
            if not content:
                return
            end = content.rfind(b"\n") + 1
            if end:
                lines, too_long = content[:end], 0
                if skipping:
                    lines = content[content.find(b"\n") + 1 : end]
                skipping = False
            elif len(content) == _BATCH:
                # Longer than any record: its end is looked for, what is before it is dropped.
                lines, too_long, end = b"", int(not skipping), len(content)
                skipping = True
            elif final and not skipping and _is_object(content):
                lines, too_long, end = content + b"\n", 0, len(content)
            else:
                return
            self._positions[key] = self._advanced(descriptor, position, end)
            yield Batch(lines, too_long, self._serialised(key))

    def _advanced(self, descriptor: int, position: _Position, by: int) -> _Position:
        offset = position.offset + by
        return replace(position, offset=offset, content=_checksum(descriptor, offset))

    def _serialised(self, key: str) -> dict[str, str]:
        return {key: json.dumps(asdict(self._positions[key]))}


def _checksum(descriptor: int, offset: int) -> int:
    length = min(_SAMPLE, offset)
    return zlib.crc32(
        os.pread(descriptor, length, offset - length), zlib.crc32(os.pread(descriptor, length, 0))
    )


def _holds(descriptor: int, position: _Position) -> bool:
    """Whether a file holds what was read up to a position."""
    if not position.offset or os.fstat(descriptor).st_size < position.offset:
        return False
    return _checksum(descriptor, position.offset) == position.content


def _is_object(content: bytes) -> bool:
    with suppress(ValueError):
        return isinstance(json.loads(content), dict)
    return False
