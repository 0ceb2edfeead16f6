"""The notification log: the last notification of each group, and whether another is due.

https://github.com/prometheus/alertmanager/blob/v0.25.0/notify/notify.go (DedupStage)
https://github.com/prometheus/alertmanager/blob/v0.25.0/nflog/nflog.go
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from rulegen.simulation.alert import Labels

# Alertmanager's --data.retention and --data.maintenance-interval by default, in milliseconds.
RETENTION = 120 * 3_600_000
MAINTENANCE = 15 * 60_000

# Group, receiver, number of the integration.
Key = tuple[str, str, int]


class Reason(StrEnum):
    """Why a receiver is told."""

    FIRST = "first"
    CHANGED = "changed"
    REPEATED = "repeated"
    RESOLVED = "resolved"


@dataclass(frozen=True)
class Entry:
    """A notification; ``time`` and ``expires`` in milliseconds."""

    firing: frozenset[Labels]
    resolved: frozenset[Labels]
    time: int
    expires: int


class NotificationLog:
    """The last entry of each receiver and group."""

    def __init__(self) -> None:
        self._entries: dict[Key, Entry] = {}

    def reason(
        self,
        key: Key,
        firing: frozenset[Labels],
        resolved: frozenset[Labels],
        now: int,
        repeat_interval: int,
        *,
        send_resolved: bool,
    ) -> Reason | None:
        """Why a receiver has to be told of this state of the group; None where it knows enough."""
        entry = self._entries.get(key)
        if entry is None:
            return Reason.FIRST if firing else None
        if not firing <= entry.firing:
            return Reason.CHANGED
        if not firing:
            # What fired and ended between two looks was never told.
            return Reason.RESOLVED if entry.firing else None
        if send_resolved and not resolved <= entry.resolved:
            return Reason.CHANGED
        # A message leaves a little after the look at its group: a look exactly one interval later is too early.
        return Reason.REPEATED if entry.time < now - repeat_interval else None

    def write(
        self, key: Key, firing: frozenset[Labels], resolved: frozenset[Labels], now: int, repeat_interval: int
    ) -> None:
        expires = now + min(RETENTION, 2 * repeat_interval)
        self._entries[key] = Entry(firing, resolved, now, expires)

    def maintain(self, now: int) -> None:
        """Forget what has expired. Whoever is forgotten is told of what fires as if for the first time, and of
        ends not at all."""
        self._entries = {key: entry for key, entry in self._entries.items() if entry.expires > now}
