"""A file that several processes append whole lines to, and that rotates by its size."""

from __future__ import annotations

import fcntl
import os
from contextlib import suppress
from pathlib import Path


class RotatingFile:
    """Appends lines to ``path``; past ``max_bytes`` it becomes ``path.1``, that ``path.2``, up to ``backups``.

    Each write is one call with ``O_APPEND``, so lines of several processes never mix. A file that somebody else renames
    or deletes is made anew.
    """

    def __init__(self, path: Path, max_bytes: int, backups: int) -> None:
        self._path = path
        self._max_bytes = max_bytes
        self._backups = backups
        self._descriptor = -1
        # Whether a full disk has cut the last write.
        self._cut = False

    def append(self, content: bytes) -> int:
        """Append whole lines; return how many of their bytes could be written. Raises OSError where none could."""
        self._open()
        if self._max_bytes and os.fstat(self._descriptor).st_size + len(content) > self._max_bytes:
            self._rotate()
        if self._cut:
            # The end of a line is missing: what follows must not be glued to it.
            os.write(self._descriptor, b"\n")
        written = os.write(self._descriptor, content)
        self._cut = not content[:written].endswith(b"\n")
        return written

    def close(self) -> None:
        """Release the file."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def forget(self) -> None:
        """Close the descriptor that a fork has copied."""
        self.close()
        self._cut = False

    def _open(self) -> None:
        if self._descriptor >= 0 and not self._is_at_its_path():
            self.close()
        if self._descriptor < 0:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC
            self._descriptor = os.open(self._path, flags, 0o644)

    def _is_at_its_path(self) -> bool:
        with suppress(OSError):
            return os.path.samestat(self._path.stat(), os.fstat(self._descriptor))
        return False

    def _rotate(self) -> None:
        # One process renames; the others, which waited, find another file at the path.
        lock = os.open(
            self._path.with_name(f".{self._path.name}.lock"), os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC
        )
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if self._is_at_its_path() and os.fstat(self._descriptor).st_size:
                names = [self._path, *(Path(f"{self._path}.{number + 1}") for number in range(self._backups))]
                if self._backups:
                    for older, newer in zip(names[:0:-1], names[-2::-1], strict=True):
                        with suppress(FileNotFoundError):
                            newer.rename(older)
                else:
                    self._path.unlink(missing_ok=True)
            self._open()
        finally:
            os.close(lock)
