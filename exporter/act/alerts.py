"""Alerts as Alertmanager sends them: its webhook's JSON, version 4.

Format: https://prometheus.io/docs/alerting/latest/configuration/#webhook_config
"""

from __future__ import annotations

from datetime import datetime
from hashlib import sha256
from typing import Annotated, Literal

import msgspec

from exporter.act.record import Entry
from exporter.web.push.answers import malformed

MOST_BYTES, MOST_ALERTS = 1 << 20, 1000
"""Of one request."""


class Alert(msgspec.Struct, frozen=True, rename={"state": "status", "starts_at": "startsAt"}):
    """One alert. ``starts_at``: as it was sent, which an episode is known by."""

    state: Literal["firing", "resolved"]
    fingerprint: Annotated[str, msgspec.Meta(pattern=r"\A[0-9A-Za-z]{1,64}\Z")]
    # Of RFC 3339: Python takes any letter between date and time, and this goes into a header.
    starts_at: Annotated[str, msgspec.Meta(pattern=r"\A[0-9-]{10}T[0-9:.]+(Z|[+-][0-9:]+)\Z")]
    labels: dict[str, str]
    annotations: dict[str, str] = {}

    def __post_init__(self) -> None:
        """Raises ValueError, which becomes an error of the message, where there is no such day."""
        datetime.fromisoformat(self.starts_at)

    @property
    def started(self) -> float:
        """Unix seconds of ``starts_at``."""
        return datetime.fromisoformat(self.starts_at).timestamp()

    @property
    def key(self) -> tuple[str, float, str]:
        """The key that repeats of the same notification have in common."""
        return self.fingerprint, self.started, self.state

    def entry(self, time: float, kind: str, who: str = "", action: str = "", detail: str = "{}") -> Entry:
        """Return an entry of the record about this alert."""
        name, model = self.labels.get("alertname", ""), self.labels.get("model", "")
        return Entry(time, kind, name, model, self.fingerprint, self.started, who, action, detail)

    def notified(self, time: float) -> Entry:
        """Return the entry from which ``recorded`` makes the alert again."""
        return self.entry(time, self.state, detail=msgspec.json.encode(self).decode())


class Message(msgspec.Struct):
    """Notification of a group of alerts."""

    version: Literal["4"]
    alerts: Annotated[list[Alert], msgspec.Meta(max_length=MOST_ALERTS)]
    group_key: str = msgspec.field(default="", name="groupKey")

    @property
    def deduplication_key(self) -> str:
        """The key that Alertmanager gives PagerDuty for the same group, which calls it the incident's.

        https://github.com/prometheus/alertmanager/blob/v0.25.0/notify/util.go (Key.Hash)
        """
        return sha256(self.group_key.encode()).hexdigest()


_message = msgspec.json.Decoder(Message)
_alert = msgspec.json.Decoder(Alert)


def recorded(entry: Entry) -> Alert:
    """Return the alert of an entry of kind firing or resolved."""
    return _alert.decode(entry.detail)


def read_message(body: bytes) -> Message:
    """Return a message. Raises RefusedError."""
    try:
        return _message.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise malformed(f"expected a message of Alertmanager's webhook: {error}") from None
