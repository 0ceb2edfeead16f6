"""The reading end of an inbox, which writes nothing to it: a sender's answer never waits for a cycle."""

from __future__ import annotations

import fcntl
import os
import sqlite3
from collections.abc import Iterator
from pathlib import Path

from exporter.inbox.inbox import InboxError, explained, lock_path, note_path

INBOXES = "inbox"
"""Name of the folder of all inboxes, in the state directory."""


class InboxReader:
    """An inbox that is there, as its reader has it. ``identity``: tells it from another one in its place later."""

    def __init__(self, path: Path) -> None:
        """Raises InboxError."""
        self._path = path
        try:
            self._db = sqlite3.connect(
                f"file:{_quoted(path)}?mode=rw", uri=True, isolation_level=None, timeout=5.0
            )
        except sqlite3.Error as error:
            raise InboxError(f"{path}: {error}") from None
        try:
            with explained(path):
                self._db.execute("PRAGMA query_only = ON")
                self._db.execute("PRAGMA cache_size = -2048")
                (self.identity,) = self._db.execute("SELECT max(text) FROM identity").fetchone()
        except BaseException:
            self._db.close()
            raise

    def close(self) -> None:
        """Release the file."""
        self._db.close()

    def is_received(self) -> bool:
        """Return whether some process receives events for it."""
        try:
            descriptor = os.open(lock_path(self._path), os.O_RDONLY | os.O_CLOEXEC)
        except OSError:
            return False
        try:
            fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except OSError:
            return True
        finally:
            os.close(descriptor)
        return False

    def last(self) -> int:
        """Return the number of the newest row of events; 0 where there is none."""
        return self._number("SELECT coalesce(max(number), 0) FROM events")

    def rows(self, after: int, until: int) -> Iterator[tuple[int, bytes]]:
        """Yield number and lines of the rows ``after`` one ``until`` another; between two, nothing is held."""
        with explained(self._path):
            while True:
                row = self._db.execute(
                    "SELECT number, lines FROM events WHERE number > ? AND number <= ? ORDER BY number LIMIT 1",
                    (after, until),
                ).fetchone()
                if row is None:
                    return
                after = row[0]
                yield after, row[1]

    def unread(self, after: int) -> int:
        """Return the bytes of the rows behind ``after``."""
        return self._number("SELECT coalesce(sum(size), 0) FROM events WHERE number > ?", after)

    def counts(self) -> dict[str, int]:
        """Return totals since the inbox was made, by name: accepted, repeated, rejected, and reasons of refusals."""
        with explained(self._path):
            return dict(self._db.execute("SELECT name, total FROM counts ORDER BY name").fetchall())

    def note_counted(self, number: int) -> None:
        """Tell the receiver that the rows up to ``number`` are counted, and their count is committed.

        A note that is lost leaves them there a while longer. Raises InboxError.
        """
        path = note_path(self._path)
        temporary = path.with_name(f"{path.name}.new")
        try:
            temporary.write_text(f"{self.identity} {number}")
            temporary.replace(path)
        except OSError as error:
            raise InboxError(f"{path}: cannot be written: {error.strerror}") from None

    def _number(self, query: str, *parameters: int) -> int:
        with explained(self._path):
            return int(self._db.execute(query, parameters).fetchone()[0])


def _quoted(path: Path) -> str:
    return str(path.absolute()).replace("%", "%25").replace("?", "%3f").replace("#", "%23")


def inbox_folder(state_file: Path) -> Path:
    """Return the folder of the inboxes of the model whose state is in ``state_file``."""
    return state_file.parent / INBOXES / state_file.stem


def inbox_path(folder: Path, log: str) -> Path:
    """Return the inbox of ``log`` (predictions, labels) in the ``folder`` of a model."""
    return folder / f"{log}.sqlite"
