"""Which of the eight cases the tests of an alert hold, and which do not apply to it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

from tests.cases.alerts import Alert
from tests.cases.played import Seen, Series, State, Test

# "Just": no further apart than this, as a share of the larger of the two.
_NEAR = 0.0025
# Beside 0 nothing is a share; and the age of a time is told in whole seconds, what is counted in whole numbers.
_NEAR_ZERO, _NEAR_AGE, _NEAR_COUNT = 0.002, 1.0, 1.0


@dataclass(frozen=True)
class Story:
    """One test of one alert: what it rests on, and what is checked of it, evaluation by evaluation."""

    alert: Alert
    series: Sequence[Series]
    seen: Sequence[Seen]
    states: dict[int, State]

    @classmethod
    def of(cls, alert: Alert, test: Test) -> Story:
        series, seen = test.seen(alert)
        return cls(alert, series, seen, test.states(alert))

    def at(self, now: int) -> State:
        """What is checked at an evaluation."""
        return self.states.get(now, State())

    @cached_property
    def known(self) -> list[int]:
        """Evaluations with a check after one with a check."""
        return [now for now in sorted(self.states) if self.at(now).known and self.at(now - 1).known]

    @cached_property
    def begins(self) -> list[int]:
        """Where the condition is known to hold: the alert is pending or fires, and did not just before."""
        return [now for now in self.known if self.at(now).active and self.at(now - 1).quiet]

    @cached_property
    def bad(self) -> list[int]:
        """Where the condition is known to hold by what is seen then."""
        if self.alert.breaches:
            return self.begins
        fires = self.alert.keep == 0
        held = [now for now, state in self.states.items() if state.pending or (fires and state.firing)]
        return sorted({*self.begins, *held})

    def culprits(self, now: int) -> list[list[int]]:
        """Which series made the alert active at ``now``: those that differ from any evaluation at which it is quiet.

        As there are several such evaluations, so there are several answers. What is given as made from others of them
        is left out.
        """
        begin = max((begin for begin in self.begins if begin <= now), default=None)
        if begin is None:
            return []
        quiet = [then for then, state in self.states.items() if state.quiet]
        found = {tuple(self._first_causes(self.changed(then, begin))) for then in quiet}
        return [list(which) for which in sorted(found) if which]

    def _first_causes(self, which: list[int]) -> list[int]:
        names = {self.series[index].name for index in which}
        return [index for index in which if not self.alert.made_from(self.series[index].name) & names]

    def changed(self, one: int, other: int) -> list[int]:
        """Which series differ between two evaluations."""
        return [
            index
            for index, (before, after) in enumerate(zip(self.seen[one], self.seen[other], strict=True))
            if not _same(before, after)
        ]

    def all_are(self, what: Callable[[float | None], bool], which: Sequence[int], now: int) -> bool:
        """Whether ``what`` holds of each of several series."""
        return bool(which) and all(what(self.seen[now][index]) for index in which)


def _same(one: float | None, other: float | None) -> bool:
    if one is None or other is None:
        return one is other
    return one == other or (one != one and other != other)


def _gone(value: float | None) -> bool:
    return value is None


def _nan(value: float | None) -> bool:
    return value is not None and value != value


def _number(value: float | None) -> bool:
    return value is not None and value == value


Case = Callable[[Alert, Sequence[Story]], bool]


def beyond(alert: Alert, stories: Sequence[Story]) -> bool:  # noqa: ARG001
    """It fires."""
    return any(state.firing for story in stories for state in story.states.values())


def just_inside(alert: Alert, stories: Sequence[Story]) -> bool:
    """It is quiet at nearly what is bad, for as many evaluations as it would need."""
    least = alert.breaches[0] if alert.breaches else 1
    bad = [(story, story.seen[now]) for story in stories for now in story.bad]
    for story in stories:
        for now, state in story.states.items():
            held = [then for then in range(now - least + 1, now + 1) if then >= 0]
            if not state.quiet or len(held) < least or any(story.changed(then, now) for then in held):
                continue
            if any(_near(story, story.seen[now], other, found) for other, found in bad):
                return True
    return False


def _near(story: Story, one: Seen, other_story: Story, other: Seen) -> bool:
    """Whether the same series have nearly, and not quite, the same values."""
    names = [[(series.name, series.labels) for series in own.series] for own in (story, other_story)]
    if names[0] != names[1]:
        return False
    differ = False
    for series, a, b in zip(story.series, one, other, strict=True):
        if _same(a, b):
            continue
        if a is None or b is None or a != a or b != b:
            return False
        differ = True
        limit = _NEAR * max(abs(a), abs(b))
        if a * b <= 0:
            limit = _NEAR_ZERO
        if story.alert.of_ages and series.is_time:
            limit = max(limit, _NEAR_AGE)
        if series.is_count:
            limit = max(limit, _NEAR_COUNT)
        if abs(a - b) > limit * (1 + 1e-9):
            return False
    return differ


def one_step_before(alert: Alert, stories: Sequence[Story]) -> bool:
    """At the evaluation before it first fires it is pending, or quiet where it need not last."""
    return any(
        story.at(now).firing
        and (before := story.at(now - 1)).firing is False
        and before.pending is alert.lasting
        for story in stories
        for now in story.known
    )


def recovery(alert: Alert, stories: Sequence[Story]) -> bool:
    """It fires until everything has been there and well for as long as it goes on firing."""
    for story in stories:
        for now in story.known:
            if not (story.at(now - 1).firing and story.at(now).quiet):
                continue
            there = [index for which in story.culprits(now - 1) for index in which]
            # Of the last Y evaluations some may be bad when it begins to recover.
            begins = now - alert.keep + (alert.breaches[1] if alert.breaches else 0)
            still = range(max(begins, 0), now)
            well = story.all_are(_number, there, now) and not any(story.changed(then, now) for then in still)
            if well and story.changed(max(begin for begin in story.begins if begin < now), now):
                return True
    return False


def gap(alert: Alert, stories: Sequence[Story]) -> bool:
    """What is bad is gone for a while, or what is absent is there for one, and is as before after it."""
    away = _number if alert.of_absence else _gone
    for story in stories:
        for now in story.known:
            if not story.at(now - 1).active:
                continue
            for which in story.culprits(now - 1):
                back = _back(story, away, which, now)
                if back is not None and story.at(back).known and _alike(story, now - 1, back):
                    return True
    return False


def _alike(story: Story, one: int, other: int) -> bool:
    """Whether two evaluations are the same, or nearly."""
    return not story.changed(one, other) or _near(story, story.seen[one], story, story.seen[other])


def _back(story: Story, away: Callable[[float | None], bool], which: Sequence[int], now: int) -> int | None:
    """When series that are away at ``now`` are no longer, if they are and if they come back."""
    if not story.all_are(away, which, now):
        return None
    later = range(now + 1, len(story.seen))
    return next((then for then in later if not story.all_are(away, which, then)), None)


def nan(alert: Alert, stories: Sequence[Story]) -> bool:  # noqa: ARG001
    """What is bad becomes NaN while the alert is active."""
    return any(
        story.at(now - 1).active and any(story.all_are(_nan, which, now) for which in story.culprits(now - 1))
        for story in stories
        for now in story.known
    )


def absent_series(alert: Alert, stories: Sequence[Story]) -> bool:
    """What is bad ends for good while the alert is active; or the alert fires because it is gone."""
    for story in stories:
        for now in story.known:
            if alert.of_absence:
                if story.at(now).firing and any(
                    story.all_are(_gone, which, now) for which in story.culprits(now)
                ):
                    return True
                continue
            if not story.at(now - 1).active:
                continue
            for which in story.culprits(now - 1):
                if all(story.all_are(_gone, which, then) for then in range(now, len(story.seen))):
                    return True
    return False


def one_too_few(alert: Alert, stories: Sequence[Story]) -> bool:
    """X evaluations were bad, the last one too, but one of them too long ago: X - 1 of the last Y, and it is quiet."""
    assert alert.breaches is not None
    least, last = alert.breaches
    for story in stories:
        for begin in story.begins:
            bad = {now for now in range(len(story.seen)) if not story.changed(now, begin)}
            for now in bad:
                count = len([then for then in bad if now - last < then <= now])
                if count == least - 1 and now - last in bad and story.at(now).quiet:
                    return True
    return False


CASES: dict[str, Case] = {
    "beyond": beyond,
    "just inside": just_inside,
    "one step before for": one_step_before,
    "recovery": recovery,
    "gap": gap,
    "NaN": nan,
    "absent series": absent_series,
    "X-1 of Y": one_too_few,
}


def not_applicable(alert: Alert) -> dict[str, str]:
    """Cases that an alert cannot have, and why."""
    found: dict[str, str] = {}
    if not alert.rests_on:
        return dict.fromkeys(list(CASES)[1:], "it rests on no series, and always fires")
    if not alert.graded:
        found["just inside"] = "something is there or not, is 0 or 1: nothing lies just beside it"
    if alert.breaches is None:
        found["X-1 of Y"] = "it does not count evaluations"
    elif alert.breaches[0] == 1:
        found["X-1 of Y"] = "it needs one bad evaluation, one less is none"
    return found


@dataclass(frozen=True)
class Judged:
    """The cases of one alert."""

    alert: Alert
    found: tuple[str, ...]
    missing: tuple[str, ...]
    not_applicable: dict[str, str]


def judged(alert: Alert, tests: Sequence[Test]) -> Judged:
    """Look for each case in the tests of a rule file."""
    stories = [Story.of(alert, test) for test in tests if test.is_about(alert)]
    without = not_applicable(alert)
    found = tuple(name for name, case in CASES.items() if name not in without and case(alert, stories))
    missing = tuple(name for name in CASES if name not in without and name not in found)
    return Judged(alert, found, missing, without)
