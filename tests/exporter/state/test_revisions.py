"""Labels of which the last counts: what was joined and what was corrected add up to a plain dictionary."""

from __future__ import annotations

import sqlite3
from collections import Counter
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exporter.state import Matches, Store
from tests.support.properties import examples

UNKNOWN = int(np.iinfo(np.int64).min)
NO_LIMIT = 10_000
ids = st.sampled_from([1, 2, 1 << 40, 1 << 58, 1 << 61, (1 << 63) - 1, -1, -(1 << 63), -(1 << 62)])
stamps = st.one_of(st.integers(0, 5), st.just(UNKNOWN))
predictions = st.tuples(
    st.just("add"), st.lists(st.tuples(ids, st.integers(0, 30), st.integers(0, 9)), max_size=8)
)
labels = st.tuples(st.just("label"), st.lists(st.tuples(ids, st.integers(0, 3), stamps), max_size=8))
expiries = st.tuples(st.just("expire"), st.integers(0, 25))
forgotten = st.tuples(st.just("forget"), st.integers(0, 9))
reopened = st.tuples(st.just("reopen"), st.none())


def column(rows: list[Any], position: int) -> np.ndarray:
    return np.array([row[position] for row in rows], dtype=np.int64)


def add(store: Store, rows: list[tuple[int, int, int]], now: int) -> Matches:
    value = column(rows, 2)
    payloads = np.array([b"%d" % number for number in value.tolist()], dtype=object)
    with store.transaction():
        return store.pending.add(
            column(rows, 0), column(rows, 1), value, value + 1, value / 8, value, payloads, now
        )


def label(store: Store, rows: list[tuple[int, int, int]], now: int) -> Matches:
    with store.transaction():
        return store.pending.label(column(rows, 0), column(rows, 1), column(rows, 2), now)


def opened(path: Path, limit: int) -> Store:
    store = Store(path)
    store.pending.limit = limit
    store.pending.revisable = True
    return store


Outcome = tuple[int, int, int, int, float]
"""Time and value of a prediction, its label, when the first of its labels was known, and its weight."""


def outcomes(matches: Matches, values: np.ndarray) -> list[Outcome]:
    assert np.array_equal(matches.time, np.sort(matches.time))
    assert np.array_equal(matches.scope, matches.version + 1)
    assert np.array_equal(matches.predicted, matches.version)
    assert matches.payload.tolist() == [b"%d" % number for number in matches.version.tolist()]
    columns = (matches.time, matches.version, values, matches.label_time, matches.weight)
    return list(zip(*(column.tolist() for column in columns), strict=True))


def fold(counted: Counter[Outcome], matches: Matches) -> None:
    """Count first labels, and what corrections take out and put in; nothing is taken out that is not there."""
    counted.update(outcomes(matches, matches.label))
    if matches.corrections is not None:
        assert matches.corrections.replaced is not None
        for before in outcomes(matches.corrections, matches.corrections.replaced):
            assert counted[before] > 0
            counted[before] -= 1
        counted.update(outcomes(matches.corrections, matches.corrections.label))


@dataclass
class Row:
    time: int
    value: int
    label: int | None = None
    stamp: int = UNKNOWN
    first: int = UNKNOWN
    correctable: bool = True


@dataclass
class Model:
    """Without samples: every rule spelled out."""

    rows: dict[int, Row] = field(default_factory=dict)
    early: dict[int, list[tuple[int, int]]] = field(default_factory=dict)
    counted: list[Row] = field(default_factory=list)
    totals: Counter[str] = field(default_factory=Counter)

    def add(self, rows: list[tuple[int, int, int]]) -> None:
        for identity, time, value in rows:
            self.rows.setdefault(identity, Row(time, value))
        for identity, _, _ in rows:
            for number, stamp in self.early.pop(identity, []):
                self.count(self.rows[identity], number, stamp)

    def label(self, rows: list[tuple[int, int, int]]) -> None:
        for identity, number, stamp in rows:
            row = self.rows.get(identity)
            if row is None:
                waiting = self.early.setdefault(identity, [])
                if waiting:
                    probe = Row(0, 0)
                    for known in waiting:
                        self.give(probe, *known)
                    self.totals[self.give(probe, number, stamp)] += 1
                else:
                    self.totals["unmatched"] += 1
                waiting.append((number, stamp))
            elif not row.correctable:
                self.totals["too_late"] += 1
            elif reason := self.count(row, number, stamp):
                self.totals[reason] += 1

    def count(self, row: Row, number: int, stamp: int) -> str:
        if row.label is None:
            self.counted.append(row)
        return self.give(row, number, stamp)

    def give(self, row: Row, number: int, stamp: int) -> str:
        if row.label is None:
            row.label, row.stamp, row.first = number, stamp, stamp
            return ""
        if stamp != UNKNOWN and row.stamp != UNKNOWN and stamp < row.stamp:
            return "duplicate"
        reason = "duplicate" if number == row.label else "revised"
        row.label, row.stamp = number, row.stamp if stamp == UNKNOWN else stamp
        return reason

    def expire(self, before: int) -> None:
        self.rows = {key: row for key, row in self.rows.items() if row.time >= before}

    def forget(self, version: int) -> None:
        for row in self.rows.values():
            if row.label is not None and row.value == version:
                row.correctable = False


