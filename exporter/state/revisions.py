"""Labels that correct earlier ones: of each id the last counts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, NamedTuple

import numpy as np

from exporter.state.connection import Connection, Table
from exporter.state.sampling import Sample, inside
from exporter.summary.base import Integers

UNKNOWN_TIME = int(np.iinfo(np.int64).min)

Label = int | float | bytes


class Given(NamedTuple):
    """A label as it was logged. ``time``: epoch µs, or the smallest int64."""

    value: Label
    time: int


class Standing(NamedTuple):
    """The label of an id that counts. ``first``: when the first of its labels was known, for the label's delay."""

    value: Label
    time: int
    first: int


def later(known: Standing, given: Given) -> bool:
    """Return True where ``given``, which came after ``known``, is not older than that; unknown times never are."""
    return UNKNOWN_TIME in (known.time, given.time) or given.time >= known.time


def revise(known: Standing | None, labels: Sequence[Given], counts: Counter[str]) -> Standing:
    """Return what counts after ``labels``, in their order. At least one of ``known`` and ``labels`` is given.

    ``counts``: labels that are ``revised``, those that say something else than what counted; and ``duplicate`` ones,
    those that say the same, and those that are older than what counts.
    """
    if known is None:
        first, *labels = labels
        known = Standing(*first, first.time)
    for label in labels:
        if not later(known, label):
            counts["duplicate"] += 1
            continue
        counts["duplicate" if label.value == known.value else "revised"] += 1
        time = known.time if label.time == UNKNOWN_TIME else label.time
        known = Standing(label.value, time, known.first)
    return known


@dataclass
class Joined:
    """Predictions whose label has changed, as rows of the table ``pending``, with what counts of each.

    ``replaced``: the label that counted before; of a first label there is none.
    """

    rows: list[tuple[Any, ...]] = field(default_factory=list)
    standing: list[Standing] = field(default_factory=list)
    weights: list[float] = field(default_factory=list)
    replaced: list[Label] = field(default_factory=list)

    def add(self, row: tuple[Any, ...], standing: Standing, weight: float) -> None:
        self.rows.append(row)
        self.standing.append(standing)
        self.weights.append(weight)

    def extend(self, others: Joined) -> None:
        self.rows += others.rows
        self.standing += others.standing
        self.weights += others.weights

    def by_time(self) -> Joined:
        """Return the same in the order of the predictions' times."""
        order = sorted(range(len(self.rows)), key=lambda row: int(self.rows[row][1]))
        return Joined(
            [self.rows[row] for row in order],
            [self.standing[row] for row in order],
            [self.weights[row] for row in order],
            [self.replaced[row] for row in order] if self.replaced else [],
        )


def by_id(ids: Integers, values: Sequence[Label], times: Integers) -> Iterator[tuple[int, list[Given]]]:
    """Yield each id, ascending, with its labels in the order in which they came."""
    order = np.argsort(ids, kind="stable")
    distinct, starts = np.unique(ids[order], return_index=True)
    rows, stamps = order.tolist(), times.tolist()
    ends = np.append(starts, len(rows))[1:]
    for identity, start, end in zip(distinct.tolist(), starts.tolist(), ends.tolist(), strict=True):
        yield identity, [Given(values[row], stamps[row]) for row in rows[start:end]]


FORGET = (
    "UPDATE pending SET version = NULL, scope = NULL, score = NULL, predicted = NULL, payload = NULL, weight = 0, "
    "label = 1"
)
"""Statement that keeps of a prediction with a label only that it has one."""

_CHUNK = 2000


