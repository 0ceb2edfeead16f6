"""Counters of outcomes: counted once, when nothing can change them; they never fall, whatever is forgotten."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exporter.act.outcomes import KEPT, LONGEST, OUTCOMES, Counters, going_on
from exporter.act.record import Entry, Record
from exporter.measure.exposition import Series
from tests.support.properties import examples

DAY = 86_400.0


def entry(
    time: float, kind: str, started: float = 0.0, who: str = "", action: str = "", alert: str = "A"
) -> Entry:
    return Entry(time, kind, alert, "fraud", f"fingerprint of {alert}", started, who, action)


@pytest.fixture
def record(tmp_path: Path) -> Iterator[Record]:
    found = Record(tmp_path)
    yield found
    found.close()


def outcomes(record: Record, now: float) -> dict[str, float]:
    """Return the outcomes of the alert A that are not 0."""
    found = Counters(record, [], 0.0).series(now)["ml_alert_actions_total"]
    assert set(found) == {("fraud", "A", outcome) for outcome in OUTCOMES}
    return {outcome: number for (*_, outcome), number in found.items() if number}


@pytest.mark.parametrize(
    ("kinds", "outcome"),
    [
        ("", "ignored"),
        ("failed dry_run refused waiting expired", "ignored"),
        ("silenced", "silenced"),
        ("acknowledged silenced", "acknowledged"),
        ("waiting approved failed", "acknowledged"),
        ("silenced acknowledged acted", "acted"),
    ],
    ids=["nothing", "tried", "silenced", "acknowledged", "approved", "acted"],
)
def test_the_best_that_was_done_is_the_outcome(kinds: str, outcome: str, record: Record) -> None:
    for time, kind in enumerate(["firing", *kinds.split(), "resolved"]):
        record.append(entry(time, kind))
    assert outcomes(record, 100.0) == {outcome: 1}


def test_an_episode_is_counted_at_its_end_or_after_a_day_but_an_action_at_once(record: Record) -> None:
    record.append(entry(0.0, "firing"))
    record.append(entry(1.0, "acknowledged", who="anna"))
    assert outcomes(record, LONGEST - 1) == {}
    assert outcomes(record, LONGEST) == {"acknowledged": 1}
    record.append(entry(0.0, "firing", started=5.0))
    record.append(entry(6.0, "acted", started=5.0))
    assert outcomes(record, 6.0) == {"acted": 1}
    # Too late: the first was counted as acknowledged.
    record.append(entry(LONGEST + 1, "acted"))
    assert outcomes(record, LONGEST + 2) == {"acted": 1, "acknowledged": 1}


def test_what_goes_on_is_the_newest_episode_that_has_not_ended(record: Record) -> None:
    for time, kind, started in [
        (1, "firing", 0.0),
        (2, "resolved", 0.0),
        (3, "firing", 2.5),
        (4, "acted", 2.5),
    ]:
        record.append(entry(time, kind, started))
    assert going_on(record, "of another") is None
    found = going_on(record, "fingerprint of A")
    assert found is not None
    assert (found.started, found.kind) == (2.5, "firing")
    record.append(entry(5, "resolved", 2.5))
    assert going_on(record, "fingerprint of A") is None


def test_what_is_old_is_forgotten_and_its_counts_are_kept(record: Record) -> None:
    for started in (0.0, 10.0):
        record.append(entry(started, "firing", started))
        record.append(entry(started + 1, "acted", started, action="roll-back"))
    record.append(entry(1.0, "failed", who="attempt 1", action="roll-back"))
    # Something newer is known of it: all of it is kept.
    record.append(entry(20.0, "resolved", 10.0))
    before = Counters(record, ["roll-back"], 20.0).series(20.0)
    for now in (KEPT + 19.0, KEPT + 19.5):
        assert Counters(record, ["roll-back"], now).series(now) == before
        assert [one.started for one in record.entries()] == [10.0] * 3
    assert Counters(record, ["roll-back"], KEPT + 21.0).series(KEPT + 21.0) == before
    assert list(record.entries()) == []


EVENTS = st.lists(
    st.tuples(
        st.sampled_from(
            ("firing", "resolved", "acted", "approved", "acknowledged", "silenced", "failed", "waiting")
        ),
        st.sampled_from("AB"),
        st.integers(0, 2),
        st.sampled_from((0.0, 1.0, 40_000.0, 300 * DAY)),
        st.booleans(),
    ),
    max_size=15,
)


@settings(max_examples=examples(25), deadline=None)
@given(EVENTS)
def test_counters_never_fall_by_a_restart_or_by_time(events: list[tuple[str, str, int, float, bool]]) -> None:
    with TemporaryDirectory() as folder:
        record, now = Record(Path(folder)), 1.0
        counters = Counters(record, ["act"], now)
        seen: list[Series] = []
        for number, (kind, alert, started, pause, restarted) in enumerate(events):
            now += pause
            action = "act" if kind in ("acted", "failed", "waiting", "approved") else ""
            who = "" if kind in ("firing", "resolved") else str(number)
            record.append(entry(now, kind, started, who, action, alert))
            seen.append(counters.series(now))
            if restarted:
                counters = Counters(record, ["act"], now)
                assert counters.series(now) == seen[-1]
        for before, after in pairwise(seen):
            for name, values in before.items():
                assert all(after[name][labels] >= number for labels, number in values.items())
        last = counters.series(now + LONGEST)
        began, outcome = last.get("ml_alert_episodes_total", {}), last.get("ml_alert_actions_total", {})
        assert sum(began.values()) == sum(outcome.values())
        record.close()
