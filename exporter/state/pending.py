"""Predictions that wait for their label, labels that wait for their prediction, and pairs of both."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from exporter.state.connection import Connection
from exporter.state.matches import Labels, Matches, Objects
from exporter.state.revisions import FORGET, LastLabels, OutcomeScopes
from exporter.state.sampling import MOST, LeftOut, Sample, inside
from exporter.summary.base import Codes, Flags, Floats, Integers

# Ids looked up and written at a time: their pages stay in the cache from the one to the other.
_CHUNK = 2000
_INDEX = "CREATE INDEX IF NOT EXISTS pending_time ON pending (time)"


class Pending:
    """Joined by the 64-bit hash of the id; the first prediction of an id counts, and its first label.

    ``limit``: of the predictions that wait; of those kept to know a second label, and of labels that wait, as
    many again. Past it a sample of the ids is kept (``exporter.state.sampling``), and ``Matches.weight`` says how
    many predictions each match stands for. Of predictions with a label the upper hashes are forgotten instead.

    A label whose id may have been left out is counted as ``sampled_out``, until what was left out is older than
    the age limit. Where a log holds a prediction twice and the first was left out, the second counts as a new one.

    ``revisable``: the last label of an id counts, not the first (``exporter.state.revisions``).
    """

    SCHEMA = (
        # ``label``: NULL where the prediction waits for one. ``label_time``: its own; ``labelled``: that of the first.
        "CREATE TABLE IF NOT EXISTS pending (id INTEGER PRIMARY KEY, time INTEGER, version INTEGER, scope INTEGER, "
        "score REAL, predicted INTEGER, payload BLOB, weight REAL, label, label_time INTEGER, labelled INTEGER)",
        _INDEX,
        # No type of ``label``: labels stay exactly what they are.
        "CREATE TABLE IF NOT EXISTS early_labels (id INTEGER PRIMARY KEY, label, time INTEGER, read INTEGER, "
        "weight REAL, first INTEGER)",
        "CREATE INDEX IF NOT EXISTS early_labels_read ON early_labels (read)",
        "CREATE TEMP TABLE IF NOT EXISTS arrived (id INTEGER PRIMARY KEY)",
        *Sample.SCHEMA,
        *LeftOut.SCHEMA,
        *OutcomeScopes.SCHEMA,
    )

    def __init__(self, connection: Connection, limit: int = 10_000_000) -> None:
        self._db = connection
        self._waiting = Sample(connection, "waiting", "pending", "label IS NULL")
        self._labelled = Sample(connection, "labelled", "pending", "label IS NOT NULL")
        self._early = Sample(connection, "early", "early_labels")
        self._left_out = LeftOut(connection)
        self._scopes = OutcomeScopes(connection)
        self._last = LastLabels(connection, self._waiting, self._labelled, self._early)
        self.limit = limit
        self.revisable = False

    def add(
        self,
        ids: Integers,
        times: Integers,
        versions: Integers,
        scopes: Integers,
        scores: Floats,
        predicted: Codes,
        payloads: Objects | None,
        now: int,
    ) -> Matches:
        """Let predictions wait; returns those whose label had come before them.

        Arrays of shape (rows,). ``times``: epoch µs. ``scores``: NaN where there is none. ``payloads``: bytes or None
        each, or None for all. ``now``: epoch µs. Raises StoreError where what is stored is damaged.
        """
        # A table grows several times as fast in the order of its key; the first of equal ids stays the first.
        order = np.argsort(ids, kind="stable")
        self._waiting.shrink(self.limit)
        exponent = self._waiting.exponent
        kept = order[inside(ids[order], exponent)]
        if len(kept) < len(ids):
            self._left_out.add(exponent, now)
        if not len(kept):
            return Matches.of_rows([])
        columns = (ids, times, versions, scopes, scores, predicted, payloads)
        self._insert([column if column is None else column[kept] for column in columns])
        parts = list(self._join_early(ids[kept]))
        self._bound(now)
        return Matches.joined(parts)

    def label(self, ids: Integers, labels: npt.NDArray[Any], times: Integers, now: int) -> Matches:
        """Join labels to predictions; those without one are kept until one comes.

        Arrays of shape (rows,). ``labels``: whole numbers, floats, or an object array of bytes. ``times``: epoch
        µs, or the smallest int64. ``now``: epoch µs. Raises ValueError where a label is NaN or None,
        StoreError where what is stored is damaged.
        """
        values: Labels = labels.tolist()
        if any(value is None or value != value for value in values):
            raise ValueError("a label is NaN or None")
        self._early.shrink(self.limit, self._waiting.exponent)
        left_out = max(self._left_out.exponent, self._waiting.exponent)
        if self.revisable:
            with self._db.reading("predictions that wait for labels"):
                joined, corrected, counts = self._last.label(ids, values, times, left_out, now)
                matches = replace(
                    Matches.of_joined(joined),
                    corrections=Matches.of_joined(corrected) if corrected.rows else None,
                    unmatched=counts["unmatched"],
                    duplicate=counts["duplicate"],
                    sampled_out=counts["sampled_out"],
                    revised=counts["revised"],
                    too_late=counts["too_late"],
                )
            self._bound(now)
            return matches
        distinct, heads, copies = np.unique(ids, return_index=True, return_counts=True)
        # Of each id: a label is known already, or is the first and leaves a trace (joined, or waiting from now on).
        known, traced, fresh = np.zeros((3, len(distinct)), dtype=bool)
        parts = []
        for start in range(0, len(distinct), _CHUNK):
            chunk = slice(start, start + _CHUNK)
            mine, rows = distinct[chunk], heads[chunk]
            found, labelled, part = self._join(mine, [values[row] for row in rows.tolist()], times[rows])
            parts.append(part)
            rows = rows[~found]
            waits, early = self._keep_early(
                mine[~found], [values[row] for row in rows.tolist()], times[rows], now
            )
            known[chunk] = labelled
            known[start + np.flatnonzero(~found)] = early
            traced[chunk] = found
            traced[start + np.flatnonzero(~found)] = waits | early
            fresh[start + np.flatnonzero(~found)] = ~early
        # Of a label that leaves no trace each copy is one more of its kind; of others all but the first are duplicates.
        counted = np.where(fresh, np.where(traced, 1, copies), 0)
        sampled_out = int(counted[~inside(distinct, left_out)].sum())
        self._bound(now)
        return replace(
            Matches.joined(parts),
            unmatched=int(counted.sum()) - sampled_out,
            duplicate=int((copies - ~known)[traced].sum()),
            sampled_out=sampled_out,
        )

    def fold_over(self, scopes: set[tuple[str, str]]) -> None:
        """Take ``scopes``, (kind, name) each, as those that outcomes are folded over from now on."""
        if self._scopes.change(scopes):
            self.forget_outcomes()

    def forget_outcomes(self, version: int | None = None) -> None:
        """Let no outcome so far, of a version or of all, be corrected any more: it is not in the summaries."""
        total = "(SELECT total(weight) FROM pending WHERE label IS NOT NULL)"
        self._db.execute(
            f"{FORGET} WHERE label IS NOT NULL AND version IS NOT NULL AND (?1 IS NULL OR version = ?1)",
            (version,),
        )
        self._db.execute(f"UPDATE id_samples SET population = {total} WHERE name = 'labelled'")

    def expire(self, before: int) -> None:
        """Drop what has waited since before ``before`` (epoch µs)."""
        self._waiting.delete("time < ?", before)
        self._labelled.delete("time < ?", before)
        self._early.delete("read < ?", before)
        self._left_out.expire(before)

    def waiting(self) -> int:
        """Return how many predictions wait."""
        return self._waiting.number

    def sampling_ratio(self) -> float:
        """Return the share of new predictions that is kept to be joined, 1 where none is left out."""
        return 0.5**self._waiting.exponent

    def rows(self) -> tuple[list[tuple[Any, ...]], list[tuple[Any, ...]], dict[int, int]]:
        """Return what waits, as rows of both tables, and of each exponent of what was left out until when that was."""
        return (
            self._db.execute("SELECT * FROM pending ORDER BY id").fetchall(),
            self._db.execute("SELECT * FROM early_labels ORDER BY id").fetchall(),
            dict(self._db.execute("SELECT exponent, newest FROM left_out").fetchall()),
        )

    def restore(
        self, predictions: list[tuple[Any, ...]], early: list[tuple[Any, ...]], left_out: Mapping[int, int]
    ) -> None:
        """Take rows that another store gave, into an empty store."""
        marks = ", ".join("?" * 11)
        self._db.executemany(f"INSERT INTO pending VALUES ({marks})", predictions)
        self._db.executemany("INSERT INTO early_labels VALUES (?, ?, ?, ?, ?, ?)", early)
        waiting = [row[7] for row in predictions if row[8] is None]
        labelled = [row[7] for row in predictions if row[8] is not None]
        self._waiting.count(len(waiting), sum(waiting))
        self._labelled.count(len(labelled), sum(labelled))
        self._early.count(len(early), sum(row[4] for row in early))
        for exponent, newest in left_out.items():
            self._left_out.add(exponent, newest)

    def _insert(self, columns: list[npt.NDArray[Any] | None]) -> None:
        given = [column for column in columns if column is not None]
        payload = "?" if len(given) == len(columns) else "NULL"
        weight, before = 2.0**self._waiting.exponent, self._db.total_changes
        for start in range(0, len(given[0]), 5 * _CHUNK):
            some = slice(start, start + 5 * _CHUNK)
            self._db.executemany(
                # SQLite takes NaN for NULL.
                f"INSERT OR IGNORE INTO pending VALUES (?, ?, ?, ?, ?, ?, {payload}, {weight}, NULL, NULL, NULL)",
                zip(*(column[some].tolist() for column in given), strict=True),
            )
        number = self._db.total_changes - before
        self._waiting.count(number, number * weight)

    def _look_up(self, ids: Integers) -> None:
        self._db.execute("DELETE FROM arrived")
        self._db.executemany("INSERT OR IGNORE INTO arrived VALUES (?)", zip(ids.tolist(), strict=True))

    def _join_early(self, ids: Integers) -> Iterator[Matches]:
        if self._early.number == 0:
            return
        for start in range(0, len(ids), _CHUNK):
            self._look_up(ids[start : start + _CHUNK])
            rows = self._db.execute(
                "SELECT e.id, e.label, e.time, e.weight, coalesce(e.first, e.time) FROM arrived a "
                "CROSS JOIN early_labels e ON e.id = a.id"
            ).fetchall()
            if not rows:
                continue
            self._early.delete("id IN (SELECT id FROM arrived)")
            with self._db.reading("labels that came before their prediction"):
                if self.revisable:
                    joined = Matches.of_joined(self._last.join_early(rows))
                else:
                    found, labels, times, weights, _ = zip(*rows, strict=True)
                    _, _, joined = self._join(
                        np.array(found), labels, np.array(times, dtype=np.int64), np.array(weights)
                    )
            yield joined

    def _join(
        self, ids: Integers, labels: Labels, times: Integers, least: Floats | None = None
    ) -> tuple[Flags, Flags, Matches]:
        """Return which of ``ids`` (distinct, in order) are there, which had a label, and what is joined."""
        self._look_up(ids)
        # CROSS: in this order. SQLite, which knows no sizes, would go through all that waits for each batch.
        rows = self._db.execute(
            "SELECT p.id, p.time, p.version, p.scope, p.score, p.predicted, p.payload, p.weight, p.label "
            "FROM arrived a CROSS JOIN pending p ON p.id = a.id"
        ).fetchall()
        with self._db.reading("predictions that wait for labels"):
            found, labelled = (
                _among(ids, some) for some in (rows, [row for row in rows if row[-1] is not None])
            )
            rows = [row for row in rows if row[-1] is None]
            positions = np.searchsorted(ids, _ids(rows))
            weights = np.array([row[7] for row in rows], dtype=np.float64)
            weight = weights if least is None else np.maximum(weights, least[positions])
            joined = [labels[position] for position in positions.tolist()]
            matches = Matches.of_rows(rows, joined, times[positions], weight)
        # What was predicted is not needed again; without it the row is half as large.
        self._db.executemany(f"{FORGET} WHERE id = ?", [(row[0],) for row in rows])
        self._waiting.count(-len(rows), -float(weights.sum()))
        self._labelled.count(len(rows), 0)
        return found, labelled, matches

    def _keep_early(self, ids: Integers, labels: Labels, times: Integers, now: int) -> tuple[Flags, Flags]:
        """Return which of ``ids`` (distinct, in order) wait from now on, and which have waited before."""
        known = np.zeros(len(ids), dtype=bool)
        if self._early.number and len(ids):
            self._look_up(ids)
            known = _among(
                ids,
                self._db.execute(
                    "SELECT e.id FROM arrived a CROSS JOIN early_labels e ON e.id = a.id"
                ).fetchall(),
            )
        weight = 2.0**self._early.exponent
        waits = inside(ids, self._early.exponent) & ~known
        self._db.executemany(
            "INSERT INTO early_labels VALUES (?, ?, ?, ?, ?, ?)",
            [
                (int(ids[row]), labels[row], int(times[row]), now, weight, int(times[row]))
                for row in np.flatnonzero(waits).tolist()
            ],
        )
        number = int(np.count_nonzero(waits))
        self._early.count(number, number * weight)
        return waits, known

    def _bound(self, now: int) -> None:
        """Choose samples where there is more than the limit."""
        if self._waiting.number > self.limit:
            # Deleting half of the rows, and what the index has of each, costs eight times as much.
            self._db.execute("DROP INDEX pending_time")
            self._waiting.thin(self.limit)
            self._db.execute(_INDEX)
            self._left_out.add(self._waiting.exponent, now)
        # A label that waits for what will be left out waits in vain.
        self._early.thin(self.limit, self._waiting.exponent)
        if self._labelled.number > self.limit:
            exponent = 0
            while self._labelled.number > self.limit / 2 and exponent < MOST:
                exponent += 1
                self._labelled.delete_outside(exponent)
            self._left_out.add(exponent, now)


def _ids(rows: list[tuple[Any, ...]]) -> Integers:
    return np.array([row[0] for row in rows], dtype=np.int64)


def _among(ids: Integers, rows: list[tuple[Any, ...]]) -> Flags:
    """Return which of ``ids`` (distinct, in order) have one of ``rows``."""
    found = np.zeros(len(ids), dtype=bool)
    found[np.searchsorted(ids, _ids(rows))] = True
    return found
