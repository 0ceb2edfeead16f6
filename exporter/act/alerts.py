"""Alerts as Alertmanager sends them: its webhook's JSON, version 4.

Format: https://prometheus.io/docs/alerting/latest/configuration/#webhook_config
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime

import msgspec

from exporter.act.record import Entry

MOST_BYTES, MOST_ALERTS = 1 << 20, 1000
"""Of one request."""

_FINGERPRINT = re.compile(r"[0-9A-Za-z]{1,64}")
# Of RFC 3339: Python takes any letter between date and time, and this goes into a header.
_TIME = re.compile(r"[0-9-]{10}T[0-9:.]+(Z|[+-][0-9:]+)")


class MessageError(Exception):
    """A message that is none of Alertmanager's; its text says why."""


class _Alert(msgspec.Struct):
    status: str
    labels: dict[str, str]
    startsAt: str
    fingerprint: str
    annotations: dict[str, str] = {}


class _Message(msgspec.Struct):
    version: str
    alerts: list[_Alert]


class _Detail(msgspec.Struct):
    labels: dict[str, str]
    annotations: dict[str, str]
    startsAt: str


_message = msgspec.json.Decoder(_Message)
_detail = msgspec.json.Decoder(_Detail)


@dataclass(frozen=True)
class Alert:
    """One alert. ``state``: firing or resolved. ``started``: Unix seconds of ``starts_at``, which is as it was sent."""

    state: str
    fingerprint: str
    started: float
    starts_at: str
    labels: dict[str, str]
    annotations: dict[str, str]

    @property
    def key(self) -> tuple[str, float, str]:
        """What repeats of the same notification have in common."""
        return self.fingerprint, self.started, self.state

    def entry(self, time: float, kind: str, *, who: str = "", action: str = "", detail: str = "{}") -> Entry:
        """Return an entry of the record about this alert."""
        name, model = self.labels.get("alertname", ""), self.labels.get("model", "")
        return Entry(time, kind, name, model, self.fingerprint, self.started, who, action, detail)

    def notified(self, time: float) -> Entry:
        """Return the entry from which ``recorded`` makes the alert again."""
        detail = _Detail(self.labels, self.annotations, self.starts_at)
        return self.entry(time, self.state, detail=msgspec.json.encode(detail).decode())


def recorded(entry: Entry) -> Alert:
    """Return the alert of an entry of kind firing or resolved."""
    detail = _detail.decode(entry.detail)
    return Alert(
        entry.kind, entry.fingerprint, entry.started, detail.startsAt, detail.labels, detail.annotations
    )


def alerts_of(body: bytes) -> list[Alert]:
    """Return the alerts of a message. Raises MessageError."""
    try:
        message = _message.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise MessageError(f"expected a message of Alertmanager's webhook: {error}") from None
    if message.version != "4":
        raise MessageError("expected a message of version 4")
    if len(message.alerts) > MOST_ALERTS:
        raise MessageError(f"{len(message.alerts)} alerts, expected at most {MOST_ALERTS}; set max_alerts")
    return [_alert(index, alert) for index, alert in enumerate(message.alerts)]


def _alert(index: int, alert: _Alert) -> Alert:
    where = f"alerts[{index}]"
    if alert.status not in ("firing", "resolved"):
        raise MessageError(f"{where}.status: expected firing or resolved")
    if not _FINGERPRINT.fullmatch(alert.fingerprint):
        raise MessageError(f"{where}.fingerprint: expected letters and digits")
    written = _TIME.fullmatch(alert.startsAt)
    try:
        started = datetime.fromisoformat(written[0] if written else "").timestamp()
    except ValueError:
        raise MessageError(f"{where}.startsAt: expected a time of RFC 3339") from None
    return Alert(alert.status, alert.fingerprint, started, alert.startsAt, alert.labels, alert.annotations)
