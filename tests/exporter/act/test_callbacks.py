"""Signed callbacks: who acknowledged what; what is unsigned, wrongly signed or of another time is refused."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest

from exporter.act.callbacks import Acknowledgement, acknowledge, of_pagerduty, of_slack
from exporter.act.record import Entry, Record
from exporter.web.push.answers import RefusedError

Reader = Callable[[dict[str, str], bytes, bytes, float], Acknowledgement | None]
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


@pytest.mark.parametrize(
    ("read", "request_", "seconds"),
    [(of_pagerduty, pagerduty(), 86_400), (of_slack, slack(), 300)],
    ids=["pagerduty", "slack"],
)
def test_what_was_sent_before_is_refused(
    read: Reader, request_: tuple[dict[str, str], bytes], seconds: int
) -> None:
    for late in (-seconds, seconds):
        assert read(*request_, SECRET, NOW + late) is not None
    for late in (-seconds - 1, seconds + 1):
        with pytest.raises(RefusedError) as refused:
            read(*request_, SECRET, NOW + late)
        assert (refused.value.status, refused.value.reason) == (403, "replayed")


@pytest.mark.parametrize("source", ["pagerduty", "slack"])
@pytest.mark.parametrize(
    ("attack", "said"),
    [
        ("unsigned", (401, "unsigned")),
        ("secret", (403, "wrong_signature")),
        ("body", (403, "wrong_signature")),
        ("version", (403, "wrong_signature")),
        ("letters", (403, "wrong_signature")),
        ("text", (400, "malformed")),
        ("list", (400, "malformed")),
    ],
    ids=["unsigned", "secret", "body", "version", "letters", "text", "list"],
)
def test_what_is_not_signed_by_the_secret_is_refused(source: str, attack: str, said: tuple[int, str]) -> None:
    is_slack = source == "slack"
    headers, body = (slack if is_slack else pagerduty)(b"guess" if attack == "secret" else SECRET)
    name = f"x-{source}-signature"
    match attack:
        case "unsigned":
            del headers[name]
        case "body":
            body = body.replace(b"a", b"b")
        case "version":
            headers[name] = headers[name].replace("v1=", "v2=").replace("v0=", "v2=")
        case "letters":
            headers[name] = "v1=\xfc"
        case "text" | "list":
            body = (b"payload=" if is_slack else b"") + (b"{" if attack == "text" else b"[[]]")
            digest = hmac.new(
                SECRET, (b"v0:%d:" % NOW if is_slack else b"") + body, hashlib.sha256
            ).hexdigest()
            headers[name] = f"{'v0' if is_slack else 'v1'}={digest}"
    with pytest.raises(RefusedError) as refused:
        (of_slack if is_slack else of_pagerduty)(headers, body, SECRET, NOW)
    assert (refused.value.status, refused.value.reason) == said


def test_an_acknowledgement_is_recorded_once_and_of_what_went_on_then(tmp_path: Path) -> None:
    record = Record(tmp_path)
    begun = Entry(NOW - 50, "firing", "Drift", "fraud", "aa", NOW - 60)
    record.append(begun)
    told = Acknowledgement("slack", "ben", NOW, fingerprints=["aa", "bb"])
    assert acknowledge(record, told._replace(fingerprints=["bb"]), NOW) == "unmatched"
    assert acknowledge(record, told, NOW) == "acknowledged"
    assert acknowledge(record, told, NOW + 1) == "repeated"
    (found,) = record.entries(kind="acknowledged")
    assert (found.who, found.fingerprint, found.started) == ("ben", "aa", NOW - 60)
    # PagerDuty's incident is known by the groups that the alert was in.
    incident = Acknowledgement("pagerduty", "anna", NOW, key=KEY)
    assert acknowledge(record, incident, NOW) == "unmatched"
    record.append(begun._replace(kind="grouped", who=KEY))
    assert acknowledge(record, incident, NOW) == "acknowledged"
    # Sent again once the alert is back: it was said of the time before.
    record.append(begun._replace(time=NOW + 10, kind="resolved"))
    record.append(begun._replace(time=NOW + 20, started=NOW + 15))
    assert acknowledge(record, told, NOW + 30) == "unmatched"
    record.close()
