"""The stand-ins answer and refuse as the real services do, and show what a person would see."""

# ruff: noqa: E501 - one line a case
import json
import re
import signal
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from http.client import HTTPConnection
from typing import Any
from urllib.parse import urlsplit

import pytest

from examples.standins import Standins, headline, render
from tests.support.paths import ROOT

SCRIPT = ROOT / "examples" / "standins.py"
KEY = "0123456789abcdef0123456789abcdef"


@pytest.fixture
def standins() -> Iterator[Standins]:
    with Standins() as standins:
        yield standins


def post(url: str, body: Any) -> tuple[int, str]:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    request = urllib.request.Request(url, content, {"Content-Type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


def event(action: str = "trigger", key: str = "incident", **changes: Any) -> dict[str, Any]:
    payload = {"summary": "it broke", "source": "fraud", "severity": "critical"}
    whole = {"routing_key": KEY, "event_action": action, "dedup_key": key, "payload": payload}
    return {name: value for name, value in {**whole, **changes}.items() if value is not None}


def test_slack_says_ok(standins: Standins) -> None:
    message = {"channel": "#a", "attachments": [{"title": "t", "text": "1 &lt; 2 <http://x/y|Runbook>"}]}
    assert post(standins.slack_url, message) == (200, "ok")
    [delivery] = standins.deliveries
    assert (delivery.kind, delivery.payload, headline(delivery)) == ("slack", message, "t")
    assert render(delivery).splitlines()[1:] == ["│ t", "│ 1 < 2 Runbook", "└─"]


@pytest.mark.parametrize(("body", "said"), [({"channel": "#a"}, "no_text"), (b"{", "invalid_payload")])
def test_slack_refuses(body: Any, said: str, standins: Standins) -> None:
    assert post(standins.slack_url, body) == (400, said)
    assert standins.deliveries == []
    assert standins.refused == [("slack", said)]


def test_an_incident_is_opened_once_updated_and_resolved(standins: Standins) -> None:
    status, answer = post(standins.pagerduty_url, event())
    assert status == 202
    assert json.loads(answer) == {
        "status": "success",
        "message": "Event processed",
        "dedup_key": "incident",
    }
    post(standins.pagerduty_url, event())
    assert standins.open_incidents == {"incident": "it broke"}
    post(standins.pagerduty_url, event("resolve"))
    post(standins.pagerduty_url, event("resolve"))
    effects = [delivery.effect for delivery in standins.deliveries]
    assert effects == ["triggered", "updated", "resolved", "nothing"]
    assert standins.open_incidents == {}
    assert "PAGE · critical" in render(standins.deliveries[0])
    assert "RESOLVED" in render(standins.deliveries[2])


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (event(routing_key="short"), "'routing_key' is missing or is not 32 letters and digits"),
        (event(routing_key=None), "'routing_key' is missing or is not 32 letters and digits"),
        (event("open"), "'event_action' must be one of trigger, acknowledge, resolve"),
        (event("resolve", dedup_key=None), "'dedup_key' is missing"),
        (event(key="k" * 256), "'dedup_key' is longer than 255 characters"),
        (event(payload=None), "'payload' is missing"),
        (event(payload={"summary": "s", "source": "", "severity": "info"}), "'payload.source' is missing or blank"),
        (event(payload={"source": "s", "severity": "info"}), "'payload.summary' is missing or blank"),
        (event(payload={"summary": "s", "source": "s", "severity": "P1"}), "'payload.severity' must be one of critical, error, warning, info"),
        (event(payload={"summary": "s" * 1025, "source": "s", "severity": "info"}), "'payload.summary' is longer than 1024 characters"),
        (b"[]", "body is not a JSON object"),
    ],
)  # fmt: skip
def test_pagerduty_refuses(body: Any, said: str, standins: Standins) -> None:
    status, answer = post(standins.pagerduty_url, body)
    assert status == 400
    assert json.loads(answer) == {
        "status": "invalid event",
        "message": "Event object is invalid",
        "errors": [said],
    }
    assert standins.deliveries == []


