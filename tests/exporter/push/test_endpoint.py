"""The endpoint over real connections: what it answers, and what a sender cannot do to it."""

from __future__ import annotations

import gzip
import json
import os
import re
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from pathlib import Path

import pytest

from exporter.inbox import InboxReader
from exporter.web.push import connection as connections
from exporter.web.push import endpoint as endpoints
from exporter.web.push.answers import Call
from tests.support.pushing import JSON, LINES, Receiving, json_lines, post, raw, receiving

_EVENT = {"specversion": "1.0", "id": "1", "source": "/s", "type": "t", "data": {"score": 0.5}}
_STRUCTURED = {"Content-Type": "application/cloudevents+json"}
_SMALL = b"POST /m HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-ndjson\r\nContent-Length: 2\r\n\r\n{}"


@pytest.fixture
def receiver(tmp_path: Path) -> Iterator[Receiving]:
    with receiving(tmp_path) as running:
        yield running


def test_an_event_is_durable_before_its_answer_and_counts_once(receiver: Receiving) -> None:
    body = json.dumps(_EVENT).encode()
    first = post(receiver.port, "/m", body, _STRUCTURED)
    assert (first.status, json.loads(first.body)) == (200, {"accepted": 1, "repeated": 0})
    assert receiver.lines() == [_EVENT]
    again = post(receiver.port, "/m/", gzip.compress(body), {**_STRUCTURED, "Content-Encoding": "gzip"})
    assert (again.status, json.loads(again.body)) == (200, {"accepted": 0, "repeated": 1})
    assert receiver.lines() == [_EVENT]


