"""Outcomes of alerts: counted once, when nothing can change them; counters never fall."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exporter.act.outcomes import LONGEST, OUTCOMES, Episodes, Outcomes, episodes, open_episode
from exporter.act.record import Entry, Record
from tests.support.properties import examples

DRIFT = ("fraud", "Drift")


def entry(time: float, kind: str, alert: str = "Drift", started: float = 0.0, who: str = "") -> Entry:
    return Entry(time, kind, alert, "fraud", f"fingerprint of {alert}", started, who)


@pytest.fixture
def record(tmp_path: Path) -> Iterator[Record]:
    found = Record(tmp_path)
    yield found
    found.close()


def outcomes(record: Record, now: float) -> dict[str, float]:
    """Return the counters of the alert `Drift`."""
    found = Outcomes(record).series(now)["ml_alert_actions_total"]
    return {outcome: found[*DRIFT, outcome] for outcome in OUTCOMES}


@pytest.mark.parametrize(
    ("kinds", "outcome"),
    [
        ([], "ignored"),
        (["failed", "dry_run", "refused", "waiting", "expired"], "ignored"),
        (["silenced"], "silenced"),
        (["acknowledged", "silenced"], "acknowledged"),
        (["waiting", "approved", "failed"], "acknowledged"),
        (["silenced", "acknowledged", "acted"], "acted"),
    ],
    ids=["nothing", "tried", "silenced", "acknowledged", "approved", "acted"],
)
def test_the_best_that_was_done_is_the_outcome(kinds: list[str], outcome: str, record: Record) -> None:
    for time, kind in enumerate(["firing", *kinds, "resolved"]):
        record.append(entry(time, kind))
    assert outcomes(record, 100.0) == {one: float(one == outcome) for one in OUTCOMES}
    assert Outcomes(record).series(100.0)["ml_alert_episodes_total"] == {DRIFT: 1}


def test_an_episode_is_counted_at_its_end_or_after_a_day_but_an_action_at_once(record: Record) -> None:
    record.append(entry(0.0, "firing"))
    record.append(entry(1.0, "acknowledged", who="anna"))
    assert outcomes(record, LONGEST - 1) == dict.fromkeys(OUTCOMES, 0.0)
    assert outcomes(record, LONGEST)["acknowledged"] == 1
    record.append(entry(0.0, "firing", started=5.0))
    record.append(entry(6.0, "acted", started=5.0))
    assert outcomes(record, 6.0)["acted"] == 1
    # Too late: the first was counted as acknowledged.
    record.append(entry(LONGEST + 1, "acted"))
    assert outcomes(record, LONGEST + 2) == {"acted": 1, "acknowledged": 1, "silenced": 0, "ignored": 0}


def test_the_open_episode_is_the_newest_that_has_not_ended(record: Record) -> None:
    fingerprint = "fingerprint of Drift"
    for time, kind, started in [(1, "firing", 0.0), (2, "resolved", 0.0), (3, "firing", 2.5)]:
        record.append(entry(time, kind, started=started))
    assert open_episode(record, "of another") is None
    found = open_episode(record, fingerprint)
    assert found is not None
    assert found.started == 2.5
    # An action is final, an end is an end all the same.
    record.append(entry(4, "acted", started=2.5))
    assert open_episode(record, fingerprint) is not None
    record.append(entry(5, "resolved", started=2.5))
    assert open_episode(record, fingerprint) is None


KINDS = ("firing", "resolved", "acted", "approved", "acknowledged", "silenced", "failed", "waiting")
EVENTS = st.lists(
    st.tuples(
        st.sampled_from(KINDS),
        st.sampled_from("AB"),
        st.integers(0, 2),
        st.integers(0, 40_000),
        st.integers(0, 5),
    ),
    max_size=30,
)


@settings(max_examples=examples(200))
@given(EVENTS)
def test_counters_never_fall_and_every_episode_gets_one_outcome(
    events: list[tuple[str, str, int, int, int]],
) -> None:
    entries: list[Entry] = []
    now = 0.0
    before: dict[tuple[str, float], str] = {}
    known: Episodes = {}
    for number, (kind, alert, started, pause, again) in enumerate(events):
        now += pause
        entries.append(entry(now, kind, alert, started, who=str(number)))
        # Read again from anywhere, as after a clock was set back: what is known stays as it is.
        known = episodes(entries[-1 - again :], known)
        assert known == episodes(entries)
        final = {key: one.outcome for key, one in known.items() if one.is_final(now)}
        # What has an outcome keeps it.
        assert before.items() <= final.items()
        before = final
    assert all(one.is_final(now + LONGEST) for one in known.values())
    assert set(known) == {(one.fingerprint, one.started) for one in entries if one.kind == "firing"}
