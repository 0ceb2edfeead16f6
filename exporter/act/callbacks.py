"""Callbacks of PagerDuty and Slack: who acknowledged an alert. Each is signed; the signature is its only credential.

https://developer.pagerduty.com/docs/webhooks-overview and /docs/verifying-webhook-signatures;
https://api.slack.com/authentication/verifying-requests-from-slack; https://api.slack.com/legacy/message-buttons (what
Alertmanager's Slack messages can have) and https://api.slack.com/reference/interaction-payloads/block-actions.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from http import HTTPStatus
from typing import Any, NamedTuple
from urllib.parse import parse_qs

from exporter.act.outcomes import open_episode
from exporter.act.record import Record
from exporter.web.push.answers import RefusedError, malformed

OLDEST = 300.0
"""Seconds by which the time of a Slack request may differ from now."""

OLDEST_EVENT = 86_400.0
"""Seconds after which PagerDuty does not send an event again."""


class Acknowledgement(NamedTuple):
    """Acknowledgement by a person. ``at``: Unix seconds; ``key``: PagerDuty's; ``fingerprints``: of Slack's alerts."""

    source: str
    who: str
    at: float
    key: str = ""
    fingerprints: Sequence[str] = ()


def of_pagerduty(
    headers: Mapping[str, str], body: bytes, secret: bytes, now: float
) -> Acknowledgement | None:
    """Return what a webhook (v3) says; None where it is of another event. ``headers``: names in lower case.

    Raises RefusedError.
    """
    signatures = headers.get("x-pagerduty-signature", "")
    _verify([one.strip() for one in signatures.split(",")], "v1", body, secret)
    try:
        event = json.loads(body)["event"]
        if event["event_type"] != "incident.acknowledged":
            return None
        who = (event.get("agent") or {}).get("summary") or "PagerDuty"
        at = datetime.fromisoformat(event["occurred_at"]).timestamp()
        found = Acknowledgement("pagerduty", str(who), at, key=str(event["data"]["incident_key"]))
    except (KeyError, TypeError, AttributeError, ValueError, OverflowError, RecursionError) as error:
        raise malformed(f"no webhook of PagerDuty's version 3: {error!r}") from None
    if abs(now - found.at) > OLDEST_EVENT:
        raise RefusedError(HTTPStatus.FORBIDDEN, "an event of another day: it was sent before", "replayed")
    return found


def of_slack(headers: Mapping[str, str], body: bytes, secret: bytes, now: float) -> Acknowledgement | None:
    """Return which button was pressed; None where it names no alert. ``headers``: names in lower case.

    The value of a button is the fingerprints of its alerts, with spaces between them. Raises RefusedError.
    """
    sent = headers.get("x-slack-request-timestamp", "")
    signed = b"v0:" + sent.encode() + b":" + body
    _verify([headers.get("x-slack-signature", "")], "v0", signed, secret)
    if not sent.isdecimal() or abs(now - float(sent)) > OLDEST:
        raise RefusedError(HTTPStatus.FORBIDDEN, "a request of another time: it was sent before", "replayed")
    try:
        payload: dict[str, Any] = json.loads(parse_qs(body.decode())["payload"][0])
        user = payload["user"]
        who = str(user.get("username") or user.get("name") or user["id"])
        pressed = [one for one in payload["actions"] if one.get("type", "button") == "button"]
        named = [word for one in pressed for word in str(one["value"]).split()]
    except (KeyError, TypeError, AttributeError, ValueError, RecursionError) as error:
        raise malformed(f"no button of Slack's: {error!r}") from None
    return Acknowledgement("slack", who, int(sent), fingerprints=named) if named else None


READERS = {"pagerduty": of_pagerduty, "slack": of_slack}
"""Readers of callbacks by the end of their path."""


def _verify(signatures: Sequence[str], version: str, signed: bytes, secret: bytes) -> None:
    """Raise RefusedError unless one of ``signatures`` is right."""
    if not any(signatures):
        raise RefusedError(HTTPStatus.UNAUTHORIZED, "no signature", "unsigned")
    right = f"{version}={hmac.new(secret, signed, hashlib.sha256).hexdigest()}".encode()
    if not any(hmac.compare_digest(one.encode(), right) for one in signatures):
        raise RefusedError(HTTPStatus.FORBIDDEN, "a wrong signature", "wrong_signature")


def acknowledge(record: Record, told: Acknowledgement, fingerprints: Sequence[str], now: float) -> str:
    """Record it of the episodes that went on then, and return what came of it: the label ``outcome``.

    What was sent before is recorded once; an old one says nothing of an episode that began later. Raises StoreError.
    """
    detail = json.dumps({"source": told.source})
    found = [open_episode(record, one) for one in fingerprints]
    going = [one for one in found if one is not None and one.started <= told.at]
    new = [record.append(one.entry(now, "acknowledged", told.who, detail)) for one in going]
    return "acknowledged" if any(new) else "repeated" if new else "unmatched"
