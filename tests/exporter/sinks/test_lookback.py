"""Records by a cursor: each is taken once, whatever comes late, is there twice, or is read again after a restart."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.sinks.lookback import Lookback

_SPAN = 100


def _read(log: list[tuple[int, int]], lookback: Lookback) -> list[int]:
    """Read what a server gives from ``start`` on; return the new ones."""
    start = lookback.start
    there = sorted(entry for entry in log if start is None or entry[0] >= start)
    return [number for cursor, number in there if lookback.take(cursor, b"%d" % number)]


def _save(kept: dict[str, str], lookback: Lookback) -> None:
    for key, position in lookback.positions().items():
        if position:
            kept[key] = position
        else:
            kept.pop(key, None)


@given(
    st.lists(st.tuples(st.integers(0, 60), st.integers(0, _SPAN), st.booleans(), st.booleans()), max_size=60)
)
def test_each_record_within_the_span_is_taken_once(steps: list[tuple[int, int, bool, bool]]) -> None:
    """Steps: how far the newest goes on, how late one comes behind it, whether both are read, and after a restart."""
    log: list[tuple[int, int]] = []
    taken: list[int] = []
    kept: dict[str, str] = {}
    lookback, now = Lookback(_SPAN, kept), 1_000_000
    for further, late, reads, restarts in steps:
        now += further
        log += [(now, len(log)), (now - late, len(log) + 1)]
        if reads:
            taken += _read(log, lookback)
            _save(kept, lookback)
        if restarts:
            lookback = Lookback(_SPAN, kept)
    taken += _read(log, lookback)
    assert len(taken) == len(set(taken))
    # A late one is found if it was there by the time that the newest was at most the span further on.
    assert set(taken) >= {number for cursor, number in log if cursor >= now - _SPAN}
    if all(reads for *_, reads, _ in steps):
        assert len(taken) == len(log)


def test_ids_are_forgotten_behind_the_span() -> None:
    kept: dict[str, str] = {}
    lookback = Lookback(_SPAN, kept)
    for cursor in range(10_000):
        assert lookback.take(cursor, b"id")
        if cursor % 7 == 0:
            _save(kept, lookback)
    assert sum(map(len, kept.values())) < 25 * _SPAN
    assert not lookback.take(10, b"another")


def test_a_longer_span_does_not_reach_what_is_forgotten() -> None:
    kept: dict[str, str] = {}
    lookback = Lookback(_SPAN, kept)
    log = [(cursor, cursor) for cursor in range(1000)]
    assert len(_read(log, lookback)) == 1000
    _save(kept, lookback)
    for span in (10 * _SPAN, 10, 3 * _SPAN):
        lookback = Lookback(span, kept)
        assert _read(log, lookback) == []
        log.append((len(log), len(log)))
        assert _read(log, lookback) == [len(log) - 1]
        _save(kept, lookback)


@pytest.mark.parametrize(
    "positions", [{"cursor": "{"}, {"cursor": "1 0", "ids 5": "?"}, {"ids 5": ""}, {"inbox": "a 1"}]
)
def test_positions_of_another_shape_are_refused(positions: dict[str, str]) -> None:
    with pytest.raises(ValueError):
        Lookback(_SPAN, positions)
