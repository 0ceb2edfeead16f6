"""Signed callbacks: who acknowledged what; what is unsigned, wrongly signed or of another time is refused."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest

from exporter.act.callbacks import READERS, Acknowledgement, acknowledge, of_pagerduty, of_slack
from exporter.act.record import Entry, Record
from exporter.web.push.answers import RefusedError

SECRET = b"hush"
NOW = 1_764_500_000.0
KEY = "0123456789abcdef" * 4


def pagerduty(secret: bytes = SECRET, **changed: Any) -> tuple[dict[str, str], bytes]:
    """Return a webhook as the documentation has it."""
    event = {
        "id": "01BX5ZZKBKACTAV9WEVGEMMVRZ",
        "event_type": "incident.acknowledged",
        "resource_type": "incident",
        "occurred_at": datetime.fromtimestamp(NOW, UTC).isoformat().replace("+00:00", "Z"),
        "agent": {"id": "PLH1HKV", "summary": "Anna Berg", "type": "user_reference"},
        "client": None,
        "data": {"id": "PGR0VU2", "type": "incident", "status": "acknowledged", "incident_key": KEY},
        **changed,
    }
    body = json.dumps({"event": event}).encode()
    digest = hmac.new(secret, body, hashlib.sha256).hexdigest()
    return {"x-pagerduty-signature": f"v1={'0' * 64},v1={digest}"}, body


def slack(secret: bytes = SECRET, sent: float = NOW, **changed: Any) -> tuple[dict[str, str], bytes]:
    """Return a pressed button of a message of Alertmanager's, as the documentation has it."""
    payload = {
        "type": "interactive_message",
        "actions": [{"name": "acknowledge", "type": "button", "value": "aa bb "}],
        "callback_id": "mlslo",
        "user": {"id": "U045VRZFT", "name": "ben"},
        "action_ts": f"{sent:f}",
        **changed,
    }
    body = urlencode({"payload": json.dumps(payload)}).encode()
    digest = hmac.new(secret, b"v0:%d:" % sent + body, hashlib.sha256).hexdigest()
    return {"x-slack-signature": f"v0={digest}", "x-slack-request-timestamp": f"{sent:.0f}"}, body


BLOCKS = {
    "type": "block_actions",
    "user": {"id": "U045VRZFT", "username": "ben", "name": "ben"},
    "actions": [
        {"type": "button", "action_id": "acknowledge", "block_id": "b", "value": "aa bb", "action_ts": "1.2"}
    ],
}


def test_pagerduty_says_who_acknowledged_which_incident() -> None:
    assert of_pagerduty(*pagerduty(), SECRET, NOW) == Acknowledgement("pagerduty", "Anna Berg", NOW, key=KEY)
    nobody = of_pagerduty(*pagerduty(agent=None), SECRET, NOW)
    assert nobody is not None
    assert nobody.who == "PagerDuty"


@pytest.mark.parametrize("event", ["incident.resolved", "pagey.ping"])
def test_other_events_of_pagerduty_are_none(event: str) -> None:
    assert of_pagerduty(*pagerduty(event_type=event), SECRET, NOW) is None


@pytest.mark.parametrize("payload", [{}, BLOCKS], ids=["attachment", "blocks"])
def test_slack_says_who_pressed_the_button_of_which_alerts(payload: dict[str, Any]) -> None:
    found = of_slack(*slack(**payload), SECRET, NOW)
    assert found == Acknowledgement("slack", "ben", NOW, fingerprints=["aa", "bb"])


@pytest.mark.parametrize(("source", "seconds"), [("pagerduty", 86_400), ("slack", 300)])
def test_what_was_sent_before_is_refused(source: str, seconds: int) -> None:
    request = pagerduty() if source == "pagerduty" else slack()
    for late in (-seconds, seconds):
        assert READERS[source](*request, SECRET, NOW + late) is not None
    for late in (-seconds - 1, seconds + 1):
        with pytest.raises(RefusedError) as refused:
            READERS[source](*request, SECRET, NOW + late)
        assert (refused.value.status, refused.value.reason) == (403, "replayed")


@pytest.mark.parametrize("source", ["pagerduty", "slack"])
@pytest.mark.parametrize(
    ("attack", "status", "reason"),
    [
        ("unsigned", 401, "unsigned"),
        ("other secret", 403, "wrong_signature"),
        ("other body", 403, "wrong_signature"),
        ("other version", 403, "wrong_signature"),
        ("not ascii", 403, "wrong_signature"),
        ("not json", 400, "malformed"),
        ("not an object", 400, "malformed"),
    ],
)
def test_what_is_not_signed_by_the_secret_is_refused(
    source: str, attack: str, status: int, reason: str
) -> None:
    make = pagerduty if source == "pagerduty" else slack
    headers, body = make(secret=b"guess" if attack == "other secret" else SECRET)
    name = f"x-{source}-signature"
    match attack:
        case "unsigned":
            del headers[name]
        case "other body":
            body = body.replace(b"a", b"b")
        case "other version":
            headers[name] = headers[name].replace("v1=", "v0=").replace("v0=", "v2=")
        case "not ascii":
            headers[name] = "v1=\xfc"
        case "not json" | "not an object":
            body = {"not json": b"payload={", "not an object": b"payload=[[]]"}[attack]
            if source == "pagerduty":
                body = body.removeprefix(b"payload=")
            signed = body if source == "pagerduty" else b"v0:%d:" % NOW + body
            version = "v1" if source == "pagerduty" else "v0"
            headers[name] = f"{version}={hmac.new(SECRET, signed, hashlib.sha256).hexdigest()}"
    with pytest.raises(RefusedError) as refused:
        READERS[source](headers, body, SECRET, NOW)
    assert (refused.value.status, refused.value.reason) == (status, reason)


@pytest.fixture
def record(tmp_path: Path) -> Iterator[Record]:
    found = Record(tmp_path)
    found.append(Entry(NOW - 50, "firing", "Drift", "fraud", "aa", NOW - 60))
    yield found
    found.close()


def test_an_acknowledgement_is_recorded_once_and_of_what_went_on_then(record: Record) -> None:
    told = Acknowledgement("slack", "ben", NOW, fingerprints=["aa", "bb"])
    assert acknowledge(record, told, ["bb"], NOW) == "unmatched"
    assert acknowledge(record, told, ["aa", "bb"], NOW) == "acknowledged"
    assert acknowledge(record, told, ["aa", "bb"], NOW + 1) == "repeated"
    (found,) = record.entries(kind="acknowledged")
    assert (found.who, found.fingerprint, found.started) == ("ben", "aa", NOW - 60)
    # Sent again once the alert is back: it was said of the time before.
    record.append(Entry(NOW + 10, "resolved", "Drift", "fraud", "aa", NOW - 60))
    record.append(Entry(NOW + 20, "firing", "Drift", "fraud", "aa", NOW + 15))
    assert acknowledge(record, told, ["aa"], NOW + 30) == "unmatched"
