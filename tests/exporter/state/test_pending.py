"""Predictions and labels that wait do what a plain dictionary does, whatever comes in whatever order."""

from __future__ import annotations

from collections import Counter
from contextlib import closing, suppress
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from exporter.state import Matches, Store
from tests.support.properties import examples

UNKNOWN = np.iinfo(np.int64).min
# Ids of both halves of the hashes, of a few sizes, so that samples of several exponents differ.
ids = st.sampled_from(
    [1, 2, 1 << 40, 1 << 58, 1 << 60, (1 << 61) + 5, 1 << 62, (1 << 63) - 1, -1, -(1 << 63), -(1 << 62)]
)
values = st.sampled_from([0, 1, 7, (1 << 53) + 1])
times = st.one_of(st.integers(0, 30), st.just(10_000))


def below(identity: int, exponent: int) -> bool:
    return identity % (1 << 64) < (1 << 64) >> exponent


@dataclass
class Row:
    time: int
    value: int
    exponent: int
    label: int | None = None


@dataclass
class Model:
    """As the docstrings say it, with numbers without a sign, every rule spelled out."""

    limit: int
    rows: dict[int, Row] = field(default_factory=dict)
    early: dict[int, tuple[int, int, int]] = field(default_factory=dict)
    exponent: int = 0
    early_exponent: int = 0
    left_out: list[tuple[int, int]] = field(default_factory=list)
    expired: int = -1

    @property
    def waiting(self) -> dict[int, Row]:
        return {key: row for key, row in self.rows.items() if row.label is None}

    def add(self, predictions: list[tuple[int, int, int]], now: int) -> list[tuple[int, ...]]:
        standing_for = sum(2**row.exponent for row in self.waiting.values())
        while self.exponent and standing_for <= self.limit / 2 * 2 ** (self.exponent - 1):
            self.exponent -= 1
        matches: list[tuple[int, ...]] = []
        for identity, time, value in predictions:
            if not below(identity, self.exponent):
                self.left_out.append((self.exponent, now))
            elif identity not in self.rows:
                self.rows[identity] = Row(time, value, self.exponent)
        for identity in {identity for identity, _, _ in predictions} & self.early.keys() & self.rows.keys():
            label, exponent, _ = self.early.pop(identity)
            row = self.rows[identity]
            if row.label is None:
                row.label = label
                matches.append((row.time, row.value, label, 2 ** max(row.exponent, exponent)))
        self.bound(now)
        return matches

    def label(self, labels: list[tuple[int, int]], now: int) -> tuple[list[tuple[int, ...]], Counter[str]]:
        standing_for = sum(2**exponent for _, exponent, _ in self.early.values())
        while self.early_exponent > self.exponent and standing_for <= self.limit / 2 * 2 ** (
            self.early_exponent - 1
        ):
            self.early_exponent -= 1
        left_out = max([self.exponent, *(exponent for exponent, _ in self.left_out)])
        counts: Counter[str] = Counter()
        matches: list[tuple[int, ...]] = []
        for identity, label in labels:
            row = self.rows.get(identity)
            if row is not None and row.label is None:
                row.label = label
                matches.append((row.time, row.value, label, 2**row.exponent))
            elif row is not None or identity in self.early:
                counts["duplicate"] += 1
            else:
                counts["unmatched" if below(identity, left_out) else "sampled_out"] += 1
                if below(identity, self.early_exponent):
                    self.early[identity] = (label, self.early_exponent, now)
        self.bound(now)
        return matches, counts

    def expire(self, before: int) -> None:
        self.rows = {key: row for key, row in self.rows.items() if row.time >= before}
        self.early = {key: entry for key, entry in self.early.items() if entry[2] >= before}
        self.left_out = [(exponent, now) for exponent, now in self.left_out if now >= before]

    def bound(self, now: int) -> None:
        while len(self.waiting) > self.limit:
            self.exponent += 1
            for key, row in self.waiting.items():
                row.exponent = max(row.exponent, self.exponent)
                if not below(key, self.exponent):
                    del self.rows[key]
            self.left_out.append((self.exponent, now))
        while len(self.early) > self.limit or self.early_exponent < self.exponent:
            self.early_exponent += 1
            self.early = {
                key: (label, max(exponent, self.early_exponent), read)
                for key, (label, exponent, read) in self.early.items()
                if below(key, self.early_exponent)
            }
        thinned = 0
        if len(self.rows) - len(self.waiting) > self.limit:
            while len(self.rows) - len(self.waiting) > self.limit / 2:
                thinned += 1
                self.rows = {
                    key: row for key, row in self.rows.items() if row.label is None or below(key, thinned)
                }
            self.left_out.append((thinned, now))


