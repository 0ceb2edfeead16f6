"""What a gauge does in a test, evaluation by evaluation, and what its alert makes of it.

Nothing here is derived from the PromQL: `Kind.holds` and the rules of `for` say what to expect.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import cached_property

from rulegen.conditions import History, World
from rulegen.conditions.history import Deviation
from rulegen.promql.replicas import WEIGHTED
from rulegen.slo.alerts import GaugeAlert
from rulegen.unittests.alertstate import State, breached, states
from rulegen.unittests.given import comes_about, needed
from rulegen.unittests.probes import Probe
from rulegen.unittests.timeline import Sample

Values = tuple[Sample, ...]


@dataclass(frozen=True)
class Phase:
    """The same values of every series, for some evaluations.

    ``missed``: they are not scraped, so that Prometheus goes on with the values before.
    """

    values: Values
    count: int
    missed: bool = False


@dataclass(frozen=True)
class Scene:
    """One case of a test. ``quiet``: the alert must not even be pending; else it must be active at last.

    ``then``: how it comes to an end, if it ``ends``; it must be active ``until`` so many evaluations before that.
    ``otherwise``: told in its place where it cannot be.
    """

    name: str
    phases: tuple[Phase, ...]
    quiet: bool = True
    then: tuple[Phase, ...] = ()
    ends: bool = True
    until: int = 0
    otherwise: Scene | None = None

    @property
    def length(self) -> int:
        """Evaluations before its end."""
        return sum(phase.count for phase in self.phases)

    @property
    def losses(self) -> list[int]:
        """After how many of its evaluations the series are lost, or become NaN."""
        found: list[int] = []
        now, there = 0, False
        for phase in (*self.phases, *self.then):
            known = any(value is not None and not value.is_nan() for value in phase.values)
            found += [now] if there and not known else []
            now, there = now + phase.count, known
        return found


@dataclass(frozen=True)
class Story:
    """Scenes one after the other, from a healthy gauge on.

    Beside each series that does all this there is one of another version that stays healthy
    (``versions``): the past is that of both. ``before``: what comes first, if not health.
    """

    alert: GaugeAlert
    probe: Probe
    size: int
    scenes: tuple[Scene, ...]
    before: Values = ()

    @property
    def healthy(self) -> Values:
        return (self.probe.healthy,) * self.size

    @cached_property
    def versions(self) -> int:
        """How many versions of the model there are."""
        return 2 if "version" in self.alert.series.varying else 1

    @cached_property
    def lead(self) -> int:
        """Evaluations until the past is there by itself, where it can be waited for."""
        interval = self.alert.series.interval
        waited = [needed(own, interval) for own in self._histories if comes_about(own, interval)]
        return max(waited, default=2)

    @property
    def _histories(self) -> Sequence[History]:
        return self.alert.kind.histories()

    @cached_property
    def given(self) -> list[History]:
        """The past that is given as a record: it does not come about by itself here."""
        count, interval = len(self.values), self.alert.series.interval
        return [
            history
            for history in self._histories
            if (history.least > count if history.of_version else not comes_about(history, interval))
        ]

    def given_past(self, history: History, now: int, series: int) -> Decimal:
        """What a record of the past is given as: a trend is flat, where the gauge is."""
        if not history.of_version:
            return self.probe.world.past[history.record.name]
        own = (values[series] for values in reversed(self.values[: now + 1]))
        last = next(value for value in own if value is not None and not value.is_nan())
        return last + self.probe.world.ahead

    @cached_property
    def phases(self) -> list[Phase]:
        scenes = [phase for scene in self.scenes for phase in (*scene.phases, *scene.then)]
        return [Phase(self.before or self.healthy, self.lead), *scenes]

    @cached_property
    def scraped(self) -> list[Values]:
        """What each replica has at each evaluation, or would have were it not missed."""
        return [phase.values for phase in self.phases for _ in range(phase.count)]

    @cached_property
    def values(self) -> list[Values]:
        """What the rules see at each evaluation; a weighted mean leaves NaN out."""
        if self.alert.series.aggregation != WEIGHTED:
            return self.scraped
        return [
            tuple(None if value is None or value.is_nan() else value for value in values)
            for values in self.scraped
        ]

    @cached_property
    def missed(self) -> list[bool]:
        """Which evaluations come without a scrape."""
        return [phase.missed for phase in self.phases for _ in range(phase.count)]

    def world(self, now: int, series: int) -> World:
        """What one series is compared with; NaN and a past that is not there yet are left out."""
        past = self.past(now, series)
        known = {name: value for name, value in past.items() if not value.is_nan()}
        return World(known, self.probe.world.reference)

    def past(self, now: int, series: int) -> dict[str, Decimal]:
        """The records of the past of one series."""
        found: dict[str, Decimal] = {}
        for history in self.alert.kind.histories():
            if history in self.given:
                value: Decimal | None = self.given_past(history, now, series)
            else:
                value = self._past(history, now, series)
            if value is not None:
                found[history.record.name] = value
        return found

    def _past(self, history: History, now: int, series: int) -> Decimal | None:
        step = self.alert.series.interval.seconds
        end = int((now * step - history.offset) // step)
        if end < 0:
            return None
        first = end
        if history.window:
            first = max(-int(-(now * step - history.offset - history.window) // step), 0)
        own = [((now - at) * step, self.values[at][series]) for at in range(first, end + 1)]
        found = [(ago, value) for ago, value in own if value is not None]
        if self.versions > 1 and not history.of_version:
            found += [(ago, self.probe.healthy) for ago, _ in own]
        return history.of(found) if len(found) >= history.least else None

    @cached_property
    def bad(self) -> list[list[int]]:
        """Which series are bad at each evaluation."""
        if all(history in self.given and not history.of_version for history in self._histories):
            # They are compared with the same at all times.
            found = {values: self._bad(0, values) for values in set(self.values)}
            return [found[values] for values in self.values]
        return [self._bad(now, values) for now, values in enumerate(self.values)]

    def _bad(self, now: int, values: Values) -> list[int]:
        return [index for index, value in enumerate(values) if self._holds(value, now, index)]

    def _holds(self, value: Sample, now: int, series: int) -> bool:
        if value is None or value.is_nan():
            return False
        return self.alert.kind.holds(value, self.world(now, series))

    @cached_property
    def states(self) -> Sequence[State]:
        spec = self.alert.spec
        several = self.alert.several
        held = [several.reached(len(bad), self.size) if several else bool(bad) for bad in self.bad]
        if spec.breaches:
            often = breached(held, spec.breaches.atLeast, spec.breaches.ofLast)
            # A gauge that is gone has no alert, however bad it was.
            there = [any(value is not None for value in values) for values in self.values]
            held = [enough and seen for enough, seen in zip(often, there, strict=True)]
        return states(held, self.alert.series.interval, spec.for_, spec.keepFiringFor)

    @cached_property
    def is_as_meant(self) -> bool:
        """Whether the alert is quiet in each quiet scene, active where the others lose their series and at their end,
        and ends."""
        now = self.lead
        if not self._others_stay_healthy:
            return False
        if self.probe.world.ahead and any(h.of_version and h not in self.given for h in self._histories):
            return False
        if any(self._is_recorded_too(history) for history in self.given):
            return False
        if any(state.active for state in self.states[:now]):
            return False
        for scene in self.scenes:
            own = self.states[now : now + scene.length]
            if not all(self._held(now + lost - 1) for lost in scene.losses):
                return False
            if not scene.quiet and not self._held(now + scene.length - 1):
                return False
            after = sum(phase.count for phase in scene.then)
            now += scene.length + after
            if scene.quiet and any(state.active for state in own):
                return False
            if after and scene.ends and self.states[now - 1].active:
                return False
            if scene.until and not self.states[now - 1 - scene.until].active:
                return False
        return True

    @property
    def fires_at_last(self) -> bool:
        """Whether the alert is active where its first scene is at its worst, whatever comes before."""
        return self._held(self.lead + self.scenes[0].length - 1)

    def _is_recorded_too(self, history: History) -> bool:
        """Whether the rules would make what is given as well."""
        interval = self.alert.series.interval
        if isinstance(history, Deviation) and self.versions > 1:
            # From a mean, which is given, as soon as there is anything to differ from it.
            return history.offset < len(self.values) * interval.seconds
        return history.moving and needed(history, interval) <= len(self.values)

    def _held(self, now: int) -> bool:
        """Whether the condition holds: an alert may only go on firing."""
        state = self.states[now]
        return state.pending or state.since == now

    @property
    def _others_stay_healthy(self) -> bool:
        """Whether the other version is good beside a past that is that of both."""
        shared = [own for own in self._histories if not own.of_version and own not in self.given]
        if self.versions == 1 or not shared:
            return True
        healthy = self.probe.healthy
        moments = ((now, index) for now in range(len(self.values)) for index in range(self.size))
        return not any(self._holds(healthy, now, index) for now, index in moments)

    @property
    def ends(self) -> list[int]:
        """The last evaluation of each phase."""
        found: list[int] = []
        now = 0
        for phase in self.phases:
            now += phase.count
            found.append(now - 1)
        return found


def told(
    alert: GaugeAlert, probe: Probe, size: int, scenes: Sequence[Scene]
) -> tuple[list[Story], list[Scene]]:
    """As few stories as tell all of ``scenes``, and those that none can.

    Where a baseline soon takes in what came just before, a scene needs a story of its own.
    """
    whole = Story(alert, probe, size, tuple(scenes))
    # Without a past it is all the same what comes later.
    if scenes and not alert.kind.histories() and whole.is_as_meant:
        return [whole], []
    stories: list[Story] = []
    missed: list[Scene] = []
    for scene in scenes:
        variants = [one for one in (scene, scene.otherwise) if one is not None]
        told_before = stories[-1].scenes if stories else ()
        longer = [Story(alert, probe, size, (*told_before, one)) for one in variants if stories]
        if story := next((story for story in longer if story.is_as_meant), None):
            stories[-1] = story
        elif story := next(filter(None, (_alone(alert, probe, size, one) for one in variants)), None):
            stories.append(story)
        else:
            missed.append(scene)
    return stories, missed


def _alone(alert: GaugeAlert, probe: Probe, size: int, scene: Scene) -> Story | None:
    """A story of one scene."""
    # A step is a steep trend, so a gauge may have to be there from the beginning.
    trend = any(history.of_version for history in alert.kind.histories())
    starts = ((), scene.phases[0].values) if scene.quiet and trend else ((),)
    found = (Story(alert, probe, size, (scene,), before) for before in starts)
    return next((story for story in found if story.is_as_meant), None)
