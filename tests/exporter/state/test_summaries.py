"""Summaries in time buckets: whatever is done to them, a window is the merge of what is in it."""

from __future__ import annotations

from contextlib import closing
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from exporter.state import Scope, Store
from exporter.summary.base import Composite, Floats, Shape
from exporter.summary.numeric import NumericSummary
from exporter.summary.windows import Buckets
from tests.support.properties import examples
from tests.support.summaries import empty_of

EDGES = np.array([0.0, 1.0, 5.0, 9.0])
SHAPES = [
    Shape(kind, "edges", Composite({"x": empty_of(NumericSummary, EDGES, 0.0)}))
    for kind in ("traffic", "outcome")
]
SCOPES = [Scope(1), Scope(1, "s", "a"), Scope(1, "s", "other"), Scope(2)]
BUCKETS = Buckets([120, 1200, 12_000])
SECOND = 1_000_000

shapes = st.sampled_from(SHAPES)
scopes = st.sampled_from(SCOPES)
# About the edges of the windows, and where buckets grow wider and expire.
ages = st.builds(int.__add__, st.sampled_from([0, 120, 1200, 12_000]), st.integers(-30, 70))


def vector_of(seed: int) -> Floats:
    """Four rows, whole numbers: their sums are exact in any order."""
    values = np.random.default_rng(seed).integers(-3, 12, 4).astype(float)
    stack = NumericSummary.fold(EDGES, 0.0, values, np.zeros(4, dtype=np.intp), 1)
    return Composite({"x": stack[0]}).vector()


class Windows(RuleBasedStateMachine):
    """A dictionary of the single rows, merged anew each time, against the store."""

    @initialize()
    def start(self) -> None:
        self.folder = TemporaryDirectory()
        self.path = Path(self.folder.name) / "state"
        self.store = Store(self.path)
        self.now = 1_800_000_000 * SECOND
        self.rows: dict[tuple[str, Scope], list[tuple[int, Floats]]] = {}

    def teardown(self) -> None:
        if hasattr(self, "store"):
            self.store.close()
            self.folder.cleanup()

    @rule(shape=shapes, scope=scopes, before=st.lists(ages, min_size=1, max_size=4), seed=st.integers(0, 999))
    def add(self, shape: Shape, scope: Scope, before: list[int], seed: int) -> None:
        """Late rows too: they go into buckets that are merged already."""
        times = self.now - np.array(before, dtype=np.int64) * SECOND
        starts = BUCKETS.start(times, self.now)
        vectors = [vector_of(seed + number) for number in range(len(times))]
        with self.store.transaction():
            self.store.summaries.add(
                shape,
                ((scope, start, vector) for start, vector in zip(starts.tolist(), vectors, strict=True)),
            )
        self.rows.setdefault((shape.kind, scope), []).extend(zip(starts.tolist(), vectors, strict=True))

    @rule(shape=shapes, scope=scopes, before=ages, compacted=st.booleans(), merged=st.booleans())
    def fail(self, shape: Shape, scope: Scope, before: int, compacted: bool, merged: bool) -> None:
        """A transaction that is rolled back has never been."""
        with pytest.raises(ZeroDivisionError), self.store.transaction():  # noqa: PT012 - all of it is undone
            start = int(BUCKETS.start(np.array([self.now - before * SECOND]), self.now)[0])
            self.store.summaries.add(shape, [(scope, start, vector_of(7))])
            if merged:
                self.store.summaries.merge_scopes(shape, SCOPES[1], SCOPES[2])
            if compacted:
                self.compact_buckets(self.now + 9000 * SECOND)
            self.windows_hold(check=False)
            1 / 0  # noqa: B018

    @rule(seconds=st.sampled_from([1, 7, 60, 130, 1080, 9000]))
    def pass_time(self, seconds: int) -> None:
        self.now += seconds * SECOND

    @rule()
    def turn_the_clock_back(self) -> None:
        """What has expired comes back, and rows for it."""
        self.now -= 9000 * SECOND

    @rule()
    def compact(self) -> None:
        with self.store.transaction():
            self.compact_buckets(self.now)
        expired = BUCKETS.expired(self.now)
        for key, rows in self.rows.items():
            self.rows[key] = [
                (int(BUCKETS.start(np.array([start]), self.now)[0]), row)
                for start, row in rows
                if start >= expired
            ]

    def compact_buckets(self, now: int) -> None:
        for shape in SHAPES:
            for version in (1, 2):
                self.store.summaries.compact(
                    shape, version, lambda starts: BUCKETS.start(starts, now), BUCKETS.expired(now)
                )

    @rule(shape=shapes)
    def merge(self, shape: Shape) -> None:
        with self.store.transaction():
            self.store.summaries.merge_scopes(shape, SCOPES[1], SCOPES[2])
        lost = self.rows.pop((shape.kind, SCOPES[1]), [])
        self.rows.setdefault((shape.kind, SCOPES[2]), []).extend(lost)

    @rule()
    def drop_a_version(self) -> None:
        with self.store.transaction():
            self.store.summaries.drop_version(2)
        self.rows = {key: rows for key, rows in self.rows.items() if key[1].version != 2}

    @rule()
    def restart(self) -> None:
        self.store.close()
        self.store = Store(self.path)

    @invariant()
    def windows_hold(self, check: bool = True) -> None:
        if not hasattr(self, "store"):
            return
        edges = [self.now - age * SECOND for age in (20_000, 12_000, 1200, 120, -60)]
        for shape in SHAPES:
            for scope in SCOPES:
                found = self.store.summaries.between(shape, scope, edges)
                if not check:
                    continue
                rows = self.rows.get((shape.kind, scope), [])
                for vector, (low, high) in zip(found, pairwise(edges), strict=True):
                    expected = shape.empty.with_vector(shape.neutral.copy())
                    for start, row in rows:
                        if low <= start < high:
                            expected += shape.empty.with_vector(row)
                    assert np.array_equal(vector, expected.vector())


