"""The process of the push endpoint as the exporter keeps it: what it says, and when it cannot begin."""

from __future__ import annotations

import asyncio
import http.client
import logging
import os
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import msgspec
import pytest
import yaml

from exporter.daemon.logs import RateLimit
from exporter.daemon.models import PushedLog
from exporter.web.http_server import listening
from exporter.web.push import process, supervisor
from exporter.web.push.process import Message
from exporter.web.push.supervisor import Receiver
from tests.support.web import certificate


def wait_for(found: Callable[[], object]) -> None:
    deadline = time.monotonic() + 100
    while not found():
        assert time.monotonic() < deadline
        time.sleep(0.02)


@contextmanager
def listening_with(config: Path) -> Iterator[int]:
    """What the process does with a web configuration, in this one; gives its port."""
    loop = asyncio.new_event_loop()
    with closing(listening(("127.0.0.1", 0), 16)) as known:
        port = int(known.getsockname()[1])

        async def begin() -> process._Receiver:
            found = process._Receiver(process.Configuration(os.dup(known.fileno()), [], None, str(config)))
            await found.listen()
            return found

        found = loop.run_until_complete(begin())
        thread = threading.Thread(target=loop.run_until_complete, args=[found.run()])
        thread.start()
        try:
            yield port
        finally:
            loop.call_soon_threadsafe(found.end)
            thread.join()
            loop.close()


def answer(port: int, context: ssl.SSLContext | None) -> int:
    """Return the status of a request; 0 where the connection is refused, or ended."""
    connection = (
        http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        if context is None
        else http.client.HTTPSConnection("localhost", port, timeout=20, context=context)
    )
    with closing(connection):
        try:
            connection.request("POST", "/none", b"")
            return connection.getresponse().status
        except (OSError, http.client.HTTPException):
            return 0


def trusting(folder: Path, client: str | None = None) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=folder / "ca.pem")
    if client is not None:
        context.load_cert_chain(folder / f"{client}.pem", folder / f"{client}.key")
    return context


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("certificates")
    certificate(folder, "ca")
    certificate(folder, "server", "DNS:localhost", issuer="ca")
    certificate(folder, "sender", "DNS:sender", issuer="ca")
    certificate(folder, "other", "DNS:other", issuer="ca")
    return folder


TLS = {"cert_file": "server.pem", "key_file": "server.key"}


def test_names_of_clients_are_those_of_the_web_configuration(certificates: Path) -> None:
    config = certificates / "names.yaml"
    verified = {"client_ca_file": "ca.pem", "client_auth_type": "RequireAndVerifyClientCert"}
    config.write_text(
        yaml.safe_dump({"tls_server_config": {**TLS, **verified, "client_allowed_sans": ["sender"]}})
    )
    with listening_with(config) as port:
        found = [answer(port, trusting(certificates, name)) for name in ("sender", "other", None)]
    assert found == [404, 0, 0]


def test_a_configuration_that_takes_tls_away_changes_nothing(
    certificates: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """It looks like that while it is being written; events and tokens would come in the open."""
    monkeypatch.setattr(process, "_CERTIFICATES_LOOKED_AT_EVERY", 0.02)
    config = certificates / "web.yaml"
    config.write_text(yaml.safe_dump({"tls_server_config": TLS}))
    with listening_with(config) as port:
        assert answer(port, trusting(certificates)) == 404
        config.write_text("rate_limit: {interval: 1s, burst: 1}")
        wait_for(lambda: "the old one stays in force" in caplog.text)
        assert answer(port, None) == 0
        assert answer(port, trusting(certificates)) == 404
        other = {"cert_file": "other.pem", "key_file": "other.key"}
        config.write_text(yaml.safe_dump({"tls_server_config": other}))
        # It is of another name.
        wait_for(lambda: answer(port, trusting(certificates)) == 0)


@pytest.fixture
def receiver() -> Receiver:
    """A receiver of nothing yet."""
    return Receiver(("127.0.0.1", 0), list)


def test_a_message_that_repeats_leaves_room_for_others(
    receiver: Receiver, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.handler.addFilter(RateLimit())
    ours, theirs = os.pipe()
    messages = [Message(logging.ERROR, "no room 100 %")] * 50 + [Message(logging.ERROR, "set aside", 7)]
    os.write(theirs, b"".join(msgspec.json.encode(message) + b"\n" for message in messages))
    os.close(theirs)
    try:
        receiver._log(os.fdopen(ours, "rb"))
    finally:
        caplog.handler.filters.clear()
        receiver.stop()
    assert caplog.messages.count("no room 100 %") == 10
    assert caplog.messages[-1] == "set aside"
    assert caplog.records[-1].fields == {"suppressed": 7}  # type: ignore[attr-defined]


@pytest.mark.slow
def test_a_configuration_that_went_wrong_is_said_in_one_line(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "web.yaml").write_text("tls_server_config: {cert_file: gone}")
    log = PushedLog("/m", tmp_path / "inbox/m/predictions.sqlite", 1 << 20)
    receiver = Receiver(("127.0.0.1", 0), lambda: [log], web_config=tmp_path / "web.yaml")
    try:
        # It was not waited for.
        assert receiver._process is not None
        assert receiver._process.poll() == 1
        wait_for(lambda: "push receiver: ended with code 1; it is started again" in caplog.messages)
    finally:
        receiver.stop()
    assert any(line.startswith(f"push: {tmp_path}/web.yaml:1:") for line in caplog.messages)
    assert capfd.readouterr().err == ""


def test_an_address_that_is_taken_later_is_said_once(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A model that comes by a reload is the first that has a push sink."""
    monkeypatch.setattr(supervisor, "_LOOKS_EVERY", 0.01)
    monkeypatch.setattr(supervisor, "_LONGEST_PAUSE", 0.01)
    logs: list[PushedLog] = []
    asked = threading.Semaphore(0)

    def asking() -> list[PushedLog]:
        asked.release()
        return logs

    with closing(listening(("127.0.0.1", 0), 1)) as taken:
        port = taken.getsockname()[1]
        receiver = Receiver(("127.0.0.1", port), asking)
        try:
            logs.append(PushedLog("/m", tmp_path / "inbox/m/predictions.sqlite", 1 << 20))
            for _ in range(10):
                assert asked.acquire(timeout=30)
        finally:
            receiver.stop()
    assert caplog.messages == [f"push receiver: 127.0.0.1:{port}: Address already in use"]
