"""Alertmanager's groups: when each is looked at, and what is then sent to whom.

https://github.com/prometheus/alertmanager/blob/v0.25.0/dispatch/dispatch.go
https://github.com/prometheus/alertmanager/blob/v0.33.1/dispatch/dispatch.go
https://github.com/prometheus/alertmanager/blob/v0.25.0/notify/notify.go
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import IntEnum
from functools import partial
from itertools import count

from rulegen.promql.versions import EMPTY_GROUPS_END, NEWEST, ONLY_THE_FIRST_HASTENS
from rulegen.simulation.alert import Alert, Labels, Received
from rulegen.simulation.configuration import Configuration, Integration
from rulegen.simulation.log import MAINTENANCE, NotificationLog
from rulegen.simulation.outcome import Cause, Held, Notification, Open, Outcome
from rulegen.simulation.routes import Route
from rulegen.simulation.suppression import Inhibitor, Silence

# Groups without alerts are removed at every tick of a clock that began when Alertmanager loaded its
# configuration. In a simulation that was half a tick before the start, so that ticks fall between full minutes.
CLEANUP = 30_000
CLEANUP_PHASE = 15_000


class _Kind(IntEnum):
    """Events of the same moment, in their order."""

    ARRIVAL = 0
    LOOK = 1
    CLEANUP = 2
    MAINTENANCE = 3


@dataclass(eq=False)
class _Group:
    """The alerts of one route that agree in its ``group_by``. ``look`` is when they are looked at next."""

    route: Route
    labels: Labels
    look: int
    looked_at: bool = False
    alerts: dict[Labels, Alert] = field(default_factory=dict)

    @property
    def key(self) -> str:
        return f"{self.route.key}:{self.labels}"


class Dispatcher:
    """One Alertmanager, from its start on.

    ``start`` is the moment that millisecond 0 stands for; it knows its zone. ``version`` is Alertmanager's.
    """

    def __init__(
        self,
        configuration: Configuration,
        silences: Sequence[Silence],
        start: datetime,
        *,
        version: str = NEWEST["Alertmanager"],
        cleanup_phase: int = CLEANUP_PHASE,
        maintenance: int = MAINTENANCE,
        maintenance_phase: int = 0,
    ) -> None:
        self._configuration = configuration
        self._silences = silences
        # In UTC, where a sum is what a clock shows later; local clocks are put forward and back.
        self._start = start.astimezone(UTC)
        self._received = Received()
        self._all_hasten = not ONLY_THE_FIRST_HASTENS.open(version)
        self._empty_groups_end = EMPTY_GROUPS_END.open(version)
        self._inhibitor = Inhibitor(configuration.inhibition(version))
        self._log = NotificationLog()
        self._groups: dict[tuple[int, Labels], _Group] = {}
        self._routes: dict[Labels, list[Route]] = {}
        self._queue: list[tuple[int, _Kind, int, Callable[[int], None]]] = []
        self._serial = count()
        self._notifications: list[Notification] = []
        self._held: list[Held] = []
        self._last: dict[tuple[Route, Integration, Labels], Notification] = {}
        self._every(_Kind.CLEANUP, cleanup_phase, CLEANUP, self._clean_up)
        self._every(_Kind.MAINTENANCE, maintenance_phase or maintenance, maintenance, self._log.maintain)

    def run(self, messages: Iterable[Alert], end: int) -> Outcome:
        """Everything that happens before ``end``; each message arrives when it says that it was ``updated``."""
        for message in messages:
            self._at(message.updated, _Kind.ARRIVAL, partial(self._arrive, message))
        while self._queue and self._queue[0][0] < end:
            now, _, _, action = heapq.heappop(self._queue)
            action(now)
        return Outcome(self._notifications, self._held, self._still_open(end))

    def _at(self, time: int, kind: _Kind, action: Callable[[int], None]) -> None:
        heapq.heappush(self._queue, (time, kind, next(self._serial), action))

    def _every(self, kind: _Kind, first: int, period: int, action: Callable[[int], None]) -> None:
        def act(now: int) -> None:
            action(now)
            self._at(now + period, kind, act)

        self._at(first, kind, act)

    def _arrive(self, message: Alert, now: int) -> None:
        alert = self._received.put(message)
        self._inhibitor.receive(alert)
        if alert.labels not in self._routes:
            self._routes[alert.labels] = self._configuration.route.matching(alert.labels)
        for route in self._routes[alert.labels]:
            self._insert(alert, route, now)

    def _insert(self, alert: Alert, route: Route, now: int) -> None:
        labels = alert.labels.matching(route.group_by)
        group = self._groups.get((id(route), labels))
        hastens = group is None or self._all_hasten
        if group is None:
            group = _Group(route, labels, now + route.group_wait)
            self._groups[id(route), labels] = group
            self._schedule(group)
        group.alerts[alert.labels] = alert
        # Whoever has fired for so long need not wait for company.
        if hastens and not group.looked_at and alert.starts + route.group_wait < now and group.look > now:
            group.look = now
            self._schedule(group)

    def _schedule(self, group: _Group) -> None:
        look = group.look
        self._at(look, _Kind.LOOK, lambda now: self._look(group, now) if group.look == look else None)

    def _clean_up(self, _: int) -> None:
        for group in list(self._groups.values()):
            if not group.alerts:
                self._end(group)

    def _end(self, group: _Group) -> None:
        group.look = -1
        del self._groups[id(group.route), group.labels]

    def _look(self, group: _Group, now: int) -> None:
        group.look = now + group.route.group_interval
        group.looked_at = True
        self._schedule(group)
        if not group.alerts:
            return
        alerts = sorted(group.alerts.values(), key=lambda alert: (alert.starts, alert.labels))
        self._tell(group, self._let_through(group, alerts, now), now)
        # Resolved alerts are gone now, whether anybody was told or not.
        group.alerts = {alert.labels: alert for alert in alerts if not alert.resolved_at(now)}
        if self._empty_groups_end and not group.alerts:
            self._end(group)

    def _let_through(self, group: _Group, alerts: list[Alert], now: int) -> list[Alert]:
        """Return the alerts that inhibition, time intervals and silences leave, in Alertmanager's order."""

        def held(alert: Alert, cause: Cause, by: Sequence[Labels | str]) -> None:
            receiver, firing = group.route.receiver, not alert.resolved_at(now)
            self._held.append(Held(now, receiver, group.labels, alert.labels, firing, cause, tuple(by)))

        passing: list[Alert] = []
        for alert in alerts:
            if sources := self._inhibitor.inhibiting(alert.labels, now):
                held(alert, Cause.INHIBITED, sources)
            else:
                passing.append(alert)
        if cause := self._out_of_time(group.route, now):
            for alert in passing:
                held(alert, *cause)
            return []
        told: list[Alert] = []
        for alert in passing:
            if by := [str(silence) for silence in self._silences if silence.silences(alert.labels, now)]:
                held(alert, Cause.SILENCED, by)
            else:
                told.append(alert)
        return told

    def _out_of_time(self, route: Route, now: int) -> tuple[Cause, Sequence[str]] | None:
        if not route.active and not route.mute:
            return None
        moment = self._start + timedelta(milliseconds=now)
        if route.active and self._configuration.interval_at(route.active, moment) is None:
            return Cause.INACTIVE, route.active
        muting = self._configuration.interval_at(route.mute, moment)
        return (Cause.MUTED, [muting]) if muting is not None else None

    def _tell(self, group: _Group, alerts: list[Alert], now: int) -> None:
        if not alerts:
            return
        firing = tuple(alert.labels for alert in alerts if not alert.resolved_at(now))
        resolved = tuple(alert.labels for alert in alerts if alert.resolved_at(now))
        route = group.route
        for number, integration in enumerate(self._configuration.receivers[route.receiver]):
            key = (group.key, route.receiver, number)
            state = (frozenset(firing), frozenset(resolved))
            repeat = route.repeat_interval
            reason = self._log.reason(key, *state, now, repeat, send_resolved=integration.send_resolved)
            if reason is None:
                continue
            self._log.write(key, *state, now, repeat)
            ends = resolved if integration.send_resolved else ()
            if firing or ends:
                self._notifications.append(
                    Notification(now, route.receiver, integration, group.labels, firing, ends, reason)
                )
                self._last[route, integration, group.labels] = self._notifications[-1]

    def _still_open(self, end: int) -> list[Open]:
        """List the alerts of the last notifications that are over, and were over at the last flush of their group."""
        return [
            Open(message.time, message.receiver, integration, message.group, labels)
            for (route, integration, _), message in self._last.items()
            if integration.send_resolved
            for labels in message.firing
            if self._received.resolved_at(labels, end - route.group_interval)
        ]
