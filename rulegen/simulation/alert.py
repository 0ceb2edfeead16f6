"""An alert as Alertmanager holds it: its labels, which are its identity, and its latest times.

https://github.com/prometheus/alertmanager/blob/v0.25.0/provider/mem/mem.go
https://github.com/prometheus/alertmanager/blob/v0.25.0/types/types.go
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass


class Labels(Mapping[str, str]):
    """Immutable, hashable; labels without a value are left out, as Alertmanager does."""

    __slots__ = ("_hash", "_items", "_values")

    def __init__(self, values: Mapping[str, str]) -> None:
        self._items = tuple(sorted((name, value) for name, value in values.items() if value))
        self._values = dict(self._items)
        self._hash = hash(self._items)

    def __getitem__(self, name: str) -> str:
        return self._values[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def __hash__(self) -> int:
        return self._hash

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Labels) and self._items == other._items

    def __lt__(self, other: Labels) -> bool:
        return self._items < other._items

    def __repr__(self) -> str:
        return "{" + ", ".join(f'{name}="{value}"' for name, value in self._items) + "}"

    def matching(self, names: frozenset[str] | None) -> Labels:
        """Only the labels of these names; all of them for None."""
        if names is None:
            return self
        return Labels({name: value for name, value in self._items if name in names})


@dataclass(frozen=True)
class Alert:
    """Times are milliseconds since the scenario's start.

    ``ends`` may lie in the future: the alert then fires until that moment, unless it is told of again.
    """

    labels: Labels
    starts: int
    ends: int
    updated: int

    def resolved_at(self, now: int) -> bool:
        return self.ends <= now


class Received:
    """The latest of each alert."""

    def __init__(self) -> None:
        self._alerts: dict[Labels, Alert] = {}

    def put(self, new: Alert) -> Alert:
        """Take in a message, and return the alert as it is known from now on."""
        old = self._alerts.get(new.labels)
        if old is not None and (old.starts < new.ends < old.ends or old.starts < new.starts < old.ends):
            new = _merged(old, new)
        self._alerts[new.labels] = new
        return new

    def resolved_at(self, labels: Labels, now: int) -> bool:
        """Whether an alert that was received before is over."""
        return self._alerts[labels].resolved_at(now)


def _merged(old: Alert, new: Alert) -> Alert:
    """The same stretch of firing: the earlier start; of two ends, an explicit one in the past rules."""
    ends = new.ends
    if new.resolved_at(new.updated):
        if old.resolved_at(new.updated):
            ends = max(old.ends, new.ends)
    else:
        ends = max(old.ends, new.ends)
    return Alert(new.labels, min(old.starts, new.starts), ends, new.updated)
