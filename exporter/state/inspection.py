"""Look into state files: a copy of one, which its exporter may go on writing to, and what is in it."""

from __future__ import annotations

import json
import math
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from exporter.state.connection import Fault, StoreError, explained
from exporter.state.store import Store
from exporter.state.summaries import unpacked

_ATTEMPTS = 20
ANY_WIDTH = 1 << 32
"""Of a vector whose shape is not known: only the monitor file and its references say it."""


@contextmanager
def copied(path: Path) -> Iterator[Path]:
    """Copy the state file at ``path`` into a temporary folder; gives the path of the copy.

    Its exporter holds the file for itself, and may write to it meanwhile: then it is copied again. Raises StoreError
    where it is in the middle of a write each time, OSError where it cannot be read.
    """
    with TemporaryDirectory(prefix="mlslo-state-") as folder:
        copy = Path(folder) / path.name
        for _ in range(_ATTEMPTS):
            before = _stamp(path)
            for ending in ("", "-wal"):
                Path(f"{copy}{ending}").unlink(missing_ok=True)
                if not ending or Path(f"{path}{ending}").exists():
                    shutil.copyfile(f"{path}{ending}", f"{copy}{ending}")
            if _stamp(path) == before:
                break
        else:
            raise StoreError(f"{path}: written to whenever it is copied; try again")
        yield copy


def _stamp(path: Path) -> tuple[object, ...]:
    """Return what changes with the file. Its log may grow: what is written to it later is as if it had not been."""
    status = path.stat()
    head = b""
    with suppress(FileNotFoundError), Path(f"{path}-wal").open("rb") as log:
        head = log.read(32)
    return status.st_ino, status.st_size, status.st_mtime_ns, head


def schema_of(copy: Path, path: Path) -> int:
    """Return the number of the schema of a copy of ``path``. Raises StoreError."""
    refuse_empty(copy, path)
    try:
        with closing(sqlite3.connect(copy)) as connection:
            return int(connection.execute("PRAGMA user_version").fetchone()[0])
    except sqlite3.Error as error:
        raise explained(error, path) from None


def refuse_empty(copy: Path, path: Path) -> None:
    """Raise StoreError where a copy of ``path`` is empty: SQLite would take it for a new one."""
    if copy.stat().st_size == 0:
        raise StoreError(f"{path}: damaged (empty)", Fault.DAMAGED)


@contextmanager
def upgraded(copy: Path, path: Path) -> Iterator[sqlite3.Connection]:
    """Make a copy one of today's schema, and open it. Raises StoreError, which names ``path``, where that cannot be."""
    try:
        Store(copy).close()
    except StoreError as error:
        raise StoreError(str(error).replace(str(copy), str(path)), error.fault) from None
    with closing(sqlite3.connect(copy)) as connection:
        yield connection


def sizes(connection: sqlite3.Connection) -> dict[str, int]:
    """Return the bytes of each table with its indices, the largest first; nothing where SQLite does not tell."""
    try:
        rows = connection.execute(
            "SELECT m.tbl_name, sum(d.pgsize) FROM dbstat d JOIN sqlite_master m ON m.name = d.name "
            "WHERE d.aggregate = TRUE GROUP BY m.tbl_name ORDER BY 2 DESC, 1"
        ).fetchall()
    except sqlite3.OperationalError:
        return {}
    return {str(name): int(size) for name, size in rows}


def waiting(connection: sqlite3.Connection) -> dict[str, int]:
    """Return how many rows of each kind wait, or are remembered."""
    queries = {
        "predictions for a label": "SELECT count(*) FROM pending WHERE label IS NULL",
        "labels for a prediction": "SELECT count(*) FROM early_labels",
        "requests and responses for their other half": "SELECT count(*) FROM halves",
        "features for the other side, to be compared": "SELECT count(*) FROM skew WHERE codes IS NOT NULL",
        "joined, kept to know a second label": "SELECT count(*) FROM pending WHERE label IS NOT NULL",
        "records sampled for a first reference": "SELECT count(*) FROM samples",
        "records remembered, to count a second delivery once": "SELECT total(size) FROM delivered",
    }
    return {name: int(connection.execute(query).fetchone()[0]) for name, query in queries.items()}


def exported(connection: sqlite3.Connection, *, ids: bool) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield what is in an open copy, each with its type, as JSON takes it. ``ids``: what waits, too, by its hash."""
    for sink, key, position in connection.execute("SELECT sink, key, position FROM positions ORDER BY 1, 2"):
        yield "position", {"sink": sink, "key": key, "position": position}
    names = {}
    for number, name, began, seen in connection.execute(
        "SELECT id, name, began, seen FROM versions ORDER BY 1"
    ):
        names[number] = name
        yield "version", {"version": name, "began": time_of(began), "seen": time_of(seen)}
    for name, value in connection.execute("SELECT name, value FROM marks ORDER BY 1"):
        yield "mark", {"name": name, "value": value}
    for name, labels, total in connection.execute("SELECT name, labels, total FROM counters ORDER BY 1, 2"):
        yield "counter", {"name": name, "labels": json.loads(labels), "total": total}
    for segment, value, rows, held in connection.execute("SELECT * FROM segment_values ORDER BY 1, 2"):
        yield "segment_value", {"segment": segment, "value": value, "rows": rows, "has_series": bool(held)}
    for kind, version, segment, value, start, shape, vector in connection.execute(
        "SELECT * FROM summaries ORDER BY 1, 2, 3, 4, 5"
    ):
        places, numbers = unpacked(vector, ANY_WIDTH)
        finite = [number if math.isfinite(number) else None for number in numbers.tolist()]
        yield (
            "bucket",
            {"kind": kind, "version": names.get(version), "segment": segment, "segment_value": value}
            | {"start": time_of(start), "shape": shape}
            | {"places": places.tolist(), "numbers": finite},
        )
    for version, reference, content in connection.execute(
        "SELECT version, reference, content FROM made_references ORDER BY id"
    ):
        yield "reference", {"version": version, "reference": reference, "content": json.loads(content)}
    yield "waiting", {"of": waiting(connection)}
    if not ids:
        return
    for identity, time, score, predicted in connection.execute(
        "SELECT id, time, score, predicted FROM pending WHERE label IS NULL ORDER BY 1"
    ):
        yield (
            "prediction",
            {"id": _hash(identity), "time": time_of(time), "score": score, "predicted": predicted},
        )
    for identity, label, time in connection.execute("SELECT id, label, time FROM early_labels ORDER BY 1"):
        text = label.decode(errors="replace") if isinstance(label, bytes) else label
        yield "label", {"id": _hash(identity), "time": time_of(time), "label": text}


def time_of(microseconds: int) -> str | None:
    """Return epoch µs as RFC 3339; None of a time that is not known."""
    try:
        return (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=microseconds)).isoformat()
    except OverflowError:
        return None


def _hash(identity: int) -> str:
    return f"{identity % (1 << 64):016x}"
