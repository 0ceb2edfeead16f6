"""Alerts as Prometheus sends them to Alertmanager.

https://github.com/prometheus/prometheus/blob/v2.42.0/rules/alerting.go
https://github.com/prometheus/prometheus/blob/v2.42.0/rules/manager.go
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from rulegen.simulation.alert import Alert, Labels

# From, until; milliseconds since the scenario's start.
Span = tuple[int, int]


@dataclass(frozen=True)
class Firing:
    """The spans in which one alert fires, in the order of time, which do not touch."""

    labels: Labels
    spans: Sequence[Span]


@dataclass(frozen=True)
class Prometheus:
    """Evaluates every ``interval`` from millisecond 0 on.

    ``resend_delay`` is ``--rules.alert.resend-delay``; ``retention`` how long it tells of an end.
    """

    interval: int = 60_000
    resend_delay: int = 60_000
    retention: int = 15 * 60_000

    def messages(self, firings: Sequence[Firing], end: int, unreachable: Sequence[Span] = ()) -> list[Alert]:
        """Return what arrives before ``end``, in the order of time. Nothing does in the spans ``unreachable``: what
        Prometheus could not deliver it does not deliver later."""
        sent = [message for firing in firings for message in self._of(firing, end)]
        arrived = [
            message
            for message in sent
            if not any(start <= message.updated < stop for start, stop in unreachable)
        ]
        return sorted(arrived, key=lambda message: message.updated)

    def _of(self, firing: Firing, end: int) -> Iterator[Alert]:
        """Again after more than the resend delay, for as long as it fires and for the retention after it."""
        evaluated = self._evaluated(firing.spans)
        step = (self.resend_delay // self.interval + 1) * self.interval
        # What is not heard of again is over by itself.
        valid = 4 * max(self.resend_delay, self.interval)
        for number, (start, stop) in enumerate(evaluated):
            for now in range(start, min(stop, end), step):
                yield Alert(firing.labels, start, now + valid, now)
            again = evaluated[number + 1][0] if number + 1 < len(evaluated) else end
            for now in range(stop, min(again, end, stop + self.retention + 1), step):
                yield Alert(firing.labels, start, stop, now)

    def _evaluated(self, spans: Sequence[Span]) -> list[Span]:
        """The spans as evaluations see them; what happens between two of them is not seen."""
        found: list[Span] = []
        for start, stop in spans:
            first, last = (-(-moment // self.interval) * self.interval for moment in (start, stop))
            if found and first == found[-1][1]:
                first = found.pop()[0]
            if first < last:
                found.append((first, last))
        return found