@given(st.lists(st.one_of(predictions, labels, labels, expiries, forgotten, reopened), max_size=16))
@settings(max_examples=examples(120))
def test_it_is_a_dictionary(tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[str, Any]]) -> None:
    path = tmp_path_factory.mktemp("state") / "state.sqlite"
    model, counted, totals = Model(), Counter[Outcome](), Counter[str]()
    store, expired = opened(path, NO_LIMIT), -1
    try:
        for now, (step, rows) in enumerate(steps, start=10):
            if step == "reopen":
                store.close()
                store = opened(path, NO_LIMIT)
            elif step == "expire":
                expired = max(expired, rows)
                with store.transaction():
                    # Labels wait by when they were read: none of them expires here.
                    store.pending._waiting.delete("time < ?", rows)
                    store.pending._labelled.delete("time < ?", rows)
                model.expire(rows)
            elif step == "forget":
                with store.transaction():
                    store.pending.forget_outcomes(rows)
                model.forget(rows)
            elif step == "add":
                rows = [row for row in rows if row[1] >= expired]
                fold(counted, add(store, rows, now))
                model.add(rows)
            else:
                matches = label(store, rows, now)
                fold(counted, matches)
                model.label(rows)
                for name in ("unmatched", "duplicate", "revised", "too_late"):
                    totals[name] += getattr(matches, name)
            assert totals == +model.totals
            assert +counted == Counter(
                (row.time, row.value, row.label, row.first, 1.0) for row in model.counted
            )
    finally:
        store.close()


@given(st.integers(1, 6), st.lists(st.one_of(predictions, labels), max_size=14))
@settings(max_examples=examples(80))
def test_samples_are_corrected_with_their_weights(limit: int, steps: list[tuple[str, Any]]) -> None:
    """Past the limit, too: what is taken out was put in with the same weight, and there is never more than fits."""
    counted = Counter[Outcome]()
    with closing(Store()) as store:
        store.pending.limit = limit
        store.pending.revisable = True
        for now, (step, rows) in enumerate(steps, start=10):
            fold(counted, add(store, rows, now) if step == "add" else label(store, rows, now))
            for sample in (store.pending._waiting, store.pending._labelled, store.pending._early):
                (number, population) = store._connection.execute(
                    f"SELECT count(*), total(weight) FROM {sample._table} WHERE {sample._rows}"
                ).fetchone()
                assert (sample.number, sample._get("population")) == (number, population)
                assert number <= limit


@given(st.lists(st.one_of(predictions, labels), max_size=10))
@settings(max_examples=examples(50))
def test_batches_do_not_matter(steps: list[tuple[str, Any]]) -> None:
    """One label at a time, or all between two batches of predictions at once."""

    def run(pieces: list[tuple[str, Any]]) -> tuple[Counter[Outcome], Counter[str]]:
        counted, totals = Counter[Outcome](), Counter[str]()
        with closing(Store()) as store:
            store.pending.revisable = True
            for step, rows in pieces:
                matches = add(store, rows, 10) if step == "add" else label(store, rows, 10)
                fold(counted, matches)
                for name in ("unmatched", "duplicate", "revised"):
                    totals[name] += getattr(matches, name)
        return +counted, +totals

    single = [(step, [row]) for step, rows in steps for row in rows]
    assert run(steps) == run(single)


def test_a_state_of_before_is_continued(tmp_path: Path) -> None:
    """Schema 6 kept no time of a label; what waited there is joined, what had a label cannot be corrected."""
    path = tmp_path / "state.sqlite"
    with closing(Store(path)) as store:
        add(store, [(1, 5, 3), (2, 6, 4)], 10)
        label(store, [(1, 0, 7), (3, 1, 8)], 10)
    with closing(sqlite3.connect(path)) as database, database:
        for table, name in (("pending", "label_time"), ("pending", "labelled"), ("early_labels", "first")):
            database.execute(f"ALTER TABLE {table} DROP COLUMN {name}")
        database.execute("PRAGMA user_version = 6")
    with closing(opened(path, NO_LIMIT)) as store:
        matches = label(store, [(1, 1, 9), (2, 1, 9), (2, 0, 10)], 11)
        assert (matches.too_late, matches.revised) == (1, 1)
        assert outcomes(matches, matches.label) == [(6, 4, 0, 9, 1.0)]
        matches = add(store, [(3, 7, 5)], 12)
        assert outcomes(matches, matches.label) == [(7, 5, 1, 8, 1.0)]
        matches = label(store, [(3, 2, 7), (3, 0, 8)], 13)
        assert (matches.duplicate, matches.revised) == (1, 1)
