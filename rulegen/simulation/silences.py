"""Silences: what a person has asked not to be told."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rulegen.alertmanager.matchers import Matcher, match_all
from rulegen.simulation.labels import Labels


@dataclass(frozen=True)
class Silence:
    """Milliseconds since the scenario's start, ``end`` excluded."""

    matchers: Sequence[Matcher]
    start: int
    end: int

    def silences(self, labels: Labels, now: int) -> bool:
        return self.start <= now < self.end and match_all(self.matchers, labels)

    def __str__(self) -> str:
        return ", ".join(str(matcher) for matcher in self.matchers)
