"""Connection to one state file, and the errors of one that cannot be used."""

from __future__ import annotations

import errno
import os
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import Any, ClassVar


class Fault(StrEnum):
    """Why a state file cannot be used. Of the first four it is set aside, and a new one begun."""

    DAMAGED = "damaged"
    NEWER = "newer_schema"
    OLDER = "older_schema"
    UNWRITABLE = "unwritable"
    FULL = "full"
    """Of a disk, a quota or the open files: it may pass."""
    IN_USE = "in_use"
    OTHER = "other"


SET_ASIDE = (Fault.DAMAGED, Fault.NEWER, Fault.OLDER, Fault.UNWRITABLE)
"""Faults that do not pass by themselves: the label ``reason`` of ml_state_set_aside_total."""


class StoreError(Exception):
    """A state file that cannot be used; its text says why and what to do."""

    def __init__(self, text: str, fault: Fault = Fault.OTHER) -> None:
        super().__init__(text)
        self.fault = fault


class Connection(sqlite3.Connection):
    """``path``: the state file, or None for one in memory."""

    path: Path | None = None

    @contextmanager
    def reading(self, what: str) -> Iterator[None]:
        """Take content of another shape than was written for damage. Raises StoreError."""
        try:
            yield
        except sqlite3.Error as error:
            raise explained(error, self.path) from None
        except (ValueError, TypeError) as error:
            raise self.damaged(f"{what}: {error}") from None

    def value(self, query: str, parameters: Sequence[Any] = ()) -> Any:
        """Return the first column of a query's first row; None where it has no row."""
        row = self.execute(query, parameters).fetchone()
        return None if row is None else row[0]

    def damaged(self, what: str) -> StoreError:
        """Return the error for content that the exporter cannot have written."""
        return StoreError(f"{_named(self.path)}: damaged ({what})", Fault.DAMAGED)


def explained(error: Exception, path: Path | None) -> StoreError:
    """Return ``error`` with the name of the file at ``path`` and what to do."""
    code = getattr(error, "sqlite_errorcode", None)
    if isinstance(error, OSError):
        fault = _OF_SYSTEM.get(error.errno or 0, Fault.OTHER)
        return StoreError(f"{_named(path)}: cannot be opened or made: {error.strerror}", fault)
    fault = Fault.OTHER if code is None else _OF_SQLITE.get(code & 0xFF, Fault.OTHER)
    if fault is Fault.UNWRITABLE and path is not None and _may_write(path):
        # SQLite says the same where there are too many open files.
        fault = Fault.FULL
    what = f"{error}{_ADVICE.get(fault, '')}"
    if fault is Fault.DAMAGED:
        what = f"damaged ({error})"
    elif fault is Fault.IN_USE:
        what = "in use by another process; give each exporter a --state-dir of its own"
    return StoreError(f"{_named(path)}: {what}", fault)


_OF_SYSTEM = {
    **dict.fromkeys((errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO), Fault.FULL),
    **dict.fromkeys((errno.EMFILE, errno.ENFILE, errno.ENOMEM), Fault.FULL),
    **dict.fromkeys((errno.EACCES, errno.EPERM, errno.EROFS), Fault.UNWRITABLE),
}
# The low byte of SQLite's codes. An input/output error is what a file beyond a quota, or a failing disk, looks like.
_OF_SQLITE = {
    sqlite3.SQLITE_CORRUPT: Fault.DAMAGED,
    sqlite3.SQLITE_NOTADB: Fault.DAMAGED,
    sqlite3.SQLITE_FULL: Fault.FULL,
    sqlite3.SQLITE_IOERR: Fault.FULL,
    sqlite3.SQLITE_READONLY: Fault.UNWRITABLE,
    sqlite3.SQLITE_CANTOPEN: Fault.UNWRITABLE,
    sqlite3.SQLITE_PERM: Fault.UNWRITABLE,
    sqlite3.SQLITE_BUSY: Fault.IN_USE,
    sqlite3.SQLITE_LOCKED: Fault.IN_USE,
}
_ADVICE = {Fault.UNWRITABLE: "; the exporter must be able to write here, and in the folder"}


def _may_write(path: Path) -> bool:
    """Return whether permissions let the exporter write the file at ``path``, its log, and into its folder."""
    log = Path(f"{path}-wal")
    needed = [path.parent, path, *([log] if log.exists() else [])]
    return all(os.access(item, os.W_OK, effective_ids=True) for item in needed)


def _named(path: Path | None) -> str:
    return str(path or "state in memory")


class Table:
    """Base class of the parts of a state file. ``SCHEMA``: the statements that make their tables."""

    SCHEMA: ClassVar[tuple[str, ...]]

    def __init__(self, connection: Connection) -> None:
        self._db = connection
