"""What is remembered of records is a set of the newest, whatever comes in whatever batches."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exporter.state import Store, StoreError, delivered
from tests.support.properties import examples

# (time, hash): equal hashes have equal times, as those of equal records have.
records = st.integers(0, 60).map(lambda number: (number % 13, number * 2**57 - 2**62))
batches = st.lists(st.lists(records, max_size=12), max_size=12)


def take(store: Store, batch: list[tuple[int, int]]) -> list[bool]:
    times, hashes = (np.array([row[place] for row in batch], dtype=np.int64) for place in (0, 1))
    with store.transaction():
        found: list[bool] = store.delivered.take(times, hashes).tolist()
    return found


@given(batches, st.sampled_from([2, 8, 1 << 17]))
@settings(max_examples=examples(120))
def test_it_is_a_set(steps: list[list[tuple[int, int]]], largest: int) -> None:
    seen: set[int] = set()
    with pytest.MonkeyPatch.context() as patch, closing(Store()) as store:
        patch.setattr(delivered, "_LARGEST", largest)
        for batch in steps:
            expected = []
            for _, number in batch:
                expected.append(number in seen)
                seen.add(number)
            assert take(store, batch) == expected


@given(batches, st.integers(1, 10))
@settings(max_examples=examples(80))
def test_past_the_limit_the_newest_are_remembered(steps: list[list[tuple[int, int]]], limit: int) -> None:
    """And what was forgotten is at most taken for new, never a new one for a repeat."""
    order: list[int] = []
    with closing(Store()) as store:
        store.delivered.limit = limit
        for batch in steps:
            newest, ever = set(order[-limit:]), set(order)
            for (_, number), repeated in zip(batch, take(store, batch), strict=True):
                assert repeated or number not in newest
                assert not repeated or number in ever
                if not repeated:
                    order.append(number)
                    ever.add(number)
                    newest.add(number)


def test_memory_is_bounded(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    path = tmp_path / "state.sqlite"
    with closing(Store(path)) as store:
        store.delivered.limit = 200_000
        for number in range(60):
            hashes = rng.integers(-(2**63), 2**63 - 1, 10_000)
            with store.transaction():
                assert not store.delivered.take(number * 10_000 + np.arange(10_000), hashes).any()
    with closing(sqlite3.connect(path)) as database:
        total, blocks = database.execute("SELECT sum(size), count(*) FROM delivered").fetchone()
        (stored,) = database.execute("SELECT sum(length(hashes)) FROM delivered").fetchone()
    assert 200_000 <= total < 200_000 + (1 << 17)
    assert stored == 8 * total
    assert blocks < 12


def test_what_is_rolled_back_never_was(tmp_path: Path) -> None:
    with closing(Store(tmp_path / "state.sqlite")) as store:
        with pytest.raises(InterruptedError), store.transaction():  # noqa: PT012 - what is undone comes before
            store.delivered.take(np.array([1]), np.array([5]))
            raise InterruptedError
        assert take(store, [(1, 5)]) == [False]
    with closing(Store(tmp_path / "state.sqlite")) as store:
        assert take(store, [(1, 5), (2, 6)]) == [True, False]


def test_damage_is_told(tmp_path: Path) -> None:
    path = tmp_path / "state.sqlite"
    with closing(Store(path)) as store:
        take(store, [(1, 5), (2, 6)])
    with closing(sqlite3.connect(path)) as database, database:
        database.execute("UPDATE delivered SET hashes = x'00'")
    with closing(Store(path)) as store, pytest.raises(StoreError, match="damaged"):
        take(store, [(1, 5)])