TestWindows = Windows.TestCase
TestWindows.settings = settings(
    max_examples=examples(30),
    stateful_step_count=25,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)


def test_buckets_survive_a_restart_as_they_are(tmp_path: Path) -> None:
    vector = SHAPES[0].neutral.copy()
    vector[[0, 4, -2]] = [2.0, 7.5, -1e300]
    for number in range(2):
        with closing(Store(tmp_path / "state")) as store:
            if not number:
                with store.transaction():
                    store.summaries.add(SHAPES[0], [(SCOPES[0], 5, vector)])
            (found,) = store.summaries.between(SHAPES[0], SCOPES[0], [0, 10])
            assert np.array_equal(found, vector)


def test_a_bucket_that_expired_and_comes_back_holds_what_came_back() -> None:
    """A clock that steps back: what was summed before is gone."""
    with closing(Store()) as store, store.transaction():
        for _ in range(2):
            store.summaries.add(SHAPES[0], [(SCOPES[0], 5, vector_of(1))])
            (found,) = store.summaries.between(SHAPES[0], SCOPES[0], [0, 10])
            assert np.array_equal(found, vector_of(1))
            store.summaries.compact(SHAPES[0], 1, lambda starts: starts, before=8)


def test_a_bucket_that_moves_across_an_edge_is_counted_there() -> None:
    with closing(Store()) as store, store.transaction():
        store.summaries.add(SHAPES[0], [(SCOPES[0], 0, vector_of(1)), (SCOPES[0], 5, vector_of(2))])
        older, younger = store.summaries.between(SHAPES[0], SCOPES[0], [0, 5, 10])
        assert (np.array_equal(older, vector_of(1)), np.array_equal(younger, vector_of(2))) == (True, True)
        store.summaries.compact(SHAPES[0], 1, lambda starts: 0 * starts, before=0)
        older, younger = store.summaries.between(SHAPES[0], SCOPES[0], [0, 5, 10])
        both = SHAPES[0].empty.with_vector(vector_of(1)) + SHAPES[0].empty.with_vector(vector_of(2))
        assert np.array_equal(older, both.vector())
        assert np.array_equal(younger, SHAPES[0].neutral)
