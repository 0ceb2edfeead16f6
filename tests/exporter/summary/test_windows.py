"""Time buckets: fine when young, merged with age, never across a window's edge."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from exporter.summary.windows import MICROSECONDS, Buckets

HOUR, DAY = 3600, 86_400
NOW = 1_800_000_000 * MICROSECONDS

spans = st.lists(st.integers(10, 40 * DAY), min_size=1, max_size=5)
ages = st.lists(st.integers(0, 40 * DAY * MICROSECONDS), min_size=1, max_size=50)


@given(spans, ages)
def test_a_bucket_holds_its_events(lengths: list[int], before: list[int]) -> None:
    buckets = Buckets(lengths)
    times = NOW - np.array(before, dtype=np.int64)
    starts = buckets.start(times, NOW)
    assert (starts <= times).all()
    assert (times - starts < max(MICROSECONDS, max(lengths) * MICROSECONDS / 60)).all()
    assert np.array_equal(buckets.start(starts, NOW), starts)


@given(spans, ages)
def test_within_a_window_buckets_are_a_sixtieth_of_it(lengths: list[int], before: list[int]) -> None:
    buckets = Buckets(lengths)
    times = NOW - np.array(before, dtype=np.int64)
    error = times - buckets.start(times, NOW)
    for length in lengths:
        inside = times >= NOW - length * MICROSECONDS
        assert (error[inside] < max(MICROSECONDS, length * MICROSECONDS / 60)).all()


@given(spans, ages, st.integers(0, 40 * DAY * MICROSECONDS))
def test_growing_old_only_merges_buckets(lengths: list[int], before: list[int], later: int) -> None:
    """Folding late into a wide bucket is the same as folding early and merging with age."""
    buckets = Buckets(lengths)
    times = NOW - np.array(before, dtype=np.int64)
    assert np.array_equal(
        buckets.start(buckets.start(times, NOW), NOW + later), buckets.start(times, NOW + later)
    )


@given(spans, ages, st.lists(st.integers(0, 40 * DAY * MICROSECONDS), max_size=4))
def test_cuts_are_exact(lengths: list[int], before: list[int], cut_ages: list[int]) -> None:
    buckets = Buckets(lengths)
    cuts = sorted(NOW - age for age in cut_ages)
    times = NOW - np.array(before, dtype=np.int64)
    starts = buckets.start(times, NOW, cuts)
    for cut in cuts:
        assert np.array_equal(starts >= cut, times >= cut)


def test_widths_of_common_windows() -> None:
    buckets = Buckets([HOUR, DAY, 7 * DAY])
    widths = {}
    for name, oldest, youngest in (
        ("young", HOUR // 2, 0),
        ("hours", 12 * HOUR, 8 * HOUR),
        ("days", 5 * DAY, 4 * DAY),
    ):
        times = np.arange(NOW - oldest * MICROSECONDS, NOW - youngest * MICROSECONDS, MICROSECONDS)
        starts = np.unique(buckets.start(times, NOW))
        widths[name] = int(np.median(np.diff(starts))) // MICROSECONDS
    assert widths == {"young": 60, "hours": 600, "days": 3600}
    assert Buckets([10]).finest == MICROSECONDS
