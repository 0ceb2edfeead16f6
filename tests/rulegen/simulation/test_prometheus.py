"""What the simulation says that Prometheus sends is what a real one sends."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import yaml

from rulegen.simulation.alert import Labels
from rulegen.simulation.prometheus import Firing
from rulegen.simulation.prometheus import Prometheus as Simulated
from tests.support.prometheus import Prometheus
from tests.support.turns import unless_late

pytestmark = [pytest.mark.chain, pytest.mark.xdist_group("real programs")]

# Of every 8 seconds it fires for 4; evaluated and sent again every second or so, as
# `tests.support.prometheus` asks for.
PERIOD, FIRES = 8, 4
RESEND = 2000


class Listener(BaseHTTPRequestHandler):
    """Takes what is meant for an Alertmanager."""

    received: list[dict[str, Any]]

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.received.extend(json.loads(body))
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: Any) -> None: ...


@pytest.fixture
def listening() -> Iterator[tuple[str, list[dict[str, Any]]]]:
    received: list[dict[str, Any]] = []
    handler = type("Handler", (Listener,), {"received": received})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
    yield f"127.0.0.1:{server.server_address[1]}", received
    server.shutdown()
    server.server_close()


@unless_late(0.3)
def test_a_real_prometheus_sends_the_same(
    tmp_path: Path, listening: tuple[str, list[dict[str, Any]]]
) -> None:
    address, received = listening
    rule = {"alert": "A", "expr": f"vector(time()) % {PERIOD} < {FIRES}", "labels": {"model": "fraud"}}
    rules = tmp_path / "rules.yaml"
    rules.write_text(yaml.safe_dump({"groups": [{"name": "g", "rules": [rule]}]}))

    def starts() -> list[int]:
        return sorted({_milliseconds(message["startsAt"]) for message in list(received)})

    with Prometheus(tmp_path / "prometheus", [rules], [], [address]):
        deadline = time.monotonic() + 100
        # The first ones may have been sent before it knew whom to; one more has to be heard from its start on.
        while len(starts()) < 3:
            assert time.monotonic() < deadline
            time.sleep(0.2)
    _, second, third = starts()[-3:]
    found = [
        (_milliseconds(message["startsAt"]) - second, _milliseconds(message["endsAt"]) - second)
        for message in received
        if _milliseconds(message["startsAt"]) == second
    ]
    (ended,) = {end for _, end in found[-2:]}
    assert ended in (FIRES * 1000 - 1000, FIRES * 1000, FIRES * 1000 + 1000)
    simulated = Simulated(interval=1000, resend_delay=RESEND)
    firing = Firing(Labels({"alertname": "A"}), [(0, ended), (third - second, 10**6)])
    messages = simulated.messages([firing], third - second + 1)
    expected = [(message.starts, message.ends) for message in messages if message.starts == 0]
    assert found == expected
    # Sent again after more than the delay, over three seconds and not two; ends are repeated.
    assert len({end for _, end in found if end != ended}) == -(-ended // 3000)
    assert [end for _, end in found].count(ended) > 1


def _milliseconds(time_: str) -> int:
    return round(datetime.fromisoformat(time_).timestamp() * 1000)


def test_ends_are_repeated_for_15_minutes() -> None:
    """As in rules/alerting.go of 2.42: resolvedRetention."""
    firing = Firing(Labels({"alertname": "A"}), [(0, 60_000)])
    sent = Simulated().messages([firing], 10**8)
    assert [message.updated // 60_000 for message in sent] == [0, 1, 3, 5, 7, 9, 11, 13, 15]
    assert {message.ends for message in sent[1:]} == {60_000}
    unreachable = Simulated().messages([firing], 10**8, [(0, 5 * 60_000)])
    assert [message.updated // 60_000 for message in unreachable] == [5, 7, 9, 11, 13, 15]


def test_what_happens_between_evaluations_is_not_seen() -> None:
    slow = replace(Simulated(), interval=300_000)
    firing = Firing(Labels({"alertname": "A"}), [(1000, 299_000), (300_000, 400_000), (500_000, 900_000)])
    sent = slow.messages([firing], 1_000_000)
    assert [(message.starts, message.ends, message.updated) for message in sent] == [
        (300_000, 1_500_000, 300_000),
        (300_000, 1_800_000, 600_000),
        (300_000, 900_000, 900_000),
    ]
