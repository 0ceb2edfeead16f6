"""Rows by a cursor: each is taken once, whatever comes late, is there twice, or is read again after a restart."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.sinks.lookback import Lookback

_SPAN = 100
_FUTURE = 1 << 40


class _Reader:
    """Reads what a server gives from ``since`` on; commits each read."""

    def __init__(self, span: int = _SPAN) -> None:
        self.span = span
        self.kept: dict[str, str] = {}
        self.restart()

    def restart(self) -> None:
        self.lookback = Lookback(self.kept)

    def read(self, log: list[tuple[int, int]], now: int = _FUTURE) -> list[int]:
        """Return the numbers of the new ones. A row: cursor and number, which are known by the number."""
        since = self.lookback.since
        there = np.array(sorted(row for row in log if since is None or row[0] >= since), np.int64).reshape(
            -1, 2
        )
        new = there[self.lookback.unseen(there[:, 1].astype(np.uint64))]
        if len(new):
            hashes = new[:, 1].astype(np.uint64)
            for key, position in self.lookback.take(new[:, 0], hashes, span=self.span, now=now).items():
                self.kept[key] = position
                if not position:
                    del self.kept[key]
            self.lookback.settle()
        found: list[int] = new[:, 1].tolist()
        return found


@given(
    st.lists(st.tuples(st.integers(0, 60), st.integers(0, _SPAN), st.booleans(), st.booleans()), max_size=60)
)
def test_each_row_within_the_span_is_taken_once(steps: list[tuple[int, int, bool, bool]]) -> None:
    """Steps: how far the newest goes on, how late one comes behind it, whether both are read, and after a restart."""
    log: list[tuple[int, int]] = []
    taken: list[int] = []
    reader, now = _Reader(), 1_000_000
    for further, late, reads, restarts in steps:
        now += further
        log += [(now, len(log)), (now - late, len(log) + 1)]
        if reads:
            taken += reader.read(log)
        if restarts:
            reader.restart()
    taken += reader.read(log)
    assert len(taken) == len(set(taken))
    # A late one is found if it was there by the time that the newest was at most the span further on.
    assert set(taken) >= {number for cursor, number in log if cursor >= now - _SPAN}
    if all(reads for *_, reads, _ in steps):
        assert len(taken) == len(log)


@pytest.mark.parametrize("restarts", [False, True])
def test_a_row_from_the_future_hides_none_of_the_present(restarts: bool) -> None:
    reader = _Reader()
    log = [(1000, 0), (_FUTURE, 1)]
    assert reader.read(log, now=1000) == [0, 1]
    for now in (1001, 1500, 2000):
        if restarts:
            reader.restart()
        log += [(now, len(log)), (now - 50, len(log) + 1)]
        assert sorted(reader.read(log, now=now)) == [len(log) - 2, len(log) - 1]
    assert reader.lookback.since == 1900


def test_hashes_are_forgotten_behind_the_span() -> None:
    reader = _Reader()
    log = [(cursor, cursor) for cursor in range(5_000)]
    for number in range(0, 5_000, 7):
        assert reader.read(log[number : number + 7]) == [*range(number, min(number + 7, 5_000))]
    assert sum(map(len, reader.kept.values())) < 25 * _SPAN


def test_a_longer_span_does_not_reach_what_is_forgotten() -> None:
    reader = _Reader()
    log = [(cursor, cursor) for cursor in range(1000)]
    assert len(reader.read(log)) == 1000
    for span in (10 * _SPAN, 10, 3 * _SPAN):
        reader.restart()
        reader.span = span
        assert reader.read(log) == []
        log.append((len(log), len(log)))
        assert reader.read(log) == [len(log) - 1]


@pytest.mark.parametrize(
    "positions",
    [
        {"reach": "{"},
        {"reach": "0 1", "seen 5 1": "?"},
        {"seen 5 1": ""},
        {"reach": "0 1", "seen 5": ""},
        {"inbox": "a 1"},
    ],
)
def test_positions_of_another_shape_are_refused(positions: dict[str, str]) -> None:
    with pytest.raises(ValueError):
        Lookback(positions)
