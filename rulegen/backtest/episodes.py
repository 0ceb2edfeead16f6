"""Episodes of alerts: from when to when each fires, by Prometheus' rules, and who is notified of it.

https://github.com/prometheus/prometheus/blob/v2.42.0/rules/alerting.go
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import NamedTuple

from rulegen.backtest.ruleset import Alert, RuleSet
from rulegen.backtest.store import Point, Series
from rulegen.simulation.alert import Labels
from rulegen.simulation.dispatch import Dispatcher
from rulegen.simulation.log import Reason
from rulegen.simulation.outcome import Cause, Notification
from rulegen.simulation.prometheus import Firing, Prometheus

# Integrations that call a person.
CALLING = frozenset({"opsgenie", "pagerduty", "pushover", "victorops"})


class Stretch(NamedTuple):
    """Firing from the evaluation ``start`` to that of its end; ``stop`` is None where it fires at the last one."""

    start: int
    stop: int | None
    lowest: float
    highest: float


def stretches(
    points: Sequence[Point], interval: int, end: int, *, holds: int, keeps: int
) -> Iterator[Stretch]:
    """Yield when an alert fires whose expression has these values. All in milliseconds.

    ``holds``: its `for`; ``keeps``: its `keep_firing_for`.
    """
    active: int | None = None
    firing: int | None = None
    low = high = 0.0
    last = 0
    # An alert that is kept ends at the first evaluation at which it was gone for as long.
    kept = -(-keeps // interval) * interval
    for time, value in points:
        if active is not None and time - last > interval:
            stop = last + interval + kept
            if firing is None or stop < time:
                if firing is not None:
                    yield Stretch(firing, stop, low, high)
                active = firing = None
        if active is None:
            active, low, high = time, value, value
        low, high = min(low, value), max(high, value)
        if firing is None and time - active >= holds:
            firing = time
        last = time
    if firing is not None:
        stop = last + interval + kept
        yield Stretch(firing, stop if stop <= end else None, low, high)


@dataclass(eq=False)
class Episode:
    """One stretch in which an alert fires, and what came of it. Times in milliseconds since 1970.

    ``told``: receiver, time and group of each message that said that it began. ``held``: why a message of it was
    held back (cause, receiver, by whom). ``inhibited``: the alerts whose messages it held back.
    """

    alert: Alert
    labels: Labels
    start: int
    stop: int | None
    worst: float
    told: dict[tuple[str, int, Labels], None] = field(default_factory=dict)
    held: dict[tuple[Cause, str, str], None] = field(default_factory=dict)
    inhibited: dict[Labels, None] = field(default_factory=dict)

    def overlaps(self, begin: int, end: int) -> bool:
        """Return whether it fires at some time from ``begin`` to ``end``."""
        return self.start <= end and (self.stop is None or self.stop > begin)


def of_series(
    alert: Alert, series: Series, interval: int, end: int, holds: int | None = None
) -> list[Episode]:
    """Return an alert's episodes, by their start. ``holds``: another `for`."""
    wait = alert.holds if holds is None else holds
    return sorted(
        (
            Episode(alert, labels, one.start, one.stop, one.lowest if alert.looks_low else one.highest)
            for labels, points in series.items()
            for one in stretches(points, interval, end, holds=wait, keeps=alert.keeps)
        ),
        key=lambda episode: (episode.start, episode.labels),
    )


def notify(rules: RuleSet, episodes: Iterable[Episode], begin: int, end: int) -> list[Notification]:
    """Play the episodes to Alertmanager's rules, and write into each what came of it.

    Returns all messages; their times are milliseconds since ``begin``.
    """
    by_labels: dict[Labels, list[Episode]] = {}
    for episode in episodes:
        by_labels.setdefault(episode.labels, []).append(episode)
    # A second more: what is evaluated at the end is sent.
    length = end - begin + 1000
    firings = [
        Firing(labels, [(one.start - begin, (one.stop or end + 1000) - begin) for one in own])
        for labels, own in by_labels.items()
    ]
    messages = Prometheus(rules.interval).messages(firings, length)
    start = datetime.fromtimestamp(begin / 1000, UTC)
    outcome = Dispatcher(rules.configuration, (), start, version=rules.alertmanager).run(messages, length)

    def at(labels: Labels, time: int) -> Episode | None:
        """The episode that a message at ``time`` is about: a look comes after the evaluation."""
        started = [one for one in by_labels.get(labels, ()) if one.start <= begin + time]
        return started[-1] if started else None

    for message in outcome.notifications:
        for labels in message.firing if message.reason is not Reason.REPEATED else ():
            told = at(labels, message.time)
            if told is not None and all(receiver != message.receiver for receiver, *_ in told.told):
                told.told[message.receiver, begin + message.time, message.group] = None
    for held in outcome.held:
        target = at(held.alert, held.time) if held.firing else None
        if target is None:
            continue
        for by in held.by:
            who = by.get("alertname", "") if isinstance(by, Labels) else by
            target.held[held.cause, held.receiver, who] = None
            if isinstance(by, Labels) and (source := at(by, held.time)):
                source.inhibited[held.alert] = None
    return list(outcome.notifications)


def beginnings(episodes: Iterable[Episode]) -> dict[str, int]:
    """Count the messages that said of these alerts that one began, by receiver."""
    told: dict[str, set[tuple[int, Labels]]] = {}
    for episode in episodes:
        for receiver, time, group in episode.told:
            told.setdefault(receiver, set()).add((time, group))
    return {receiver: len(messages) for receiver, messages in sorted(told.items())}


def kinds(rules: RuleSet) -> Mapping[str, str]:
    """Return what each receiver gets: `page` where it calls a person, `digest` where only at times, or `message`."""
    found: dict[str, str] = {}
    for alert in rules.alerts:
        for route in rules.configuration.route.matching(Labels({**alert.labels, "alertname": alert.name})):
            integrations = rules.configuration.receivers[route.receiver]
            if any(integration.kind in CALLING for integration in integrations):
                found[route.receiver] = "page"
            elif not route.active:
                found[route.receiver] = "message"
            else:
                found.setdefault(route.receiver, "digest")
    return found