predictions = st.tuples(st.just("add"), st.lists(st.tuples(ids, times, st.integers(0, 9)), max_size=12))
labels = st.tuples(st.just("label"), st.lists(st.tuples(ids, values), max_size=12))
expiries = st.tuples(st.just("expire"), st.integers(0, 25))
operations = st.lists(st.one_of(predictions, labels, expiries), max_size=14)


def column(rows: list[Any], position: int) -> np.ndarray:
    return np.array([row[position] for row in rows], dtype=np.int64)


def add(store: Store, rows: list[tuple[int, int, int]], now: int) -> Matches:
    value = column(rows, 2)
    payloads = np.array([b"%d" % number for number in value.tolist()], dtype=object)
    with store.transaction():
        return store.pending.add(
            column(rows, 0), column(rows, 1), value, value + 1, value / 8, value, payloads, now
        )


def label(store: Store, rows: list[tuple[int, int]], now: int) -> Matches:
    with store.transaction():
        return store.pending.label(column(rows, 0), column(rows, 1), 0 * column(rows, 0) + now, now)


def seen(matches: Matches) -> Counter[tuple[int, ...]]:
    """Each match as the model knows it; all that came with a prediction has stayed together."""
    assert np.array_equal(matches.time, np.sort(matches.time))
    assert np.array_equal(matches.scope, matches.version + 1)
    assert np.array_equal(matches.score, matches.version / 8)
    assert np.array_equal(matches.predicted, matches.version)
    texts = [] if matches.payload is None else matches.payload.tolist()
    assert texts == [b"%d" % number for number in matches.version.tolist()]
    columns = (matches.time, matches.version, matches.label, matches.weight)
    return Counter(zip(*(values.tolist() for values in columns), strict=True))


@given(st.integers(1, 6), operations)
@settings(max_examples=examples(150))
def test_it_is_a_dictionary(limit: int, steps: list[tuple[str, Any]]) -> None:
    model = Model(limit)
    with closing(Store()) as store:
        store.pending.limit = limit
        for now, (step, rows) in enumerate(steps, start=10):
            if step == "expire":
                with store.transaction():
                    store.pending.expire(rows)
                model.expired = max(model.expired, rows)
                model.expire(rows)
            elif step == "add":
                rows = [row for row in rows if row[1] >= model.expired]
                assert seen(add(store, rows, now)) == Counter(model.add(rows, now))
            else:
                matches = label(store, rows, now)
                expected, counts = model.label(rows, now)
                assert seen(matches) == Counter(expected)
                for name in ("unmatched", "duplicate", "sampled_out"):
                    assert getattr(matches, name) == counts[name], name
            assert store.pending.sampling_ratio() == 0.5**model.exponent
            assert store.pending.waiting() == len(model.waiting)
            assert store.pending.waiting() <= limit


@given(st.integers(1, 6), operations)
@settings(max_examples=examples(60))
def test_what_is_rolled_back_never_was(limit: int, steps: list[tuple[str, Any]]) -> None:
    """Each step is done, undone and done again: as where a batch is read twice because its commit failed."""

    def run(store: Store, *, twice: bool) -> list[Any]:
        store.pending.limit = limit
        found: list[Any] = []
        for now, (step, rows) in enumerate(steps, start=10):

            def do(step: str = step, rows: Any = rows, now: int = now) -> Any:
                if step == "expire":
                    return store.pending.expire(rows)
                times = 0 * column(rows, 0) + now
                if step == "label":
                    return store.pending.label(column(rows, 0), column(rows, 1), times, now)
                value = column(rows, 2)
                return store.pending.add(
                    column(rows, 0), column(rows, 1), value, value + 1, value / 8, value, None, now
                )

            if twice:
                with suppress(InterruptedError), store.transaction():
                    do()
                    raise InterruptedError
            with store.transaction():
                matches = do()
            found.append((str(matches), store.pending.waiting(), store.pending.sampling_ratio()))
        return found

    with closing(Store()) as once, closing(Store()) as again:
        assert run(once, twice=False) == run(again, twice=True)