class LastLabels(Table):
    """Joins labels to predictions where of each id the last label counts.

    By their times where both labels have one, else by the order in which they come. Of a prediction with a label all
    is kept: what counted is taken out of the summaries again, and what counts now goes in.
    """

    SCHEMA = ()

    def __init__(self, connection: Connection, waiting: Sample, labelled: Sample, early: Sample) -> None:
        super().__init__(connection)
        self._waiting = waiting
        self._labelled = labelled
        self._early = early

    def label(
        self, ids: Integers, values: Sequence[Label], times: Integers, left_out: int, now: int
    ) -> tuple[Joined, Joined, Counter[str]]:
        """Join labels; returns first ones, corrections, and how many labels were what ``Matches`` counts.

        ``left_out``: the exponent outside of whose sample a prediction may have been left out.
        """
        counts: Counter[str] = Counter()
        joined, corrected = Joined(), Joined()
        labels = by_id(ids, values, times)
        while chunk := dict(islice(labels, _CHUNK)):
            self._chunk(chunk, joined, corrected, counts, left_out, now)
        return joined, corrected, counts

    def join_early(self, rows: Sequence[tuple[Any, ...]]) -> Joined:
        """Join labels that came before their prediction: (id, label, time, weight, time of the first) each."""
        joined = Joined()
        known = {row[0]: row for row in rows}
        for row in self._predictions(list(known)):
            _, value, time, weight, first = known[row[0]]
            joined.add(row, Standing(value, time, first), max(row[7], weight))
        self._match(joined)
        return joined

    def _chunk(
        self,
        labels: dict[int, list[Given]],
        joined: Joined,
        corrected: Joined,
        counts: Counter[str],
        left_out: int,
        now: int,
    ) -> None:
        first, changed = Joined(), []
        missing = dict(labels)
        for row in self._predictions(list(labels)):
            given = missing.pop(row[0])
            if row[8] is None:
                first.add(row, revise(None, given, counts), row[7])
            elif row[2] is None:
                counts["too_late"] += len(given)
            else:
                before = Standing(*row[8:11])
                after = revise(before, given, counts)
                changed += [(*after, row[7], row[0])] if after != before else []
                if after.value != before.value:
                    corrected.add(row, after, row[7])
                    corrected.replaced.append(before.value)
        self._match(first)
        joined.extend(first)
        self._db.executemany(_HOLD, changed)
        self._wait(missing, counts, left_out, now)

    def _predictions(self, ids: list[int]) -> list[tuple[Any, ...]]:
        self._look_up(ids)
        # CROSS: in this order, as the ids are few and the predictions many.
        return self._db.execute(
            "SELECT p.id, p.time, p.version, p.scope, p.score, p.predicted, p.payload, p.weight, p.label, "
            "p.label_time, p.labelled FROM arrived a CROSS JOIN pending p ON p.id = a.id"
        ).fetchall()

    def _match(self, joined: Joined) -> None:
        """Keep what counts of predictions that had no label."""
        self._db.executemany(
            _HOLD,
            [
                (*standing, weight, row[0])
                for row, standing, weight in zip(joined.rows, joined.standing, joined.weights, strict=True)
            ],
        )
        number = len(joined.rows)
        self._waiting.count(-number, -sum(row[7] for row in joined.rows))
        self._labelled.count(number, sum(joined.weights))

    def _wait(self, labels: dict[int, list[Given]], counts: Counter[str], left_out: int, now: int) -> None:
        """Let labels wait for their prediction; one that waits already is revised."""
        if not labels:
            return
        ids = np.fromiter(labels, dtype=np.int64, count=len(labels))
        self._look_up(ids.tolist())
        known = {
            row[0]: Standing(*row[1:])
            for row in self._db.execute(
                "SELECT e.id, e.label, e.time, coalesce(e.first, e.time) FROM arrived a "
                "CROSS JOIN early_labels e ON e.id = a.id"
            )
        }
        exponent = self._early.exponent
        weight = 2.0**exponent
        fits, possible = inside(ids, exponent).tolist(), inside(ids, left_out).tolist()
        new = []
        for (identity, given), waits, inside_of in zip(labels.items(), fits, possible, strict=True):
            before = known.get(identity)
            if before is not None:
                after = revise(before, given, counts)
                self._db.execute(
                    "UPDATE early_labels SET label = ?, time = ? WHERE id = ?", (*after[:2], identity)
                )
                continue
            # Of a label that leaves no trace each copy is one more of its kind.
            counts["unmatched" if inside_of else "sampled_out"] += 1 if waits else len(given)
            if waits:
                value, time, first = revise(None, given, counts)
                new.append((identity, value, time, now, weight, first))
        self._db.executemany("INSERT INTO early_labels VALUES (?, ?, ?, ?, ?, ?)", new)
        self._early.count(len(new), len(new) * weight)

    def _look_up(self, ids: list[int]) -> None:
        self._db.execute("DELETE FROM arrived")
        self._db.executemany("INSERT OR IGNORE INTO arrived VALUES (?)", ((identity,) for identity in ids))


_HOLD = "UPDATE pending SET label = ?, label_time = ?, labelled = ?, weight = ? WHERE id = ?"


class OutcomeScopes(Table):
    """Segments and attributes that outcomes are folded over, or once were.

    An outcome that was folded while a segment was not asked for is not in the segment's summaries: it cannot be
    taken out of them.
    """

    SCHEMA = (
        "CREATE TABLE IF NOT EXISTS outcome_scopes (kind TEXT, name TEXT, current INTEGER, PRIMARY KEY (kind, name))",
    )

    def change(self, scopes: set[tuple[str, str]]) -> bool:
        """Take ``scopes``, (kind, name) each, as those of now on.

        Returns whether one of them is new whose values earlier predictions may have kept all the same.
        """
        known = self._db.execute("SELECT kind, name, current FROM outcome_scopes").fetchall()
        before = {(str(kind), str(name)) for kind, name, current in known if current}
        names = {str(name) for _, name, _ in known}
        self._db.execute("UPDATE outcome_scopes SET current = 0")
        self._db.executemany("INSERT OR REPLACE INTO outcome_scopes VALUES (?, ?, 1)", sorted(scopes))
        return any(name in names for _, name in scopes - before)
