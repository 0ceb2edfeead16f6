"""The outcome of a simulation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from rulegen.simulation.alert import Labels
from rulegen.simulation.configuration import Integration
from rulegen.simulation.log import Reason


class Cause(StrEnum):
    """Cause for which an alert is held back."""

    INHIBITED = "inhibited"
    INACTIVE = "inactive"
    MUTED = "muted"
    SILENCED = "silenced"


@dataclass(frozen=True)
class Notification:
    """One message. ``time`` in milliseconds since the start; ``firing`` and ``resolved`` are what it lists."""

    time: int
    receiver: str
    integration: Integration
    group: Labels
    firing: tuple[Labels, ...]
    resolved: tuple[Labels, ...]
    reason: Reason

    @property
    def status(self) -> str:
        return "firing" if self.firing else "resolved"


@dataclass(frozen=True)
class Held:
    """At one look at its group an alert was left out of the message to a receiver.

    ``by`` says what did it: the labels of inhibiting alerts, a time interval, a silence.
    """

    time: int
    receiver: str
    group: Labels
    alert: Labels
    firing: bool
    cause: Cause
    by: tuple[Labels | str, ...]


@dataclass(frozen=True)
class Open:
    """The last message, at ``time``, said that an alert fires; it is over, and nobody will say so."""

    time: int
    receiver: str
    integration: Integration
    group: Labels
    alert: Labels


@dataclass(frozen=True)
class Outcome:
    """Everything in the order of time."""

    notifications: Sequence[Notification]
    held: Sequence[Held]
    open: Sequence[Open]
