"""Callbacks of PagerDuty and Slack: who acknowledged an alert. Each is signed; the signature is its only credential.

https://developer.pagerduty.com/docs/webhooks-overview and /docs/verifying-webhook-signatures;
https://api.slack.com/authentication/verifying-requests-from-slack; https://api.slack.com/legacy/message-buttons (what
Alertmanager's Slack messages can have) and https://api.slack.com/reference/interaction-payloads/block-actions.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import logging
import time
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from http import HTTPStatus
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import parse_qs

from exporter.act.outcomes import Counters, going_on
from exporter.act.record import Record, StoreError
from exporter.web.push.answers import RefusedError, malformed
from mlslo.actions import Actions

logger = logging.getLogger(__name__)

OUTCOMES = ("acknowledged", "repeated", "unmatched", "other", "refused", "failed")
_COUNTER = "ml_action_callbacks_total"

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
    fingerprints: Collection[str] = ()


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


_READERS = {"pagerduty": of_pagerduty, "slack": of_slack}


def _verify(signatures: Sequence[str], version: str, signed: bytes, secret: bytes) -> None:
    """Raise RefusedError unless one of ``signatures`` is right."""
    if not any(signatures):
        raise RefusedError(HTTPStatus.UNAUTHORIZED, "no signature", "unsigned")
    right = f"{version}={hmac.new(secret, signed, hashlib.sha256).hexdigest()}".encode()
    if not any(hmac.compare_digest(one.encode(), right) for one in signatures):
        raise RefusedError(HTTPStatus.FORBIDDEN, "a wrong signature", "wrong_signature")


class Callbacks:
    """Takes the callbacks that a file asks for, and counts them."""

    def __init__(self, actions: Actions, record: Record, counters: Counters) -> None:
        """Raises InputError where a secret cannot be read."""
        self._record, self._counters = record, counters
        self._secrets: dict[str, Path] = {}
        for source, key, name in actions.spec.secrets():
            self._secrets[source] = actions.path.parent / name
            if not _secret(self._secrets[source]):
                raise actions.document.error(("spec", "callbacks", source, key), f"{name}: no secret in it")
            for outcome in OUTCOMES:
                counters.add(_COUNTER, source, outcome, number=0)

    def take(self, source: str, headers: Mapping[str, str], body: bytes) -> tuple[HTTPStatus, str]:
        """Take a callback, and return what to answer. ``headers``: names in lower case."""
        if source not in self._secrets:
            return HTTPStatus.NOT_FOUND, f"No callbacks of {source} are configured."
        try:
            outcome = self._taken(source, headers, body)
            answer = HTTPStatus.OK, "Taken."
        except RefusedError as error:
            outcome, answer = "refused", (error.status, f"Refused: {error}.")
            logger.warning("callback of %s refused: %s", source, error)
        except StoreError as error:
            # It is sent again.
            outcome, answer = "failed", (HTTPStatus.SERVICE_UNAVAILABLE, "Not recorded; send again.")
            logger.warning("callback of %s not recorded: %s", source, error)
        self._counters.add(_COUNTER, source, outcome)
        return answer

    def _taken(self, source: str, headers: Mapping[str, str], body: bytes) -> str:
        """Return what came of a callback. Raises RefusedError, StoreError."""
        if not (secret := _secret(self._secrets[source])):
            raise StoreError("its secret cannot be read")
        now = time.time()
        told = _READERS[source](headers, body, secret, now)
        if told is None:
            return "other"
        outcome = acknowledge(self._record, told, now)
        logger.info("callback of %s: %s", source, outcome, extra={"fields": {"who": told.who}})
        return outcome


def acknowledge(record: Record, told: Acknowledgement, now: float) -> str:
    """Record it of the episodes that went on then, and return what came of it: the label ``outcome``.

    What was sent before is recorded once; an old one says nothing of an episode that began later. Raises StoreError.
    """
    fingerprints = told.fingerprints
    if told.key:
        fingerprints = {one.fingerprint for one in record.entries(kind="grouped", who=told.key)}
    found = [going_on(record, one) for one in fingerprints]
    going = [one for one in found if one is not None and one.started <= told.at]
    detail = json.dumps({"source": told.source})
    new = [
        record.append(one._replace(time=now, kind="acknowledged", who=told.who, detail=detail))
        for one in going
    ]
    return "acknowledged" if any(new) else "repeated" if new else "unmatched"


def _secret(path: Path) -> bytes:
    """Return what a file holds, each time anew: it may be rotated. Empty where it cannot be read."""
    try:
        return path.read_bytes().strip()
    except OSError:
        return b""
