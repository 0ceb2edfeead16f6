"""Inhibition and silences.

https://github.com/prometheus/alertmanager/blob/v0.25.0/inhibit/inhibit.go
https://github.com/prometheus/alertmanager/blob/v0.33.1/inhibit/inhibit.go
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Self

from rulegen.alertmanager.matchers import Matcher, given, match_all
from rulegen.simulation.alert import Alert, Labels


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


@dataclass(eq=False)
class InhibitRule:
    """One rule, and the alerts that have fulfilled its source side."""

    source: Sequence[Matcher]
    target: Sequence[Matcher]
    equal: Sequence[str]
    _sources: dict[Labels, Alert] = field(default_factory=dict)

    @classmethod
    def of(cls, data: Mapping[str, Any]) -> Self:
        """A rule as ``alertmanager.yaml`` has it. Raises ValueError where a matcher is none."""
        return cls(given(data, "source_"), given(data, "target_"), tuple(data.get("equal") or ()))

    def receive(self, alert: Alert) -> None:
        self._sources[alert.labels] = alert

    def inhibiting(self, labels: Labels, now: int) -> list[Labels]:
        """The alerts that fire and silence one that fulfils the target side.

        A label that is missing on both sides is equal. An alert that fulfils both sides is never silenced
        by another that does.
        """
        both = match_all(self.source, labels)
        return [
            alert.labels
            for alert in self._equal(labels)
            if not alert.resolved_at(now) and not (both and match_all(self.target, alert.labels))
        ]

    def _equal(self, labels: Labels) -> list[Alert]:
        key = self._key(labels)
        return [alert for alert in self._sources.values() if self._key(alert.labels) == key]

    def _key(self, labels: Labels) -> tuple[str, ...]:
        return tuple(labels.get(name, "") for name in self.equal)


@dataclass(eq=False)
class OneSourceRule(InhibitRule):
    """A rule since Alertmanager 0.30: of the sources with the same values under ``equal`` it looks at one.

    That is the one that fires longest. Where it fulfils both sides, the others don't count.
    """

    _indexed: dict[tuple[str, ...], Labels] = field(default_factory=dict)

    def receive(self, alert: Alert) -> None:
        super().receive(alert)
        known = self._indexed.setdefault(self._key(alert.labels), alert.labels)
        if self._sources[known].resolved_at(alert.ends):
            self._indexed[self._key(alert.labels)] = alert.labels

    def _equal(self, labels: Labels) -> list[Alert]:
        found = self._indexed.get(self._key(labels))
        return [] if found is None else [self._sources[found]]


class Inhibitor:
    """All rules, and what has been seen of their sources."""

    def __init__(self, rules: Sequence[InhibitRule]) -> None:
        self._rules = rules
        # Matching depends on labels alone, which come again and again.
        self._by_source: dict[Labels, list[InhibitRule]] = {}
        self._by_target: dict[Labels, list[InhibitRule]] = {}

    def receive(self, alert: Alert) -> None:
        """An alert has arrived, firing or resolved."""
        labels = alert.labels
        if labels not in self._by_source:
            self._by_source[labels] = [rule for rule in self._rules if match_all(rule.source, labels)]
        for rule in self._by_source[labels]:
            rule.receive(alert)

    def inhibiting(self, labels: Labels, now: int) -> list[Labels]:
        """The alerts that silence this one now, each once."""
        if labels not in self._by_target:
            self._by_target[labels] = [rule for rule in self._rules if match_all(rule.target, labels)]
        found = [source for rule in self._by_target[labels] for source in rule.inhibiting(labels, now)]
        return list(dict.fromkeys(found))
