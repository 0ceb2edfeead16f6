"""Connection to one state file, and the errors of one that cannot be used."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar


class StoreError(Exception):
    """A state file that cannot be used; its text says why and what to do."""


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
        return explained(sqlite3.DatabaseError(f"malformed {what}"), self.path)


def explained(error: Exception, path: Path | None) -> StoreError:
    """Return ``error`` with the name of the file at ``path`` and what to do."""
    text = str(error)
    if isinstance(error, OSError):
        text = f"cannot be opened or made: {error.strerror}"
    elif "locked" in text:
        text = "in use by another process; give each exporter a --state-dir of its own"
    elif "malformed" in text or "not a database" in text:
        text = f"damaged ({text}); move it away to start over from the logs"
    elif "unable to open" in text or "readonly" in text:
        text = f"{text}; the exporter must be able to write here, and in the folder"
    return StoreError(f"{path or 'state in memory'}: {text}")


class Table:
    """Base class of the parts of a state file. ``SCHEMA``: the statements that make their tables."""

    SCHEMA: ClassVar[tuple[str, ...]]

    def __init__(self, connection: Connection) -> None:
        self._db = connection
