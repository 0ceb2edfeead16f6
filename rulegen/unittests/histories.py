"""Cases of the records of a gauge's past: its mean, its deviation, what it was, what it is going to be.

Histories that look equally far back share a test: each of its evaluations evaluates every rule of the file.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal

from mlslo.yamlfile import Duration
from rulegen.conditions import History, Location
from rulegen.promql.conventions import SLO
from rulegen.promql.expressions import selector
from rulegen.sli.gauge import GaugeSeries
from rulegen.slo.plan import Plan
from rulegen.unittests.case import GONE, MISSED, MOST_SAMPLES, Case, Scrape, Series
from rulegen.unittests.scraped import labels_of

# An old version, both halves of the one that follows it, and all later samples.
_OLD, _FIRST_HALF, _SECOND_HALF, _LATER = Decimal("0.5"), Decimal("0.8"), Decimal("0.6"), Decimal(9)
_TREND = Decimal("0.01")
# A test may cost so many evaluated rules, half a minute; an evaluation costs as much as some.
_MOST_EVALUATED, _EVALUATION = 600_000, 20
# Where a window begins is proved where a test needs no more evaluations than this.
_MOST_EVALUATIONS = 400
# A baseline that needs more samples than this has them more often than rules are evaluated.
_MANY = 60

Known = tuple[GaugeSeries, History]


def cases(plan: Plan, interval: Duration, note: Callable[[Location, str], None]) -> list[Case]:
    """Return the cases of every history of a model; ``note`` is given the place of what has none, and why."""
    groups: dict[tuple[float, int, bool, bool], dict[tuple[str, str], Known]] = {}
    rules = sum(len(group.rules) for group in plan.groups)
    for index, slo in enumerate(plan.slos):
        for position, alert in enumerate(slo.gauge_alerts if slo.can_be_given else ()):
            for history in alert.kind.histories():
                if not _Tested(history, interval).is_affordable(rules):
                    said = f"its {history.record.name} looks back further than a unit test can, and is not tested"
                    note((index, "alerts", position, "when"), said)
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
    def end(self) -> int:
        """The first evaluation at which there is enough."""
        needed = (self.history.least - 1) * self.sampled.seconds
        return math.ceil((self.history.offset + needed) / self.interval.seconds)

    def is_affordable(self, rules: int) -> bool:
        """Return whether promtool takes a test of it with so many rules, and not too long."""
        evaluated = self.end * (rules + _EVALUATION)
        return self.history.least <= MOST_SAMPLES and evaluated <= _MOST_EVALUATED

    def enough(self, known: Sequence[Known]) -> Case:
        """Build the case of just enough evaluations, and of fewer; what follows does not count."""
        history, step = self.history, self.sampled.seconds
        names = list(dict.fromkeys(series.slo for series, _ in known))
        ago = f" until {Duration.of_seconds(history.offset)} ago" if history.offset else ""
        needs = f" needs {history.least} evaluations" if history.least > 1 else ""
        said = f"the trend{needs}" if history.of_version else f"the past{ago}{needs}"
        case = Case(f"Records of {', '.join(names)}: {said}", self.interval, [], sampled=self.sampled)
        seen = math.floor((self.end * self.interval.seconds - history.offset) / step)
        for series, own in known:
            versions = self._versions(series, seen)
            for version, samples in versions.items():
                case.series.append(_given(series, version, samples))
            # What another SLO, and another model, have recorded does not count.
            case.series += replace(case.series[-1], samples=[_LATER] * (seen + 1)).of_others()
            now = self.end * self.interval.seconds
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
        if self.history.of_version:
            return {"1": [Decimal(1) + _TREND * index for index in range(least)]}
        versioned = "version" in series.varying
        if not self.history.window:
            first: list[Scrape] = [_FIRST_HALF] * (seen + 1)
            second: list[Scrape] = [_OLD] * (seen + 1)
            return {"1": first + later, "2": second + later} if versioned else {"1": first + later}
        old = least // 3 if versioned else 0
        half = (least - old) // 2
        between: list[Scrape] = [MISSED] * (seen + 1 - least)
        new = [*[GONE] * old, *[_FIRST_HALF] * half, *[_SECOND_HALF] * (least - old - half), *between, *later]
        return {"1": [*[_OLD] * old, GONE], "2": new} if old else {"1": new}

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


def _labels(series: GaugeSeries, history: History) -> dict[str, str]:
    """The labels of the record."""
    own = labels_of(series).items()
    kept = {label: value for label, value in own if history.of_version or label != "version"}
    return {**kept, SLO: series.slo}
