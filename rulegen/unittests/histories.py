"""Cases of the records of a gauge's past: its mean, its deviation, what it was, what it is going to be.

Each evaluation of a test evaluates every rule of the file. So histories that look equally far back share a test, and
those that look far back stand in a file of their own that is evaluated seldom.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal

from mlslo.yamlfile import Duration
from rulegen.conditions import History, Location
from rulegen.promql.conventions import SLO
from rulegen.promql.expressions import selector
from rulegen.sli.gauge import GaugeSeries
from rulegen.slo.alerts import GaugeAlert
from rulegen.slo.plan import Plan
from rulegen.unittests.case import GONE, MISSED, MOST_SAMPLES, Case, Scrape, Series
from rulegen.unittests.scraped import labels_of

# An old version, both halves of the one that follows it, and all later samples.
_OLD, _FIRST_HALF, _SECOND_HALF, _LATER = Decimal("0.5"), Decimal("0.8"), Decimal("0.6"), Decimal(9)
_TREND = Decimal("0.01")
# A test of more evaluations than this is evaluated so many times less often.
_MANY_EVALUATIONS, _SELDOM = 200, 60
# Where a window begins is proved where a test needs no more evaluations than this.
_MOST_EVALUATIONS = 400
# A baseline that needs more samples than this has them more often than rules are evaluated.
_MANY = 60

Known = tuple[GaugeSeries, History]


def cases(plan: Plan, interval: Duration, note: Callable[[Location, str], None]) -> list[Case]:
    """Return the cases of every history of a model; ``note`` is given the place of what has none, and why."""
    groups: dict[tuple[float, int, bool, bool], dict[tuple[str, str], Known]] = {}
    for at, alert, history in _histories(plan):
        if history.least > MOST_SAMPLES:
            note(
                at,
                f"its {history.record.name} needs more samples than a unit test can have, and is not tested",
            )
            continue
        key = (history.offset, history.least, bool(history.window), history.of_version)
        own = groups.setdefault(key, {})
        own[history.record.name, alert.series.slo] = (alert.series, history)
    found: list[Case] = []
    for group in groups.values():
        known = list(group.values())
        found.append(_Tested(known[0][1], interval).enough(known))
        found += [case for one in known if (case := _Tested(one[1], interval).window(one[0]))]
    return found


def look_far_back(plan: Plan, interval: Duration) -> bool:
    """Return whether a history of a model is tested in the file that is evaluated seldom."""
    tested = (one for _, _, one in _histories(plan) if one.least <= MOST_SAMPLES)
    return any(_Tested(one, interval).every != interval for one in tested)


def _histories(plan: Plan) -> Iterator[tuple[Location, GaugeAlert, History]]:
    for index, slo in enumerate(plan.slos):
        for position, alert in enumerate(slo.gauge_alerts if slo.can_be_given else ()):
            for history in alert.kind.histories():
                yield (index, "alerts", position, "when"), alert, history


@dataclass(frozen=True)
class _Tested:
    """A history, or one of several that look equally far back."""

    history: History
    interval: Duration

    @property
    def sampled(self) -> Duration:
        """The interval of samples, so short that a day of them takes minutes."""
        dense = self.history.least > _MANY and not self.history.of_version
        return Duration.of_seconds(self.interval.seconds / 60) if dense else self.interval

    @property
    def every(self) -> Duration:
        """The time between two evaluations of its test."""
        many = self._needed / self.interval.seconds > _MANY_EVALUATIONS
        return Duration.of_seconds(self.interval.seconds * _SELDOM) if many else self.interval

    @property
    def end(self) -> int:
        """An evaluation at which there is just enough; in a seldom evaluated test not at the one before."""
        every = self.every.seconds
        between = every if every > self.interval.seconds and self.history.least > 1 else 0
        return math.ceil((self._needed + between) / every)

    @property
    def _needed(self) -> float:
        return self.history.offset + (self.history.least - 1) * self.sampled.seconds

    def enough(self, known: Sequence[Known]) -> Case:
        """Build the case of just enough evaluations, and of fewer; what follows does not count."""
        history, step, every = self.history, self.sampled.seconds, self.every
        names = list(dict.fromkeys(series.slo for series, _ in known))
        ago = f" until {Duration.of_seconds(history.offset)} ago" if history.offset else ""
        needs = f" needs {history.least} evaluations" if history.least > 1 else ""
        said = f"the trend{needs}" if history.of_version else f"the past{ago}{needs}"
        case = Case(f"Records of {', '.join(names)}: {said}", every, [], sampled=self.sampled)
        seen = math.floor((self.end * every.seconds - history.offset) / step)
        for series, own in known:
            versions = self._versions(series, seen)
            for version, samples in versions.items():
                case.series.append(_given(series, version, samples))
            # What another SLO, and another model, have recorded does not count.
            case.series += replace(case.series[-1], samples=[_LATER] * (seen + 1)).of_others()
            now = self.end * every.seconds
            ages = [
                (now - index * step, value)
                for samples in versions.values()
                # Of a moment it is the last sample of each version.
                for index, value in list(enumerate(samples[: seen + 1]))[0 if own.window else -1 :]
                if isinstance(value, Decimal)
            ]
            query = selector(own.record.name, {SLO: series.slo})
            case.nearly(self.end, query, _labels(series, own), own.of(ages))
            if history.least > 1:
                case.gives(self.end - 1, query, [])
        return case

    def _versions(self, series: GaugeSeries, seen: int) -> dict[str, list[Scrape]]:
        least = self.history.least
        later: list[Scrape] = [_LATER] * 3 if self.history.offset else []
        at = self._places(seen)
        if self.history.of_version:
            return {"1": _spread({place: Decimal(1) + _TREND * place for place in at})}
        versioned = "version" in series.varying
        if not self.history.window:
            first: list[Scrape] = [_FIRST_HALF] * (seen + 1)
            second: list[Scrape] = [_OLD] * (seen + 1)
            return {"1": first + later, "2": second + later} if versioned else {"1": first + later}
        old = least // 3 if versioned else 0
        half = old + (least - old) // 2
        new = {place: _FIRST_HALF if index < half else _SECOND_HALF for index, place in enumerate(at)}
        for place in at[:old]:
            del new[place]
        samples = _spread(new) + later
        return {"1": [*_spread(dict.fromkeys(at[:old], _OLD)), GONE], "2": samples} if old else {"1": samples}

    def _places(self, seen: int) -> list[int]:
        """Places of just enough samples, of which the last counts at the last evaluation only.

        The others count at the one before it, unless they would be too old at the last.
        """
        least = self.history.least
        pause = round(self.every.seconds / self.sampled.seconds)
        first = seen - pause - least + 2
        if first < 0 or (seen - first) * self.sampled.seconds >= self.history.window:
            return list(range(seen + 1 - least, seen + 1))
        return [*range(first, seen + 1 - pause), seen]

    def window(self, series: GaugeSeries) -> Case | None:
        """Build the case of what was before the window, and in its first part; None where that takes too long."""
        history, step = self.history, self.interval.seconds
        end = math.ceil((3 * step + history.offset + history.window) / step)
        if not history.window or end > _MOST_EVALUATIONS:
            return None
        stop = end * step - history.offset
        start = stop - history.window

        def sample(time: float) -> Scrape:
            # Whether a window begins with what is just as old differs between Prometheus 2 and 3.
            if abs(time - start) < step / 1000:
                return GONE
            if time < start or time > stop:
                return _LATER
            return _FIRST_HALF if time < start + 0.15 * history.window else _SECOND_HALF

        samples = [sample(index * step) for index in range(end + 1)]
        ages = [
            (end * step - index * step, value)
            for index, value in enumerate(samples)
            if isinstance(value, Decimal) and start < index * step <= stop
        ]
        over = Duration.of_seconds(history.window)
        name = f"Records of {series.slo}: {history.record.name} is about {over}"
        case = Case(name, self.interval, [_given(series, "1", samples)])
        query = selector(history.record.name, {SLO: series.slo})
        case.nearly(end, query, _labels(series, history), history.of(ages))
        return case


def _given(series: GaugeSeries, version: str, samples: Sequence[Scrape]) -> Series:
    own = {"version": version} if "version" in series.varying else {}
    return Series(series.record, {**labels_of(series), **own, SLO: series.slo}, samples)


def _spread(values: Mapping[int, Decimal]) -> list[Scrape]:
    """Values at their places, and no scrape in between."""
    return [values.get(place, MISSED) for place in range(max(values) + 1)]


def _labels(series: GaugeSeries, history: History) -> dict[str, str]:
    """The labels of the record."""
    own = labels_of(series).items()
    kept = {label: value for label, value in own if history.of_version or label != "version"}
    return {**kept, SLO: series.slo}
