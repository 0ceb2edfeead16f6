"""The process of the push endpoint as the exporter keeps it: what it says, and when it cannot begin."""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import msgspec
import pytest

from exporter.daemon.logs import RateLimit
from exporter.daemon.models import PushedLog
from exporter.web.listening import listening
from exporter.web.push import supervisor
from exporter.web.push.process import Message
from exporter.web.push.supervisor import Receiver


def wait_for(found: Callable[[], object]) -> None:
    deadline = time.monotonic() + 30
    while not found():
        assert time.monotonic() < deadline
        time.sleep(0.02)


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
