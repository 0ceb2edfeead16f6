"""Cases that the tests of an alert hold, of eight, and those that do not apply to it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

from tests.cases.alerts import Alert
from tests.cases.played import Seen, Series, State, Test

# "Just": no further apart than this, as a share of the larger of the two: 0.24 beside 0.26.
_NEAR = 0.1
# Beside 0 nothing is a share; and the age of a time is told in whole seconds, what is counted in whole numbers.
_NEAR_ZERO, _NEAR_AGE, _NEAR_COUNT = 0.1, 1.0, 1.0
_BEFORE = State(False, False)


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
        """Return the state that is checked at an evaluation; before the first there is no alert."""
        return _BEFORE if now < 0 else self.states.get(now, State())

    @cached_property
    def checks(self) -> list[int]:
        """Evaluations of which the state is known, in order."""
        return [now for now in sorted(self.states) if self.at(now).known]

    @cached_property
    def active(self) -> list[int]:
        """Evaluations at which it is pending or fires."""
        return [now for now in self.checks if self.at(now).active]

    def after(self, now: int) -> list[int]:
        """Later evaluations with a check."""
        return [then for then in self.checks if then > now]

    def changed(self, one: int, other: int) -> list[int]:
        """Return the series that differ between two evaluations, without those made from others of them."""
        found = [
            index
            for index, (before, after) in enumerate(zip(self.seen[one], self.seen[other], strict=True))
            if not _same(before, after)
        ]
        names = {self.series[index].name for index in found}
        return [index for index in found if not self.alert.made_from(self.series[index].name) & names]

    def all_are(self, what: Callable[[float | None], bool], which: Sequence[int], now: int) -> bool:
        """Return whether ``what`` holds of each of several series."""
        return bool(which) and all(what(self.seen[now][index]) for index in which)

    def values(self, now: int) -> dict[tuple[str, frozenset[tuple[str, str]]], tuple[Series, float | None]]:
        """The value of each series at an evaluation."""
        return {
            (one.name, frozenset(one.labels.items())): (one, value)
            for one, value in zip(self.series, self.seen[now], strict=True)
        }


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
    bad = [(story, now) for story in stories for now in story.active]
    for story in stories:
        for now in story.checks:
            held = range(now - least + 1, now + 1)
            if story.at(now).active or held[0] < 0 or any(story.changed(then, now) for then in held):
                continue
            if any(_near(story, now, other, then) for other, then in bad):
                return True
    return False


def _near(story: Story, now: int, other: Story, then: int) -> bool:
    """Return whether series have nearly, and not quite, the same values at two evaluations.

    There may be other series beside them, such as those of other pods.
    """
    here, there = story.values(now), other.values(then)
    common = here.keys() & there.keys()
    if not common or len(common) < min(len(here), len(there)):
        return False
    differ = False
    for key in common:
        (series, a), (_, b) = here[key], there[key]
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
        for now in story.checks
    )


def recovery(alert: Alert, stories: Sequence[Story]) -> bool:
    """It fires until everything has been there and well for as long as it goes on firing."""
    for story in stories:
        for now in story.checks:
            if not (story.at(now - 1).firing and story.at(now).quiet):
                continue
            # Of the last Y evaluations some may be bad when it begins to recover.
            begins = max(now - alert.keep - (alert.breaches[1] if alert.breaches else 0), 0)
            first = next(then for then in range(begins, now + 1) if not story.changed(then, now))
            which = story.changed(first - 1, now) if first else []
            # What is absent comes back; anything else was there all along.
            there = alert.of_absence or story.all_are(_number, which, first - 1)
            if now - first >= alert.keep and story.all_are(_number, which, now) and there:
                return True
    return False


def gap(alert: Alert, stories: Sequence[Story]) -> bool:
    """A bad series is gone for a while, or an absent one there, and is as before after it."""
    away = _number if alert.of_absence else _gone
    for story in stories:
        for before, now in pairwise(story.checks):
            if not story.at(before).active or not story.all_are(away, story.changed(before, now), now):
                continue
            if any(
                not story.changed(before, then) or _near(story, before, story, then)
                for then in story.after(now)
            ):
                return True
    return False


def nan(alert: Alert, stories: Sequence[Story]) -> bool:
    """A bad series becomes NaN while the alert is active; or one that may not be absent does."""
    return any(
        (story.at(before).active or alert.of_absence) and story.all_are(_nan, story.changed(before, now), now)
        for story in stories
        for before, now in pairwise(story.checks)
    )


def absent_series(alert: Alert, stories: Sequence[Story]) -> bool:
    """A bad series ends for good while the alert is active; or the alert begins because it is gone."""
    for story in stories:
        for before, now in pairwise(story.checks):
            if story.at(before).active == alert.of_absence:
                continue
            which = story.changed(before, now)
            if all(story.all_are(_gone, which, then) for then in range(now, len(story.seen))):
                return True
    return False


def one_too_few(alert: Alert, stories: Sequence[Story]) -> bool:
    """X evaluations were bad, the last one too, but one of them too long ago: X - 1 of the last Y, and it is quiet."""
    assert alert.breaches is not None
    least, last = alert.breaches
    worst = [
        story.values(now) for story in stories for now in story.active if story.at(now - 1).firing is False
    ]
    for story in stories:
        bad = {
            now
            for now in range(len(story.seen))
            if any(
                all(
                    key in other and _same(other[key][1], value)
                    for key, (_, value) in story.values(now).items()
                )
                for other in worst
            )
        }
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


_OF_GROUPS = ("SLOGroupNoData", "SLOTooManyGroups")


def not_applicable(alert: Alert) -> dict[str, str]:
    """Cases that an alert cannot have, and why."""
    found: dict[str, str] = {}
    if not alert.rests_on:
        return dict.fromkeys(list(CASES)[1:], "it rests on no series, and always fires")
    if alert.name in _OF_GROUPS:
        # On the first SLO of a file; tests/rulegen/slo/test_groups.py has what takes a day.
        named = ("just inside", "one step before for", "recovery", "gap", "NaN", "absent series")
        found |= dict.fromkeys(named, "groups are remembered for a day, which would take promtool 15 s")
    if not alert.graded:
        found["just inside"] = "something is there or not, is 0 or 1: nothing lies just beside it"
    if alert.breaches is None:
        found["X-1 of Y"] = "it does not count evaluations"
    elif alert.breaches[0] == 1:
        found["X-1 of Y"] = "it needs one bad evaluation, one less is none"
    return found


def _alike(name: str, alert: Alert) -> tuple[object, ...]:
    """Return what alerts have in common if one of them stands for the others in a case.

    Every alert is tried on both sides of its limit. How it ends does not depend on the condition, and is tried once.
    """
    breaches = alert.breaches is not None
    match name:
        case "recovery" | "gap":
            return (alert.lasting, alert.keep > 0, breaches, alert.of_absence)
        case "NaN" | "absent series":
            return (breaches, alert.of_absence)
        case "X-1 of Y":
            return (alert.breaches,)
        case "just inside" if alert.of_absence:
            return (True,)
        case _:
            return (id(alert),)


@dataclass(frozen=True)
class Judged:
    """The cases of one alert."""

    alert: Alert
    found: tuple[str, ...]
    missing: tuple[str, ...]
    not_applicable: dict[str, str]


def judged(alert: Alert, tests: Sequence[Test], others: Sequence[Alert] = ()) -> Judged:
    """Look for each case in the tests of a rule file, in which ``others`` are, too."""
    without = not_applicable(alert)
    stories = {
        id(one): [Story.of(one, test) for test in tests if test.is_about(one)]
        for one in {id(a): a for a in (alert, *others)}.values()
    }

    def is_found(name: str, case: Case) -> bool:
        alike = [one for one in (alert, *others) if _alike(name, one) == _alike(name, alert)]
        return any(case(one, stories[id(one)]) for one in alike)

    found = tuple(name for name, case in CASES.items() if name not in without and is_found(name, case))
    missing = tuple(name for name in CASES if name not in without and name not in found)
    return Judged(alert, found, missing, without)
