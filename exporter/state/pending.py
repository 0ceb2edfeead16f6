"""Predictions that wait for their label, and labels that wait for their prediction."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from exporter.state.connection import Connection
from exporter.summary.base import Floats

Integers = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Matches:
    """Labels that found their predictions; arrays of shape (matches,).

    ``time``: the prediction's, epoch µs. ``label_time``: epoch µs, or the smallest int64 where unknown.
    ``unmatched`` and ``duplicate`` count the labels that found none, or one that already has a label.
    """

    version: Integers
    time: Integers
    score: Floats
    predicted: npt.NDArray[np.intp]
    label: npt.NDArray[np.intp]
    label_time: Integers
    unmatched: int = 0
    duplicate: int = 0


class Pending:
    """Joined by the 64-bit hash of the id; the first prediction and the first label of an id count."""

    SCHEMA = (
        "CREATE TABLE IF NOT EXISTS pending (id INTEGER PRIMARY KEY, time INTEGER, version INTEGER, "
        "score REAL, predicted INTEGER, labelled INTEGER)",
        "CREATE TABLE IF NOT EXISTS early_labels (id INTEGER PRIMARY KEY, label INTEGER, time INTEGER, read INTEGER)",
        "CREATE TEMP TABLE IF NOT EXISTS arrived (id INTEGER PRIMARY KEY, label INTEGER, time INTEGER)",
    )

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def add(
        self,
        ids: Integers,
        times: Integers,
        versions: Integers,
        scores: Floats,
        predicted: npt.NDArray[np.intp],
    ) -> Matches:
        """Let predictions wait; returns those whose label had come before them."""
        scored = scores.astype(object)
        scored[np.isnan(scores)] = None
        # A table grows several times as fast in the order of its key; the first of equal ids stays the first.
        order = np.argsort(ids, kind="stable")
        ids = ids[order]
        columns = (times[order].tolist(), versions[order].tolist(), scored[order], predicted[order].tolist())
        rows = zip(ids.tolist(), *columns, strict=True)
        self._connection.executemany("INSERT OR IGNORE INTO pending VALUES (?, ?, ?, ?, ?, 0)", rows)
        if self._connection.execute("SELECT 1 FROM early_labels LIMIT 1").fetchone() is None:
            return _matches([])
        self._connection.execute("DELETE FROM arrived")
        self._connection.executemany(
            "INSERT OR IGNORE INTO arrived (id) VALUES (?)", zip(ids.tolist(), strict=True)
        )
        self._connection.execute(
            "UPDATE arrived SET label = e.label, time = e.time FROM early_labels e WHERE e.id = arrived.id"
        )
        self._connection.execute("DELETE FROM arrived WHERE label IS NULL")
        self._connection.execute("DELETE FROM early_labels WHERE id IN (SELECT id FROM arrived)")
        return self._join()

    def label(self, ids: Integers, labels: npt.NDArray[np.intp], times: Integers, now: int) -> Matches:
        """Join labels to predictions; those without one are kept until one comes."""
        order = np.argsort(ids, kind="stable")
        self._connection.execute("DELETE FROM arrived")
        self._connection.executemany(
            "INSERT OR IGNORE INTO arrived VALUES (?, ?, ?)",
            zip(ids[order].tolist(), labels[order].tolist(), times[order].tolist(), strict=True),
        )
        matches = self._join()
        cursor = self._connection.execute(
            "INSERT OR IGNORE INTO early_labels SELECT a.id, a.label, a.time, ? FROM arrived a "
            "WHERE NOT EXISTS (SELECT 1 FROM pending p WHERE p.id = a.id)",
            (now,),
        )
        unmatched = max(cursor.rowcount, 0)
        return replace(matches, unmatched=unmatched, duplicate=len(ids) - len(matches.time) - unmatched)

    def expire(self, before: int) -> None:
        """Drop what has waited since before ``before`` (epoch µs)."""
        self._connection.execute("DELETE FROM pending WHERE time < ?", (before,))
        self._connection.execute("DELETE FROM early_labels WHERE read < ?", (before,))

    def _join(self) -> Matches:
        # CROSS: in this order. SQLite, which knows no sizes, would go through all that waits for each batch.
        found = self._connection.execute(
            "SELECT p.version, p.time, p.score, p.predicted, a.label, a.time FROM arrived a "
            "CROSS JOIN pending p ON p.id = a.id WHERE p.labelled = 0 ORDER BY p.time"
        ).fetchall()
        self._connection.execute(
            "UPDATE pending SET labelled = 1 WHERE labelled = 0 AND id IN (SELECT id FROM arrived)"
        )
        with self._connection.reading("predictions that wait for labels"):
            return _matches(found)


def _matches(rows: list[tuple[int, int, float | None, int, int, int]]) -> Matches:
    columns = list(zip(*rows, strict=True)) if rows else [()] * 6
    version, time, score, predicted, label, label_time = columns
    return Matches(
        version=np.array(version, dtype=np.int64),
        time=np.array(time, dtype=np.int64),
        score=np.array([np.nan if value is None else value for value in score], dtype=np.float64),
        predicted=np.array(predicted, dtype=np.intp),
        label=np.array(label, dtype=np.intp),
        label_time=np.array(label_time, dtype=np.int64),
    )
