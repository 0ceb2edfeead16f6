"""When an alert fires: `stretches` against Prometheus' own loop, one evaluation after the other."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from hypothesis import example, given
from hypothesis import strategies as st

from rulegen.backtest.episodes import Stretch, stretches

INTERVAL = 60_000


def evaluated(there: Sequence[bool], holds: int, keeps: int) -> Iterator[tuple[int, int | None]]:
    """Yield when it fires, as AlertingRule.Eval of Prometheus 2.42 does, one evaluation after the other."""
    state, active, fired, keeping = "inactive", 0, 0, None
    for index, is_there in enumerate(there):
        now = index * INTERVAL
        if is_there and state == "inactive":
            state, active = "pending", now
        if not is_there:
            kept = False
            if state == "firing" and keeps > 0:
                keeping = now if keeping is None else keeping
                kept = now - keeping < keeps
            if state == "firing" and not kept:
                yield fired, now
            if not kept:
                state, keeping = "inactive", None
            continue
        keeping = None
        if state == "pending" and now - active >= holds:
            state, fired = "firing", now
    if state == "firing":
        yield fired, None


@given(
    st.lists(st.booleans(), min_size=1, max_size=40),
    st.sampled_from([0, INTERVAL, 3 * INTERVAL, 90_000]),
    st.sampled_from([0, INTERVAL, 2 * INTERVAL, 150_000]),
)
@example([True, True, False, True, True], INTERVAL, INTERVAL)
@example([True] * 4 + [False] * 6, INTERVAL, 150_000)
def test_an_alert_fires_as_in_prometheus(there: list[bool], holds: int, keeps: int) -> None:
    points = [(index * INTERVAL, 1.0) for index, is_there in enumerate(there) if is_there]
    end = (len(there) - 1) * INTERVAL
    found = [(one.start, one.stop) for one in stretches(points, INTERVAL, end, holds=holds, keeps=keeps)]
    assert found == list(evaluated(there, holds, keeps))


def test_the_worst_value_is_of_the_whole_stretch_its_wait_included() -> None:
    points = [(0, 9.0), (60_000, 2.0), (120_000, 3.0)]
    assert list(stretches(points, INTERVAL, 240_000, holds=60_000, keeps=0)) == [
        Stretch(60_000, 180_000, 2.0, 9.0)
    ]
