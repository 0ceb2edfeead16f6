"""Scrapes that are slow, broken, hostile or many: the pages stay there for everybody else."""

from __future__ import annotations

import errno
import gzip
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import pytest

from exporter.measure.exposition import Page, Snapshot
from exporter.web.connections import MOST, Connections, Phase
from exporter.web.http_server import listening
from exporter.web.server import Server
from tests.support.web import answered, ask, connect, pages

SCRAPE = "GET /metrics HTTP/1.1\nHost: x\n\n"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with pages(tmp_path_factory.mktemp("pages")) as running:
        yield running


def test_without_ipv6_it_listens_on_all_addresses(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """As on a node that was started without it."""
    created = socket.socket

    def refusing(family: int = -1, *others: Any, **named: Any) -> socket.socket:
        if family == socket.AF_INET6:
            raise OSError(errno.EAFNOSUPPORT, "Address family not supported by protocol")
        return created(family, *others, **named)

    monkeypatch.setattr("socket.socket", refusing)
    with Server(("", 0), server.watched) as other:
        assert other.socket.getsockname()[0] == "0.0.0.0"
        assert other.url.startswith("http://localhost:")


def test_a_host_that_there_is_not_is_said_so() -> None:
    with pytest.raises(OSError) as raised:
        listening(("nohost.invalid", 0), 1)
    assert "nown" in str(raised.value.strerror) or "resolution" in str(raised.value.strerror)
    assert "while" not in str(raised.value.strerror)


def status(server: Server, request: str) -> int:
    with connect(server) as connection:
        return ask(connection, request)[0]


def eventually(server: Server, number: int) -> None:
    """Wait until so many connections are open."""
    deadline = time.monotonic() + 100
    while len(server.connections._open) != number:
        assert time.monotonic() < deadline, len(server.connections._open)
        time.sleep(0.01)


def test_a_connection_is_kept_for_the_next_scrape(server: Server) -> None:
    with connect(server) as connection:
        for _ in range(3):
            code, headers, body = ask(connection, SCRAPE)
            assert (code, int(headers["content-length"])) == (200, len(body))
        code, headers, body = ask(connection, SCRAPE.replace("GET", "HEAD"))
        assert (code, body) == (200, b"")
        assert int(headers["content-length"]) > 0
        assert ask(connection, SCRAPE)[0] == 200


def test_old_clients_are_served(server: Server) -> None:
    assert status(server, "GET /metrics HTTP/1.0\n\n") == 200
    assert status(server, "GET /metrics HTTP/1.1\nHost: x\nConnection: close\n\n") == 200


@pytest.mark.parametrize(
    ("target", "code"),
    [
        ("/metrics?x=1", 200),
        ("//metrics", 200),
        ("/metrics/", 200),
        ("/./metrics", 200),
        ("/-/../metrics", 200),
        ("/%6detrics", 200),
        ("http://elsewhere/metrics", 200),
        ("/../../etc/passwd", 404),
        ("/metrics/../state/m.sqlite", 404),
        ("/%2e%2e/%00", 404),
        ("*", 404),
        ("http://[/metrics", 404),
    ],
)
def test_a_path_is_normalised(server: Server, target: str, code: int) -> None:
    assert status(server, SCRAPE.replace("/metrics", target, 1)) == code


@pytest.mark.parametrize(
    ("request_text", "code"),
    [
        (f"GET /{'x' * 70_000} HTTP/1.1\n\n", 414),
        (f"GET / HTTP/1.1\nX: {'x' * 40_000}\n\n", 431),
        ("GET / HTTP/1.1\n" + "X: y\n" * 200 + "\n", 431),
        ("GET / HTTP/1.1\n" + f"X: {'x' * 10_000}\n" * 9 + "\n", 431),
        ("GET / HTTP/9.1\n\n", 505),
        ("nonsense\n\n", 400),
        ("DELETE /metrics HTTP/1.1\nHost: x\n\n", 501),
        ("GET /-/reload HTTP/1.1\nHost: x\n\n", 405),
    ],
)
def test_what_is_too_large_or_wrong_is_refused(server: Server, request_text: str, code: int) -> None:
    with connect(server) as connection:
        sender = threading.Thread(target=send, args=(connection, request_text))
        sender.start()
        assert answered(connection)[0] == code
        sender.join()
    assert status(server, SCRAPE) == 200


def send(connection: socket.socket, text: str) -> None:
    # It may be refused before all of it is there.
    with suppress(OSError):
        connection.sendall(text.replace("\n", "\r\n").encode())


def test_a_body_is_not_the_next_request(server: Server) -> None:
    smuggled = "GET /-/ready HTTP/1.1\n\n"
    request = f"GET /metrics HTTP/1.1\nHost: x\nContent-Length: {len(smuggled) + 2}\n\n{smuggled}"
    with connect(server) as connection:
        code, headers, _ = ask(connection, request)
        assert (code, headers["connection"]) == (200, "close")
        connection.settimeout(20)
        try:
            rest = connection.recv(65536)
        except ConnectionError:
            rest = b""
        assert b"HTTP/1.1" not in rest


@pytest.mark.parametrize(
    ("accepted", "compressed"),
    [
        ("gzip", True),
        ("deflate, GZIP;q=0.5", True),
        ("gzip;q=0", False),
        ("gzip; q=0.0", False),
        ("x-gzip", False),
        ("", False),
    ],
)
def test_gzip_is_negotiated(server: Server, accepted: str, compressed: bool) -> None:
    with connect(server) as connection:
        _, headers, body = ask(connection, SCRAPE.replace("\n\n", f"\nAccept-Encoding: {accepted}\n\n"))
    assert (headers.get("content-encoding") == "gzip") is compressed
    text = gzip.decompress(body) if compressed else body
    assert text.startswith(b"# HELP ")


def test_many_idle_clients_keep_nobody_out(server: Server) -> None:
    """Those that say nothing, and those that say a little."""
    idle = [connect(server) for _ in range(3 * MOST)]
    try:
        for number, connection in enumerate(idle):
            send(connection, "GET /metrics HTTP/1.1\nX" if number % 2 else "")
        for _ in range(5):
            assert status(server, SCRAPE) == 200
        assert len(server.connections._open) <= MOST
        # Threads end with them.
        assert sum(thread.name.startswith("Thread-") for thread in threading.enumerate()) < 2 * MOST
    finally:
        for connection in idle:
            connection.close()
    eventually(server, 0)


@pytest.mark.slow
def test_a_client_that_sends_a_byte_now_and_then_is_cut_off(server: Server) -> None:
    """However lively it is: the request as a whole has a time."""
    with connect(server) as slow:
        slow.sendall(b"GET /metrics HTTP/1.1\r\n")
        eventually(server, 1)
        (one,) = server.connections._open.values()
        deadline = time.monotonic() + 100
        while one.phase is not Phase.REQUEST:
            assert time.monotonic() < deadline
            time.sleep(0.01)
        one.since -= Phase.REQUEST.value
        slow.sendall(b"X: y\r\n")
        with pytest.raises(ConnectionError):
            answered(slow)


def test_a_scrape_that_is_broken_off_or_never_read_harms_nobody(server: Server) -> None:
    many: dict[tuple[str, ...], float] = {("m", f"v{number}"): 1.0 for number in range(60_000)}
    before = server.watched.page
    server.watched.page = Page([Snapshot("m", {"ml_predictions_total": many}, {})], {})
    try:
        unread = []
        for number in range(20):
            connection = connect(server)
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            send(connection, SCRAPE)
            if number % 2:
                connection.close()
            else:
                unread.append(connection)
        with connect(server) as connection:
            code, _, body = ask(connection, SCRAPE)
            assert code == 200
            assert body.count(b"\nml_predictions_total{") == 60_000
        for connection in unread:
            connection.close()
        eventually(server, 0)
    finally:
        server.watched.page = before


def test_a_reader_that_is_too_slow_is_cut_off() -> None:
    known = Connections(most=2)
    pair = socket.socketpair()
    try:
        assert known.admit(pair[0])
        connection = known.of(pair[0])
        connection.enter(Phase.ANSWER)
        known.reap()
        pair[0].send(b"x")
        connection.since -= Phase.ANSWER.value + 1
        known.reap()
        with pytest.raises(BrokenPipeError):
            pair[0].send(b"x")
    finally:
        for end in pair:
            end.close()


def test_where_all_are_being_answered_the_next_is_refused() -> None:
    known = Connections(most=2)
    pairs = [socket.socketpair() for _ in range(3)]
    try:
        for left, _ in pairs[:2]:
            assert known.admit(left)
            known.of(left).enter(Phase.ANSWER)
        assert not known.admit(pairs[2][0])
        known.release(pairs[0][0])
        assert known.admit(pairs[2][0])
    finally:
        for pair in pairs:
            for end in pair:
                end.close()


def test_without_descriptors_it_waits_for_them(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """It does not ask again and again, and serves as soon as there are some."""
    asked = []
    accept = socket.socket.accept

    def exhausted(listener: socket.socket) -> tuple[socket.socket, object]:
        asked.append(time.monotonic())
        if len(asked) <= 2:
            raise OSError(errno.EMFILE, "Too many open files")
        return accept(listener)

    monkeypatch.setattr(socket.socket, "accept", exhausted)
    assert status(server, SCRAPE) == 200
    assert len(asked) == 3
    assert asked[2] - asked[0] >= 0.4
