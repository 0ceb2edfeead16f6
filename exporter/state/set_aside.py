"""State files that cannot be gone on with: renamed, never deleted, and counted by what is there."""

from __future__ import annotations

import hashlib
import re
import sqlite3
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote

from exporter.state.connection import SET_ASIDE, Fault, StoreError
from exporter.state.samples import Sampled

_LOGS = ("-wal", "-shm")
_STAMP = "%Y-%m-%dT%H-%M-%SZ"
# What follows a file's own name, and the longest that any file system takes.
_LONGEST = 255 - len(".set-aside-2026-01-01T00-00-00Z-newer_schema-99-wal")
_MOST_A_DAY = 10


class SetAside(NamedTuple):
    """A state file that was set aside."""

    path: Path
    at: datetime
    reason: Fault


def set_aside(path: Path, error: StoreError) -> Path:
    """Rename the state file at ``path``, which ``error`` is about, and its write-ahead log; return its new path.

    Raises StoreError where it cannot be renamed, and where ten are set aside within a day: a disk that damages every
    file would be filled with them.
    """
    now = datetime.now(UTC)
    before = list(found_aside(path))
    if sum(now - item.at < timedelta(days=1) for item in before) >= _MOST_A_DAY:
        raise StoreError(
            f"{error}; not set aside: {_MOST_A_DAY} files of it are since yesterday", error.fault
        )
    names = {item.path.name for item in before}
    name = f"{_stem(path)}.set-aside-{now.strftime(_STAMP)}-{error.fault}"
    target = next(
        path.with_name(name + more)
        for more in ("", *(f"-{number}" for number in range(2, 99)))
        if name + more not in names
    )
    try:
        # The file first: a log without its file is set aside by the next opening.
        for ending in ("", *_LOGS):
            with suppress(FileNotFoundError):
                Path(f"{path}{ending}").rename(f"{target}{ending}")
    except OSError as refused:
        raise StoreError(f"{error}; cannot be set aside: {refused.strerror}", error.fault) from None
    return target


def found_aside(path: Path) -> Iterator[SetAside]:
    """Yield what was set aside of the state file at ``path`` and is still there, the oldest first."""
    pattern = re.compile(
        rf"{re.escape(_stem(path))}\.set-aside-([\d-]{{10}})T([\d-]{{8}})Z-({'|'.join(SET_ASIDE)})(-\d+)?({'|'.join(_LOGS)})?"
    )
    found = {}
    with suppress(OSError):
        for item in path.parent.iterdir():
            if match := pattern.fullmatch(item.name):
                with suppress(ValueError):
                    at = datetime.fromisoformat(f"{match[1]}T{match[2].replace('-', ':')}+00:00")
                    # A log may be there without its file.
                    whole = item.with_name(item.name.removesuffix(match[5] or ""))
                    found[whole] = SetAside(whole, at, Fault(match[3]))
    yield from sorted(found.values(), key=lambda item: (item.at, item.path))


def number_aside(path: Path) -> Counter[str]:
    """Count what was set aside of the state file at ``path``, by reason; 0 for each that there is none of."""
    number = Counter({str(reason): 0 for reason in SET_ASIDE})
    number.update(str(item.reason) for item in found_aside(path))
    return number


def references_in(path: Path) -> Iterator[tuple[Sampled, str]]:
    """Yield the references built from first times, which cannot be learnt again, as far as a state file can be read.

    Their content is text that nobody has looked at.
    """
    if not path.exists() or path.stat().st_size == 0:
        # SQLite would delete the log beside it.
        return
    how = "mode=ro" if Path(f"{path}-wal").exists() else "immutable=1"
    with (
        suppress(sqlite3.Error, ValueError, TypeError),
        closing(sqlite3.connect(f"file:{quote(str(path))}?{how}", uri=True)) as connection,
    ):
        for version, reference, content in connection.execute(
            "SELECT version, reference, content FROM made_references ORDER BY id"
        ):
            yield Sampled(str(version), str(reference)), str(content)


def _stem(path: Path) -> str:
    """Return the name that what is set aside begins with."""
    if len(path.name) <= _LONGEST:
        return path.name
    digest = hashlib.sha256(path.name.encode()).hexdigest()[:16]
    return f"{path.name[: _LONGEST - len(digest) - 1]}-{digest}"
