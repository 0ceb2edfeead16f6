"""Attacks on `act` that were open once: each is refused or absorbed."""

from __future__ import annotations

import json
import socket
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import NamedTuple
from urllib.parse import urlsplit

import pytest

from exporter.act import record as record_module
from exporter.act.alerts import read_message
from exporter.act.outcomes import Counters
from exporter.act.record import Entry, Record
from exporter.daemon.logs import visible
from exporter.web.push.answers import RefusedError
from tests.exporter.act.test_door import web_config
from tests.support.acting import TOKEN, Act, Receiver, actions_file, alert, message, until


class Site(NamedTuple):
    """The program, and the file of its token."""

    act: Act
    token: Path
    receiver: Receiver

    def raw(self, lengths: str, body: bytes, path: str = "/alerts", more: str = "") -> bytes:
        """Return the first bytes of the answer to a request with these headers."""
        host = urlsplit(self.act.url)
        assert host.hostname is not None
        head = f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n{more}"
        if not more:
            head += f"Authorization: Bearer {TOKEN}\r\n"
        with socket.create_connection((host.hostname, host.port or 0), timeout=60) as connection:
            connection.sendall(f"{head}{lengths}\r\n".encode() + body)
            return connection.recv(12)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("attacked")
    token = folder / "token"
    token.write_text(f"{TOKEN}\n")
    with Receiver() as receiver:
        http = {"url": f"{receiver.url}/ask"}
        approval = {"by": ["anna"]}
        file = actions_file(
            folder,
            {"name": "ask", "alert": {"alertname": "Ask"}, "http": http, "approval": approval},
            tokenFile="token",
        )
        with Act(folder, file, "--web.config.file", web_config(folder)) as act:
            yield Site(act, token, receiver)


def test_two_lengths_and_one_of_thousands_of_digits_are_answered(site: Site) -> None:
    body = message(alert("Ask", 1))
    length = f"Content-Length: {len(body)}\r\n"
    assert site.raw(f"{length}Content-Length: 0\r\n", body) == b"HTTP/1.1 411"
    assert site.raw(f"Content-Length: {'9' * 5000}\r\n", body) == b"HTTP/1.1 413"
    assert not site.act.entries(fingerprint=f"{1:016x}")
    assert site.raw(length, body) == b"HTTP/1.1 200"


def test_origin_that_is_no_url_is_refused(site: Site) -> None:
    anna = "Authorization: Basic YW5uYTphbm5h\r\nOrigin: http://[\r\n"
    assert site.raw("Content-Length: 2\r\n", b"{}", "/approvals/x", anna) == b"HTTP/1.1 403"


def test_nothing_turns_what_people_approve_around(site: Site) -> None:
    site.act.send(alert("Ask", 2, model="fraud\u202e\x9b31m\0"))
    until(lambda: site.act.entries(kind="waiting", fingerprint=f"{2:016x}"))
    page = site.act.ask("/approvals", user="anna")[1]
    told = site.act.ask("/approvals", user="anna", Accept="application/json")[1]
    for text in (page, told, site.act.log):
        assert r"fraud\u202e\u009b31m\u0000" in text
        assert not {"\u202e", "\x9b", "\0"} & set(text)
    assert any(item["model"] == "fraud\u202e\x9b31m\0" for item in json.loads(told))


def test_token_that_is_taken_away_opens_nothing(site: Site) -> None:
    site.token.write_text("")
    until(lambda: site.act.send(alert("Ask", 3))[0] == 503)
    assert site.act.ask("/alerts", message(alert("Ask", 4)), Authorization="Bearer ")[0] == 401
    site.token.unlink()
    assert site.act.send(alert("Ask", 4))[0] == 503
    assert not site.act.entries(fingerprint=f"{4:016x}")
    site.token.write_text(f"{TOKEN}\n")
    until(lambda: site.act.send(alert("Ask", 4))[0] == 200)


@pytest.mark.parametrize("between", ["\n", "\r", " ", "é", "/"], ids=["lf", "cr", "space", "letter", "slash"])
def test_time_that_no_header_can_hold_is_refused(between: str) -> None:
    sent = {**alert("Ask"), "startsAt": f"2026-11-30{between}20:00:00Z"}
    with pytest.raises(RefusedError, match="startsAt"):
        read_message(message(sent))


@pytest.mark.parametrize(
    "time", ["2026-11-30T20:00:00.123456789+01:00", "2026-11-30T20:00:00Z"], ids=["ns", "s"]
)
def test_time_of_alertmanager_is_taken(time: str) -> None:
    assert read_message(message({**alert("Ask"), "startsAt": time})).alerts[0].starts_at == time


def test_sender_does_not_choose_how_many_series_there_are(tmp_path: Path) -> None:
    record = Record(tmp_path)
    with record.together():
        for number in range(1100):
            record.append(Entry(1.0, "firing", f"A{number}" + "x" * 500, "m", f"{number}", 1.0))
    series = Counters(record, [], 2.0).series(2.0)
    began = series["ml_alert_episodes_total"]
    assert len(began) == 1001
    assert began["", "other"] == 100
    assert sum(began.values()) == 1100
    assert len(series["ml_alert_actions_total"]) == 4004
    assert max(len(name) for _, name in began) == 200
    record.close()


def test_storm_makes_no_look_at_one_episode_slow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    steps: list[int] = []

    def connect(*arguments: object, **options: object) -> sqlite3.Connection:
        connection = sqlite3.connect(*arguments, **options)  # type: ignore[call-overload]
        connection.set_progress_handler(lambda: steps.append(1), 1000)
        assert isinstance(connection, sqlite3.Connection)
        return connection

    monkeypatch.setattr(record_module, "sqlite3", SimpleNamespace(Error=sqlite3.Error, connect=connect))
    record = Record(tmp_path)
    with record.together():
        for number in range(2000):
            record.append(Entry(1.0, "waiting", "A", "m", f"{number}", 1.0, action="ask"))
    steps.clear()
    assert len(list(record.entries(fingerprint="7", started=1.0, action="ask"))) == 1
    assert not list(record.entries(fingerprint="7", started=1.0, kind="resolved"))
    assert not steps
    record.close()


def test_line_breaks_stay() -> None:
    assert visible("a\nÄ東\t") == "a\nÄ東\\u0009"