def test_too_much_is_refused_unread(standins: Standins) -> None:
    url = urlsplit(standins.pagerduty_url)
    connection = HTTPConnection(str(url.hostname), url.port, timeout=60)
    with closing(connection):
        # Only the head is sent: a refused body meets a closed connection, at a moment that nobody fixes.
        connection.putrequest("POST", url.path)
        connection.putheader("Content-Length", str(512 * 1024 + 1))
        connection.endheaders()
        assert connection.getresponse().status == 413


def test_a_dead_mans_switch_takes_anything(standins: Standins) -> None:
    assert post(standins.webhook_url, b"")[0] == 200
    alerts = [{"labels": {"alertname": "Watchdog"}}]
    post(standins.webhook_url, {"status": "firing", "alerts": alerts})
    with urllib.request.urlopen(standins.webhook_url, timeout=60) as answer:
        assert answer.status == 200
    assert [headline(delivery) for delivery in standins.deliveries] == ["ping", "firing Watchdog", "ping"]
    assert "firing Watchdog" in render(standins.deliveries[1])


def test_a_deployer_is_told_what_to_deploy(standins: Standins) -> None:
    assert post(standins.deployer_url, {"model": "diabetes"})[0] == 400
    assert post(standins.deployer_url, {"model": "diabetes", "version": "1.1.1"})[0] == 202
    assert [headline(delivery) for delivery in standins.deliveries] == ["deploy diabetes 1.1.1"]
    assert "deployer · " in render(standins.deliveries[0])


def test_nothing_else_is_there(standins: Standins) -> None:
    assert post(f"{standins.url}/elsewhere", {})[0] == 404


def test_what_is_waited_for_may_come_later_or_be_there(standins: Standins) -> None:
    later = threading.Timer(0.2, post, (standins.pagerduty_url, event()))
    later.start()
    assert standins.wait_for(lambda delivery: delivery.effect == "triggered", timeout=60)
    assert standins.wait_for(lambda delivery: delivery.effect == "triggered", timeout=0)
    later.join()


def test_what_did_arrive_is_named_when_the_wait_is_over(standins: Standins) -> None:
    post(standins.pagerduty_url, event())
    post(standins.slack_url, {})
    with pytest.raises(TimeoutError, match=r"pagerduty: it broke\n.*refused by slack: no_text"):
        standins.wait_for(lambda delivery: delivery.kind == "slack", timeout=0.05)


def test_nothing_is_lost_when_many_send_at_once(standins: Standins) -> None:
    with ThreadPoolExecutor(8) as senders:
        list(senders.map(lambda number: post(standins.pagerduty_url, event(key=str(number))), range(80)))
    assert len(standins.deliveries) == 80
    assert len(standins.open_incidents) == 80


def test_as_a_script_it_prints_what_arrives_and_leaves_when_told_to() -> None:
    command = [sys.executable, str(SCRIPT)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as script:
        assert script.stdout is not None
        assert script.stderr is not None
        addresses = "".join(script.stdout.readline() for _ in range(4))
        found = re.search(r"PagerDuty +(http://127\.0\.0\.1:[0-9]+/v2/enqueue)", addresses)
        assert found
        post(found[1], event())
        assert "PagerDuty" in script.stdout.readline()
        assert "PAGE · critical" in script.stdout.readline()
        script.send_signal(signal.SIGTERM)
        assert script.wait(60) == 0
        assert script.stderr.read() == ""


def test_a_port_that_is_taken_is_said_so(standins: Standins) -> None:
    port = standins.url.rpartition(":")[2]
    answer = subprocess.run(
        [sys.executable, SCRIPT, "--port", port], capture_output=True, text=True, timeout=30, check=False
    )
    assert answer.returncode == 2
    assert answer.stderr.startswith(f"cannot listen on port {port}: ")
    assert "Traceback" not in answer.stderr
