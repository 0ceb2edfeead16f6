"""Cases of the records of an error budget: events, bad events, their ratios, and what is left of the budget."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal

from mlslo.yamlfile import Duration
from rulegen.conditions import World
from rulegen.promql import conventions
from rulegen.promql.conventions import MODEL, REVISION, SLO, errors_record, events_record
from rulegen.promql.expressions import exact, number, quote, selector
from rulegen.slo.budget import Budget
from rulegen.slo.companions import GroupCompanions
from rulegen.slo.events import (
    ERRORS,
    LATENCY,
    TOTAL,
    ErrorsSli,
    GoodSli,
    LatencySli,
    NativeLatencySli,
    RatioSli,
)
from rulegen.unittests import groups
from rulegen.unittests.calendars import part_over
from rulegen.unittests.case import GONE, MISSED, Case, NativeHistogram, Scrape, Series, counter, rounded
from rulegen.unittests.groups import example, others
from rulegen.unittests.probes import nearby
from rulegen.unittests.ratios import EventSeries, Selected, event_series
from rulegen.unittests.scraped import POD, labels_of, scraped

# Events in each sampled interval, and how many of them are bad: 1 of 20.
EVENTS, BAD = 60, 3
# Where a window begins is tested for those of so many evaluations.
_LONGEST = 360
_MILLISECONDS = 1000


def cases(budget: Budget, interval: Duration, *, whole: bool) -> list[Case] | None:
    """Return the cases, or None where it is not known what the SLI's expressions select.

    ``whole``: it is the first of its kind.
    """
    tested = _tested(budget, interval)
    if tested is None:
        return None
    if isinstance(budget.sli, GoodSli):
        return [tested.evaluations(), *(tested.windows() if whole else ())]
    series = tested.series
    counters = list(tested.counters(EVENTS, BAD))
    if series is not None:
        # Labels are summed away: what must not count would be seen in the numbers only.
        counters += tested.others(len(counters[0].samples))
    counters += tested.other_groups()
    found = [tested.ratios(counters)]
    late = isinstance(budget.sli, ErrorsSli | NativeLatencySli) or (series is not None and not series.needed)
    if whole and late:
        found.append(tested.none_bad())
    if whole and isinstance(budget.sli, LatencySli):
        found.append(tested.raced())
    return found


def healthy(budget: Budget, interval: Duration) -> tuple[list[Series], Duration] | None:
    """Counters of which none is bad until the second evaluation, beside others, and how often they are read.

    None where it is not known what the SLI's expressions select.
    """
    tested = _tested(budget, interval)
    if tested is None:
        return None
    count = round(interval.seconds / tested.sampled.seconds) + 1
    return [*tested.counters(EVENTS, 0, count), *tested.others(count)], tested.sampled


def too_many_groups(
    budget: Budget, companions: GroupCompanions, interval: Duration, *, alone: bool
) -> Case | None:
    """Return the case of more groups than have a budget; None where it is not known what the SLI's expressions select.

    A ratio may select one group only.
    """
    tested = _tested(budget, interval)
    if tested is None or tested.group != example(budget.groups):
        return None
    counters = list(tested.of_one_pod())
    return groups.too_many(budget, companions, interval, counters, tested.sampled, alone=alone)


def _tested(budget: Budget, interval: Duration) -> _Tested | None:
    group = example(budget.groups)
    if not isinstance(budget.sli, RatioSli):
        return _Tested(budget, interval, None, group)
    series = event_series(budget.sli.ratio, budget.groups)
    if series is None:
        return None
    own = [one.labels for one in (*series.bad, *series.rest, *series.others)]
    group |= {label: labels[label] for labels in own for label in group if label in labels}
    apart = any(labels.get(label, group[label]) != group[label] for labels in own for label in group)
    return None if apart else _Tested(budget, interval, series, group)


def part_of(step: Duration, most: float) -> Duration:
    """The longest whole part of ``step`` that has ``most`` seconds at most, down to milliseconds."""
    whole = round(step.seconds * _MILLISECONDS)
    least = max(math.ceil(whole / (most * _MILLISECONDS)), 1)
    parts = next(parts for parts in range(least, whole + 1) if whole % parts == 0)
    return Duration.of_seconds(whole / parts / _MILLISECONDS)


@dataclass(frozen=True)
class _Tested:
    """An error budget whose rules are evaluated every ``interval``.

    A test of counters is shorter than every window, so that a rate is what was counted over the window's length.
    """

    budget: Budget
    interval: Duration
    # Those of a raw pair of counters.
    series: EventSeries | None
    # The labels of the group that it is about, where there are groups.
    group: Mapping[str, str]

    @property
    def sampled(self) -> Duration:
        """The interval of samples: five in the shortest window."""
        return part_of(self.interval, self.budget.windows[0].seconds / 5)

    @property
    def _steps(self) -> int:
        """Samples for each evaluation."""
        return round(self.interval.seconds / self.sampled.seconds)

    @property
    def _end(self) -> int:
        """The last evaluation within the shortest window, or the first after time 0."""
        shortest = self.budget.windows[0].seconds
        return max(math.ceil(shortest / self.interval.seconds) - 1, 1)

    @property
    def _labels(self) -> dict[str, str]:
        return {MODEL: self.budget.model, SLO: self.budget.slo, **self.group}

    def ratios(self, series: list[Series]) -> Case:
        """Build the case of 1 bad event in 20."""
        name = f"Records of {self.budget.slo}: {BAD} of {EVENTS} events are bad"
        case = Case(name, self.interval, series, sampled=self.sampled)
        self._table(case, EVENTS * self._end * self._steps)
        self._ratios(case, self._end, Decimal(BAD) / EVENTS)
        return case

    def _ratios(self, case: Case, now: int, ratio: Decimal) -> None:
        """Expect the same ratio of each window and of the time window, and what follows from it."""
        budget, own = self.budget, {SLO: self.budget.slo, **self.group}
        near = Decimal("0.0001")
        names = {*map(str, budget.windows), str(budget.whole)}
        labels = {**self._labels, REVISION: budget.revision}
        query = f"count({self._named(budget.ratio)} > {number(ratio - near)} < {number(ratio + near)})"
        case.gives(now, query, [({}, Decimal(len(names)))])
        burned = ratio / budget.share
        case.nearly(now, selector(conventions.BURN_RATE_RECORD, own), labels, burned)
        if budget.calendar is not None:
            burned *= part_over(budget.calendar.window, now * self.interval.seconds)
        case.nearly(now, selector(conventions.BUDGET_REMAINING_RECORD, own), labels, 1 - burned)

    def _table(self, case: Case, events: int) -> None:
        """Expect the events of each window in one query."""
        budget = self.budget
        counts = {window: self._count(window, events) for window in budget.windows}
        step = Decimal(1).scaleb(min(min(counts.values()).adjusted() - 3, 0))
        samples = [
            ({**self._labels, "over": str(window)}, rounded(count, step)) for window, count in counts.items()
        ]
        query = f'label_replace({self._named(budget.events)}, "over", "$1", "__name__", "{_prefix(budget.events)}(.+)")'
        case.gives(self._end, f"round({query}, {number(step)})", samples)

    def _count(self, window: Duration, events: int) -> Decimal:
        counted = exact(events)
        if isinstance(self.budget.sli, NativeLatencySli):
            # Where a counter begins with 0 nothing is extrapolated before it; a native histogram has no such rule:
            # https://github.com/prometheus/prometheus/blob/v3.5.0/promql/functions.go (extrapolatedRate)
            seen, step = self._end * self.interval.seconds, self.sampled.seconds
            before = window.seconds - seen
            counted *= exact((seen + (before if before < 1.1 * step else step / 2)) / seen)
        return counted / (exact(window.seconds) if self.budget.sli.operation == "rate" else 1)

    def _named(self, record: Callable[[Duration], str]) -> str:
        """A record of each window."""
        group = "".join(f",{label}={quote(value)}" for label, value in self.group.items())
        return f'{{__name__=~"{_prefix(record)}[^_]+",{SLO}={quote(self.budget.slo)}{group}}}'

    def counters(self, events: int, bad: int, count: int = 0) -> Iterator[Series]:
        """The counters behind an SLI, which grow by so many in each sampled interval."""
        count = count or self._end * self._steps + 1
        for one in self._counters(events, bad, count):
            yield replace(one, labels={**one.labels, **self.group})

    def _counters(self, events: int, bad: int, count: int) -> Iterator[Series]:
        if self.series is not None:
            yield from _of_ratio(self.series, events, bad, count)
            return
        if isinstance(self.budget.sli, NativeLatencySli):
            yield from _of_native(self.budget.sli, events, bad, count)
            return
        labels = {MODEL: self.budget.model, "version": "1"}
        pods = (
            ({**labels, POD: "a"}, events * 2 // 3, bad * 2 // 3),
            ({**labels, POD: "b"}, events // 3, bad // 3),
        )
        for index, (pod, part, failed) in enumerate(pods):
            if isinstance(self.budget.sli, LatencySli):
                # A whole number of seconds is written in two ways.
                bound = self.budget.sli.bucket
                bound += ".0" if index and "." not in bound else ""
                yield Series(f"{LATENCY}_count", pod, counter(part, count))
                yield Series(f"{LATENCY}_bucket", {**pod, "le": bound}, counter(part - failed, count))
                yield Series(f"{LATENCY}_bucket", {**pod, "le": "+Inf"}, counter(part, count))
            else:
                yield Series(TOTAL, pod, counter(part, count))
                if bad:
                    code = {"code": f"50{3 * index}"}
                    yield Series(ERRORS, {**pod, **code}, counter(failed, count))

    def others(self, count: int) -> Iterator[Series]:
        """Counters that differ in one label from what the SLI counts, and grow fast."""
        fast = counter(1000, count)
        labels = {MODEL: f"{self.budget.model}-other", "version": "1", **self.group}
        if isinstance(self.budget.sli, NativeLatencySli):
            matchers = self.budget.sli.matchers
            for label, value in matchers.items():
                other = {**matchers, **self.group, label: f"{value}-other"}
                yield NativeHistogram(self.budget.sli.name, other, fast)
        elif isinstance(self.budget.sli, LatencySli):
            yield Series(f"{LATENCY}_count", labels, fast)
            yield Series(f"{LATENCY}_bucket", {**labels, "le": self.budget.sli.bucket}, fast)
        elif isinstance(self.budget.sli, ErrorsSli):
            yield Series(TOTAL, labels, fast)
            yield Series(ERRORS, {**labels, "code": "500"}, fast)
        for one in self.series.decoys if self.series else ():
            yield Series(one.name, {**self.group, **one.labels}, fast)

    def other_groups(self) -> Iterator[Series]:
        """The counters of other groups, in which every event is bad; no more than have a budget."""
        for group in others(self.group)[: self.budget.most_groups - 1]:
            yield from replace(self, group=group).counters(20 * EVENTS, 20 * EVENTS)

    def of_one_pod(self) -> Iterator[Series]:
        """Counters of which none is bad, at two evaluations."""
        seen: set[tuple[str, str]] = set()
        for one in self.counters(EVENTS, 0, 2):
            kind = one.name, one.labels.get("le", "")
            if (
                any(one.samples)
                and (one.name != f"{LATENCY}_bucket" or kind[1] != "+Inf")
                and kind not in seen
            ):
                if one.labels.get(POD) != "b":
                    yield one
                seen.add(kind)

    def none_bad(self) -> Case:
        """Build the case of events of which none is bad, then of none at all: the shortest window says so."""
        budget, interval = self.budget, self.interval.seconds
        shortest = budget.windows[0].seconds
        sampled = part_of(self.interval, shortest / 10)
        counters = [
            # Read twice, and then no more; nothing where a window begins.
            replace(one, samples=[MISSED, *one.samples[:2]])
            for one in self.counters(EVENTS, 0, 3)
        ]
        name = f"Records of {budget.slo}: where no event was bad yet, 0 are"
        case = Case(name, self.interval, counters, sampled=sampled)
        bad = self._named(budget.errors)
        begins = (shortest + sampled.seconds) / interval
        case.gives(math.ceil(begins) - 1, f"count({bad} == 0)", [({}, Decimal(len(budget.windows)))])
        if not isinstance(budget.sli, NativeLatencySli):
            case.gives(math.floor(begins) + 1, f"count({bad})", [])
        return case

    def raced(self) -> Case:
        """Build the case of more fast answers than answers: counters are read one after the other."""
        counters = list(self.counters(EVENTS, -BAD))
        name = f"Records of {self.budget.slo}: there are never less than 0 bad events"
        case = Case(name, self.interval, counters, sampled=self.sampled)
        query = f"count({self._named(self.budget.errors)} == 0)"
        case.gives(self._end, query, [({}, Decimal(len(self.budget.windows)))])
        return case

    def evaluations(self) -> Case:
        """Build the case of a gauge that is good, is not, and is gone, while another series of it is good."""
        sli = self.budget.sli
        assert isinstance(sli, GoodSli)
        series, limit = sli.series, sli.good.limit
        step = nearby(limit)
        values = [limit - step, limit, limit + step]
        held = [sli.good.holds(value, World()) for value in values]
        healthy = max(values) if held[-1] else min(values)
        given = list(scraped(series, labels_of(series), [*values, GONE], healthy))
        if series.entities:
            given += scraped(series, labels_of(series, 1), [healthy] * 3 + [GONE])
        said = f"an evaluation is good where the gauge is {sli.good.phrase().template()}"
        case = Case(f"Records of {self.budget.slo}: {said}", self.interval, given)
        errors, events = self._of(errors_record("bool")), self._of(events_record("bool"))
        for now, good in enumerate(held):
            case.gives(now, errors, [(self._labels, Decimal(not good))])
        case.gives(2, events, [(self._labels, Decimal(1))])
        case.gives(3, f"count({events}) or count({errors})", [])
        shortest = self.budget.windows[0]
        if shortest.seconds > 2 * self.interval.seconds:
            over = self._named(self.budget.events)
            case.gives(2, f"count({over} == 3)", [({}, Decimal(len(self.budget.windows)))])
            self._ratios(case, 2, exact(float(f"{held.count(False) / 3:.6g}")))
        return case

    def _of(self, record: str) -> str:
        return f"{selector(record, {SLO: self.budget.slo})} + 0"

    def windows(self) -> Iterator[Case]:
        """Build the case of what is recorded just before each window begins, and just after; of those not too long."""
        windows = [one for one in self.budget.windows if one.seconds <= _LONGEST * self.interval.seconds]
        if not windows:
            return
        sampled = part_of(self.interval, windows[0].seconds / 20)
        lengths = [window.seconds / sampled.seconds for window in windows]
        end = math.ceil(1.15 * windows[-1].seconds / self.interval.seconds)
        last = round(end * self.interval.seconds / sampled.seconds)
        ages = {round(part * length) for length in lengths for part in (0.9, 1.1)}
        samples: list[Scrape] = [Decimal(last - at in ages) for at in range(last + 1)]
        given = [Series(record("bool"), self._labels, samples) for record in (errors_record, events_record)]
        name = f"Records of {self.budget.slo}: each window has what was recorded in it"
        case = Case(name, self.interval, given, sampled=sampled)
        for window, length in zip(windows, lengths, strict=True):
            inside = Decimal(sum(age < length for age in ages))
            for record in (self.budget.events(window), self.budget.errors(window)):
                case.gives(end, self._of(record), [(self._labels, inside)])
        yield case


def _prefix(record: Callable[[Duration], str]) -> str:
    """The name of a record without its window."""
    return record(Duration("5m")).removesuffix("5m")


def _of_ratio(series: EventSeries, events: int, bad: int, count: int) -> Iterator[Series]:
    rest = events
    for index, (one, in_total) in enumerate(zip(series.bad, series.in_total, strict=True)):
        last = index == len(series.bad) - 1
        part = bad - (len(series.bad) - 1) if last else 1
        rest -= part if in_total else 0
        if bad or series.needed:
            yield from _of_pods(one, part if bad else 0, count)
    for index, one in enumerate(series.rest):
        last = index == len(series.rest) - 1
        yield from _of_pods(one, rest - 9 * (len(series.rest) - 1) if last else 9, count)
    for one in series.others:
        yield Series(one.name, one.labels, counter(0, count))


def _of_native(sli: NativeLatencySli, events: int, bad: int, count: int) -> Iterator[Series]:
    for pod, thirds in (("a", 2), ("b", 1)):
        samples = counter(events * thirds // 3, count)
        labels = {**sli.matchers, POD: pod}
        yield NativeHistogram(sli.name, labels, samples, sli.below.seconds, bad, events)


def _of_pods(series: Selected, per_interval: int, count: int) -> Iterator[Series]:
    """Two series that together are one, if there may be two."""
    if POD in series.labels or per_interval < 2:
        yield Series(series.name, series.labels, counter(per_interval, count))
        return
    for pod, part in (("a", per_interval - per_interval // 3), ("b", per_interval // 3)):
        if part:
            yield Series(series.name, {**series.labels, POD: pod}, counter(part, count))


def read_alone(budget: Budget) -> list[str]:
    """The records that a rule reads by themselves: what is read beside others is matched with them."""
    names = [budget.ratio(budget.pairs[0].long), budget.ratio(budget.whole)]
    if budget.groups:
        names += [budget.events(budget.windows[0]), conventions.KNOWN_GROUPS_RECORD]
    if isinstance(budget.sli, LatencySli | NativeLatencySli):
        names += [budget.events(window) for window in budget.windows]
    return list(dict.fromkeys([*names, *(record.name for record in budget.sli.sources())]))
