"""Served and offline values that wait do what a plain dictionary does, whatever comes in whatever order."""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass, field

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from exporter.state import Side, Store, Values
from tests.support.properties import examples

# Ids of both halves of the hashes, of a few sizes, so that samples of several exponents differ.
ids = st.sampled_from([1, 2, 1 << 40, 1 << 58, 1 << 60, 1 << 62, (1 << 63) - 1, -1, -(1 << 63), -(1 << 62)])
row = st.tuples(ids, st.integers(0, 30), st.integers(1, 9))
batch = st.tuples(
    st.sampled_from([Side.SERVED, Side.OFFLINE]), st.lists(row, max_size=6, unique_by=lambda r: r[0])
)
steps = st.lists(st.one_of(batch, st.integers(0, 40)), max_size=20)


def below(identity: int, exponent: int) -> bool:
    return identity % (1 << 64) < (1 << 64) >> exponent


@dataclass
class Model:
    """As the docstrings say it. Of each id: the side that waits, its time, its value."""

    rows: dict[int, tuple[Side, int, int]] = field(default_factory=dict)
    joined: list[tuple[int, int, int]] = field(default_factory=list)
    unmatched: dict[Side, int] = field(default_factory=lambda: {Side.SERVED: 0, Side.OFFLINE: 0})

    def add(self, side: Side, found: list[tuple[int, int, int]]) -> list[bool]:
        repeated = []
        for identity, time, value in found:
            known = self.rows.get(identity)
            repeated.append(known is not None and known[0] in (side, Side.JOINED))
            if known is None:
                self.rows[identity] = (side, time, value)
            elif not repeated[-1]:
                served, offline = (value, known[2]) if side is Side.SERVED else (known[2], value)
                self.joined.append((time if side is Side.SERVED else known[1], served, offline))
                self.rows[identity] = (Side.JOINED, max(time, known[1]), 0)
        return repeated

    def expire(self, before: int) -> None:
        for identity, (side, time, _) in list(self.rows.items()):
            if time < before:
                del self.rows[identity]
                if side is not Side.JOINED:
                    self.unmatched[side] += 1


def values(found: list[tuple[int, int, int]]) -> Values:
    identities, times, numbers = np.array(found, dtype=np.int64).reshape(-1, 3).T
    return Values(identities, times, np.ones_like(times), 7, np.stack([numbers, -numbers], axis=1))


@given(steps)
@settings(max_examples=examples(60))
def test_ids_meet_once_in_either_order(steps: list[tuple[Side, list[tuple[int, int, int]]] | int]) -> None:
    model = Model()
    seen: list[tuple[int, int, int]] = []
    unmatched = {Side.SERVED: 0.0, Side.OFFLINE: 0.0}
    with closing(Store()) as store:
        for step in steps:
            with store.transaction():
                if isinstance(step, int):
                    model.expire(step)
                    for side, number in store.skew.expire(step).items():
                        unmatched[side] += number
                    continue
                side, found = step
                added = store.skew.add(side, values(found), 0)
                assert added.repeated.tolist() == model.add(side, found)
                assert not added.left_out.any()
                for joined in added.joined:
                    assert joined.layout == 7
                    assert np.array_equal(joined.weight, np.ones(len(joined.time)))
                    served, offline = (
                        (joined.came, joined.waited) if side is Side.SERVED else (joined.waited, joined.came)
                    )
                    assert np.array_equal(served[:, 0], -served[:, 1])
                    seen += zip(
                        joined.time.tolist(), served[:, 0].tolist(), offline[:, 0].tolist(), strict=True
                    )
        waiting = [store.skew.waiting(side) for side in (Side.SERVED, Side.OFFLINE)]
    assert sorted(seen) == sorted(model.joined)
    assert unmatched == model.unmatched
    assert waiting == [
        sum(kind is side for kind, _, _ in model.rows.values()) for side in (Side.SERVED, Side.OFFLINE)
    ]


def test_past_the_limit_a_sample_of_the_ids_stands_for_all() -> None:
    """Both sides leave the same ids out: whatever is kept meets, and what was left out is not called unmatched."""
    rng = np.random.default_rng(5)
    identities = np.unique(rng.integers(-(1 << 63), (1 << 63) - 1, 40_000))
    rng.shuffle(identities)
    alone = identities[:4000]
    with closing(Store()) as store:
        store.skew.limit = 2000
        joined = weight = 0.0
        for side, some in ((Side.SERVED, identities), (Side.OFFLINE, identities[4000:])):
            for part in np.array_split(some, 20):
                zeros = np.zeros_like(part)
                with store.transaction():
                    added = store.skew.add(side, Values(part, zeros, zeros, 0, part[:, None]), 5)
                assert not added.repeated.any()
                for found in added.joined:
                    assert np.array_equal(found.waited, found.came)
                    joined += len(found.time)
                    weight += float(found.weight.sum())
        assert store.skew.sampling_ratio() < 0.1
        assert 500 < joined <= 2000
        # Each stands for as many as there are ids outside of the sample.
        assert abs(weight - 36_000) < 5 * 36_000 / np.sqrt(joined)
        with store.transaction():
            unmatched = store.skew.expire(1)
        assert unmatched[Side.OFFLINE] == 0
        assert abs(unmatched[Side.SERVED] - len(alone)) < 5 * len(alone) / np.sqrt(joined / 9)
        assert store.skew.waiting(Side.SERVED) == 0
