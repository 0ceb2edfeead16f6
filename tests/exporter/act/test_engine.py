"""Decisions of the engine, with a clock of the test's and a real server that is called."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus
from pathlib import Path
from typing import Any

import pytest

from exporter.act.alerts import read_message
from exporter.act.engine import Engine
from exporter.act.record import Entry, Record
from exporter.web.push.answers import RefusedError
from mlslo.actions import load
from tests.support.acting import Receiver, actions_file, alert, message

NOON = 1_800_014_400.0


class Bench:
    """An engine, its record, and what it calls. ``now``: the time that it sees."""

    def __init__(self, folder: Path, receiver: Receiver, **action: Any) -> None:
        call = {"http": {"url": f"{receiver.url}/call", "timeout": "20s"}}
        kept = {} if "http" in action else call
        file = actions_file(folder, {"name": "act", "alert": {"alertname": "A"}, **kept, **action})
        self.receiver, self.now = receiver, NOON
        self.record = Record(folder)
        self.engine = Engine(load(file), self.record, lambda: self.now)

    def send(self, *alerts: dict[str, Any]) -> None:
        self.engine.take(read_message(message(*alerts)))

    def settle(self, *alerts: dict[str, Any]) -> None:
        """Send alerts, and decide about all that is queued."""
        self.send(*alerts)
        self.engine.decide()

    def kinds(self, number: int = 1) -> list[str]:
        return [entry.kind for entry in self.entries(number)]

    def entries(self, number: int = 1) -> list[Entry]:
        return list(self.record.entries(fingerprint=f"{number:016x}", action="act"))

    def approve(self, user: str, number: int = 1) -> None:
        entry = next(entry for entry in self.entries(number) if entry.kind == "waiting")
        self.engine.answer(entry.details["id"], user, approve=True)
        self.engine.decide()


@contextmanager
def bench(folder: Path, **action: Any) -> Iterator[Bench]:
    with Receiver() as receiver:
        made = Bench(folder, receiver, **action)
        yield made
        made.record.close()


def test_failed_call_is_tried_again_by_repeats(tmp_path: Path) -> None:
    with bench(tmp_path) as made:
        made.receiver.status["/call"] = 500
        for _ in range(5):
            made.settle(alert("A"))
        assert made.kinds() == ["attempt", "failed"] * 3
        assert [entry.who for entry in made.entries()][::2] == ["attempt 1", "attempt 2", "attempt 3"]
        assert "answered 500" in made.entries()[1].details["reason"]
        made.settle(alert("A", 2))
        made.receiver.status["/call"] = 201
        made.settle(alert("A", 2))
        assert made.kinds(2) == ["attempt", "failed", "attempt", "acted"]


@pytest.mark.parametrize("idempotent", [False, True], ids=["once", "idempotent"])
def test_unknown_outcome_is_repeated_only_where_it_may_be(tmp_path: Path, idempotent: bool) -> None:
    with bench(tmp_path, idempotent=idempotent) as made:
        made.receiver.status["/call"] = 504
        made.settle(alert("A"))
        assert made.entries()[-1].details["unknown"] is True
        made.receiver.status["/call"] = 200
        made.settle(alert("A"))
        assert made.kinds() == ["attempt", "failed", *(["attempt", "acted"] if idempotent else [])]


def test_call_without_an_answer_ends_in_its_time(tmp_path: Path) -> None:
    with Receiver() as receiver:
        receiver.status["/slow"] = 0
        with bench(tmp_path, http={"url": f"{receiver.url}/slow", "timeout": "50ms"}) as made:
            made.settle(alert("A"))
            assert made.entries()[-1].details["unknown"] is True


def test_redirect_is_not_followed(tmp_path: Path) -> None:
    with bench(tmp_path) as made:
        made.receiver.status["/call"] = 302
        made.settle(alert("A"))
        assert "a redirect, which is not followed" in made.entries()[-1].details["reason"]
        assert [call.path for call in made.receiver.calls] == ["/call"]


def test_cooldown_is_of_a_model(tmp_path: Path) -> None:
    with bench(tmp_path, cooldown="1h") as made:
        made.settle(alert("A"), alert("A", 2), alert("A", 3, model="churn"))
        assert [made.kinds(number)[-1] for number in (1, 2, 3)] == ["acted", "refused", "acted"]
        made.now += 3599
        made.settle(alert("A", 2))
        assert made.kinds(2) == ["refused"]
        made.now += 2
        made.settle(alert("A", 2))
        assert made.kinds(2) == ["refused", "attempt", "acted"]


def test_limit_per_day_begins_anew_at_midnight_utc(tmp_path: Path) -> None:
    with bench(tmp_path, perDay=2) as made:
        made.settle(alert("A"), alert("A", 2), alert("A", 3))
        assert made.kinds(3) == ["refused"]
        assert made.entries(3)[0].who == "perDay"
        midnight = NOON - NOON % 86400 + 86400
        made.now = midnight - 1
        made.settle(alert("A", 3))
        assert made.kinds(3) == ["refused"]
        made.now = midnight
        made.settle(alert("A", 3))
        assert made.kinds(3) == ["refused", "attempt", "acted"]


def test_dry_run_decides_and_calls_nothing(tmp_path: Path) -> None:
    with bench(tmp_path, dryRun=True, perDay=1) as made:
        made.settle(alert("A"), alert("A"), alert("A", 2))
        assert (made.kinds(), made.kinds(2)) == (["dry_run"], ["refused"])
        assert made.entries()[0].details["call"]["url"] == f"{made.receiver.url}/call"
        assert not made.receiver.calls


def test_end_of_an_alert_acts_where_the_file_says(tmp_path: Path) -> None:
    with bench(tmp_path, alert={"alertname": "A", "state": "resolved", "labels": {"team": "risk"}}) as made:
        made.settle(
            alert("A", team="risk"), alert("A", 2, "resolved"), alert("A", 3, "resolved", team="risk")
        )
        assert [made.kinds(number) for number in (1, 2, 3)] == [[], [], ["attempt", "acted"]]


def test_label_that_is_missing_calls_nothing(tmp_path: Path) -> None:
    body = {"to": "{{ labels.baseline }}"}
    with Receiver() as receiver, bench(tmp_path, http={"url": receiver.url, "body": body}) as made:
        made.settle(alert("A"), alert("A"))
        assert made.kinds() == ["failed"]
        assert made.entries()[0].details["reason"] == "the alert has no labels.baseline"
        assert not receiver.calls


def test_approval_ends_with_its_time(tmp_path: Path) -> None:
    with bench(tmp_path, approval={"by": ["anna", "ben"], "within": "30m", "people": 2}) as made:
        made.settle(alert("A"), alert("A", 2))
        assert [item.action for item in made.engine.waiting()] == ["act", "act"]
        made.approve("anna")
        made.now += 1801
        assert not made.engine.waiting()
        with pytest.raises(RefusedError) as refused:
            made.approve("ben")
        assert refused.value.status == HTTPStatus.GONE
        made.settle(alert("A"), alert("A", 2))
        assert made.kinds() == ["waiting", "approved", "expired", "refused"]
        assert made.kinds(2) == ["waiting", "expired"]
        assert not made.receiver.calls


def test_what_was_approved_is_what_is_called(tmp_path: Path) -> None:
    body = {"why": "{{ annotations.summary }}"}
    with Receiver() as receiver:
        call = {"url": f"{receiver.url}/a", "body": body}
        approval = {"by": ["anna"]}
        with bench(tmp_path, http=call, approval=approval) as made:
            made.settle(alert("A"), alert("A", 2))
            # A repeat with other words changes nothing.
            made.settle({**alert("A"), "annotations": {"summary": "something else"}})
            made.approve("anna")
            assert receiver.calls[0].body == {"why": "it drifts"}
        with bench(tmp_path, http={**call, "url": f"{receiver.url}/b"}, approval=approval) as made:
            made.approve("anna", 2)
            assert "refused" in made.kinds(2)
            assert [call.path for call in receiver.calls] == ["/a"]


def test_alert_that_was_taken_is_acted_on_after_a_restart(tmp_path: Path) -> None:
    with bench(tmp_path) as stopped:
        stopped.send(alert("A"), alert("A", 2), alert("B", 3))
        stopped.send(alert("A", 2, "resolved"))
    with bench(tmp_path) as made:
        made.engine.decide()
        assert (made.kinds(), made.kinds(2)) == (["attempt", "acted"], [])


def test_too_many_alerts_are_refused_whole(tmp_path: Path) -> None:
    with bench(tmp_path) as made:
        for thousand in range(10):
            made.send(*(alert("A", 1000 * thousand + number) for number in range(1000)))
        with pytest.raises(RefusedError, match="too many alerts wait"):
            made.send(alert("B", 20_000), alert("A", 20_001))
        assert len(list(made.record.entries(kind="firing"))) == 10_000
        made.send(alert("B", 20_000), alert("A", 1))


def test_record_is_not_changed_by_half_a_request(tmp_path: Path) -> None:
    record = Record(tmp_path)
    entry = Entry(1.0, "firing", "A", "m", "f", 1.0)

    def half() -> None:
        with record.together():
            record.append(entry)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        half()
    assert not list(record.entries())
    assert (record.append(entry), record.append(entry)) == (True, False)
    assert list(record.entries(alert="A")) == [entry]
    record.close()