def test_a_sink_that_is_taken_away_leaves_no_request_behind(
    receiver: Receiving, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By a reload, while a large request is being parsed."""
    endpoint = receiver.connections.endpoint
    parse = endpoints._parsed

    def parsed(route: endpoints.Route, call: Call) -> object:
        endpoint.routes = {}
        return parse(route, call)

    monkeypatch.setattr(endpoints, "_parsed", parsed)
    body = json_lines(*({"id": n, "text": "x" * 100} for n in range(1000)))
    assert post(receiver.port, "/m", body).status == 404
    assert receiver.lines() == []


def test_refusals_are_in_the_log_once_a_minute_and_without_the_token(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    with receiving(tmp_path, tokens=["secret"]) as receiver:
        right = {**LINES, "Authorization": "Bearer secret"}
        for _ in range(3):
            assert post(receiver.port, "/m", b"{}", {"Authorization": "Bearer guessed"}).status == 401
            assert post(receiver.port, "/m", b"no JSON", right).status == 400
            assert post(receiver.port, "/hidden", b"{}", right).status == 404
        said = "push: {}: refused with {}"
        expected = [said.format("/m", 401), said.format("/m", 400), said.format("another path", 404)]
        assert [
            message[: len(line)] for message, line in zip(caplog.messages, expected, strict=True)
        ] == expected
        monkeypatch.setattr(endpoints, "_SAID_AGAIN_AFTER", 0.0)
        assert post(receiver.port, "/m", b"{}", {"Authorization": "Bearer guessed"}).status == 401
    assert caplog.messages[-1] == (
        "push: /m: refused with 401: expected 'Authorization: Bearer TOKEN' with a token of --push.token-file "
        "(2 more like it since the last message)"
    )
    assert not {"guessed", "secret", "hidden"} & set(re.findall(r"\w+", caplog.text))


def test_a_batch_is_taken_whole_or_not_at_all(receiver: Receiving) -> None:
    batch = {"Content-Type": "application/cloudevents-batch+json"}
    refused = post(receiver.port, "/m", json.dumps([_EVENT, {**_EVENT, "id": ""}]).encode(), batch)
    assert (refused.status, refused.text) == (400, "event 1: id is empty")
    assert receiver.lines() == []
    assert post(receiver.port, "/m", b"[]", batch).status == 200
    two = post(receiver.port, "/m", json.dumps([_EVENT, {**_EVENT, "id": "2"}, _EVENT]).encode(), batch)
    assert json.loads(two.body) == {"accepted": 2, "repeated": 1}


def test_lines_sent_twice_with_a_key_count_once(receiver: Receiving) -> None:
    headers = {**LINES, "Idempotency-Key": "a"}
    for _ in range(2):
        assert post(receiver.port, "/m", json_lines({"id": 1}, {"id": 2}), headers).status == 200
    assert receiver.lines() == [{"id": 1}, {"id": 2}]


def test_otlp_sent_twice_counts_once(receiver: Receiving) -> None:
    body = Path(__file__).with_name("otlp-logs.json").read_bytes()
    for _ in range(2):
        answer = post(receiver.port, "/m/v1/logs", body, JSON)
        assert (answer.status, answer.headers["content-type"], answer.body) == (
            200,
            "application/json",
            b"{}",
        )
    assert [line["body"] for line in receiver.lines()] == ["Example log record"]
    refused = post(receiver.port, "/m/v1/logs", b"{", JSON)
    assert refused.status == 400
    assert "no OTLP logs in JSON" in json.loads(refused.body)["message"]


def test_wrong_methods_paths_and_types_are_said_in_a_line(receiver: Receiving) -> None:
    get = post(receiver.port, "/m", b"", {}, method="GET")
    assert (get.status, get.headers["allow"], get.text) == (405, "POST", "expected POST")
    assert post(receiver.port, "/other", b"{}").status == 404
    wrong = post(receiver.port, "/m", b"a,b", {"Content-Type": "text/csv"})
    assert wrong.status == 415
    assert wrong.text.startswith("Content-Type is 'text/csv', expected one of ")
    assert post(receiver.port, "/m", b"{}", {**LINES, "Content-Encoding": "br"}).status == 415
    assert b"400 Bad Request" in raw(receiver.port, b"no http\r\n\r\n")
    time.sleep(1.2)
    assert receiver.counts() == {"unsupported": 3}


def test_oversized_bodies_are_refused_and_not_kept(receiver: Receiving) -> None:
    big = b"x" * (9 << 20)
    answer = post(receiver.port, "/m", big)
    assert (answer.status, answer.text) == (413, "a body of more than 8 MiB; send fewer events at once")
    bomb = gzip.compress(bytes(64 << 20))
    assert post(receiver.port, "/m", bomb, {**LINES, "Content-Encoding": "gzip"}).status == 413
    # Of unknown length, and one that never comes to its end.
    chunk = b"100000\r\n" + bytes(1 << 20) + b"\r\n"
    head = b"POST /m HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
    assert b" 413 " in raw(receiver.port, head, *[chunk] * 80).split(b"\r\n")[0]
    assert b" 431 " in raw(receiver.port, b"GET / HTTP/1.1\r\nX: " + b"x" * 70_000)
    assert receiver.connections.bodies == 0
    assert post(receiver.port, "/m", b"{}").status == 200
    assert receiver.lines() == [{}]


def test_a_body_that_waits_to_be_asked_for(receiver: Receiving) -> None:
    head = b"POST /m HTTP/1.1\r\nHost: x\r\nConnection: close\r\nExpect: 100-continue\r\n"
    lines = b"Content-Type: application/x-ndjson\r\nContent-Length: %d\r\n\r\n"
    assert raw(receiver.port, head + lines % 2, b"{}").startswith(
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 "
    )
    assert raw(receiver.port, head + lines % (9 << 20)).startswith(b"HTTP/1.1 413 ")


def test_requests_that_do_not_wait_for_answers_are_answered_in_turn(receiver: Receiving) -> None:
    last = _SMALL.replace(b"Host: x", b"Host: x\r\nConnection: close")
    answers = raw(receiver.port, _SMALL * 50 + last)
    assert answers.count(b"HTTP/1.1 200 ") == 51
    assert len(receiver.lines()) == 51
    assert raw(receiver.port, last.replace(b"/1.1", b"/1.0")).startswith(b"HTTP/1.1 200 ")
    upgrade = last.replace(b"Connection: close", b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c")
    assert raw(receiver.port, upgrade).startswith(b"HTTP/1.1 200 ")


def test_a_full_queue_has_senders_wait(tmp_path: Path) -> None:
    with receiving(tmp_path, most_bytes=1000) as receiver:
        assert post(receiver.port, "/m", json_lines({"a": "x" * 900})).status == 200
        full = post(receiver.port, "/m", json_lines({"a": "x" * 900}))
        assert (full.status, full.headers["retry-after"]) == (429, "10")
        assert "1,000 bytes of events wait to be counted" in full.text
        otlp = post(
            receiver.port, "/m/v1/logs", Path(__file__).with_name("otlp-logs.json").read_bytes(), JSON
        )
        assert (otlp.status, otlp.headers["retry-after"]) == (429, "10")
        assert len(receiver.lines()) == 1
        with closing(InboxReader(receiver.inbox)) as reader:
            reader.note_counted(reader.last())
        # The refused request takes along what is counted.
        until = time.monotonic() + 100
        while post(receiver.port, "/m", json_lines({"a": "x" * 900})).status == 429:
            assert time.monotonic() < until
        assert receiver.counts()["queue_full"] >= 2


def test_a_full_disk_refuses_and_loses_nothing(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with receiving(tmp_path) as receiver:
        assert post(receiver.port, "/m", b'{"n": 1}').status == 200
        inbox = receiver.writer._inbox
        assert inbox is not None
        pages = inbox._db.execute("PRAGMA page_count").fetchone()[0]
        inbox._db.execute(f"PRAGMA max_page_count = {pages + 1}")
        full = post(receiver.port, "/m", json_lines({"n": 2, "a": "x" * 100_000}))
        assert (full.status, full.headers["retry-after"]) == (503, "5")
        # A file that is opened again has no such limit.
        assert post(receiver.port, "/m", json_lines({"n": 2})).status == 200
        assert [line["n"] for line in receiver.lines()] == [1, 2]
        assert "database or disk is full; events are refused until it can be written" in caplog.text


def test_an_inbox_whose_lock_cannot_be_opened_refuses_and_goes_on(tmp_path: Path) -> None:
    """As where no descriptor is left: SQLite had the last one."""
    lock = tmp_path / "inbox/predictions.sqlite.lock"
    lock.mkdir(parents=True)
    with receiving(tmp_path) as receiver:
        refused = post(receiver.port, "/m", b"{}")
        assert (refused.status, refused.headers["retry-after"]) == (503, "5")
        lock.rmdir()
        assert post(receiver.port, "/m", b"{}").status == 200


def test_a_damaged_inbox_is_set_aside_and_another_one_begins(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "inbox").mkdir()
    (tmp_path / "inbox/predictions.sqlite").write_bytes(b"no database" * 1000)
    with receiving(tmp_path) as receiver:
        assert post(receiver.port, "/m", b"{}").status == 200
        (aside,) = tmp_path.glob("inbox/*.damaged-*")
        assert aside.read_bytes().startswith(b"no database")
        assert "damaged" in caplog.text


@pytest.mark.slow
def test_senders_need_a_token_which_may_change(tmp_path: Path) -> None:
    with receiving(tmp_path, tokens=["# of the model server", "old-secret", "new-secret"]) as receiver:

        def status(token: str | None) -> int:
            headers = {} if token is None else {"Authorization": token}
            return post(receiver.port, "/m", b"{}", {**LINES, **headers}).status

        assert status("Bearer old-secret") == status("bearer new-secret") == 200
        for wrong in (
            None,
            "Bearer ",
            "Bearer old-secre",
            "Bearer # of the model server",
            "Basic old-secret",
            "x",
        ):
            assert status(wrong) == 401, wrong
        refused = post(receiver.port, "/nowhere", b"x" * (9 << 20))
        assert (refused.status, refused.headers["www-authenticate"]) == (401, 'Bearer realm="mlslo-exporter"')
        (tmp_path / "new").write_text("new-secret\n")
        os.replace(tmp_path / "new", tmp_path / "tokens")  # noqa: PTH105 - as a ConfigMap is replaced
        until = time.monotonic() + 100
        while status("Bearer old-secret") == 200:
            assert time.monotonic() < until
        assert status("Bearer new-secret") == 200
        # A file that cannot be read takes no token away; an empty one is an error of somebody, too.
        (tmp_path / "tokens").write_text("")
        time.sleep(1.2)
        assert status("Bearer new-secret") == 200


def test_slow_senders_hold_up_nobody(receiver: Receiving, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "REQUEST_WITHIN", 0.5)
    with ExitStack() as slow:
        opened = [
            slow.enter_context(socket.create_connection(("127.0.0.1", receiver.port), 20)) for _ in range(40)
        ]
        for number, one in enumerate(opened):
            one.sendall(_SMALL[: 10 + number])
        assert post(receiver.port, "/m", b"{}").status == 200
        for one in opened:
            found = b""
            while more := one.recv(65536):
                found += more
            assert found.startswith(b"HTTP/1.1 408 "), found
            assert b"connection: close" in found


def test_too_many_connections_end_idle_ones_first(
    receiver: Receiving, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "MOST_CONNECTIONS", 3)
    with ExitStack() as stack:

        def opened() -> socket.socket:
            return stack.enter_context(socket.create_connection(("127.0.0.1", receiver.port), 20))

        idle = [opened() for _ in range(3)]
        for one in idle:
            one.sendall(_SMALL)
            assert one.recv(1000).startswith(b"HTTP/1.1 200 ")
        # Each takes the place of the one that was idle longest.
        busy = [opened() for _ in range(3)]
        for one in busy:
            one.sendall(_SMALL[:20])
        assert [one.recv(1000) for one in idle] == [b""] * 3
        time.sleep(0.1)
        with opened() as refused:
            assert refused.recv(1000).startswith(b"HTTP/1.1 503 ")
        busy[0].sendall(_SMALL[20:])
        assert busy[0].recv(1000).startswith(b"HTTP/1.1 200 ")


def test_a_sender_that_goes_away_leaves_nothing(receiver: Receiving) -> None:
    for _ in range(20):
        with socket.create_connection(("127.0.0.1", receiver.port), 20) as one:
            one.sendall(b"POST /m HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\n" + b"x" * 50_000)
    with socket.create_connection(("127.0.0.1", receiver.port), 20) as one:
        one.sendall(_SMALL)
    until = time.monotonic() + 100
    while receiver.connections.open or receiver.connections.bodies:
        assert time.monotonic() < until
        time.sleep(0.01)
    assert post(receiver.port, "/m", b"{}").status == 200


def test_many_senders_at_once_and_each_event_twice(receiver: Receiving) -> None:
    def send(number: int) -> int:
        event = {**_EVENT, "id": str(number % 100)}
        answer = post(receiver.port, "/m", json.dumps(event).encode(), _STRUCTURED)
        return int(json.loads(answer.body)["accepted"])

    with ThreadPoolExecutor(16) as pool:
        assert sum(pool.map(send, range(200))) == 100
    assert sorted(int(line["id"]) for line in receiver.lines()) == list(range(100))
    assert threading.active_count() < 50
