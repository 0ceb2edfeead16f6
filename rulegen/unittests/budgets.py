"""Cases of burn-rate alerts, from the records of their windows: how these are made is tested apart."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import ROUND_FLOOR, Decimal

from mlslo.yamlfile import Duration
from rulegen.promql.annotations import Firing
from rulegen.promql.conventions import BUDGET_REMAINING_RECORD, MODEL, PERIOD_RECORD, SLO
from rulegen.promql.expressions import exact, number
from rulegen.promql.rules import AlertRule
from rulegen.slo.budget import Budget
from rulegen.slo.burn_rate import BurnWindow, Speed
from rulegen.unittests.calendars import date_number
from rulegen.unittests.case import GONE, NAN, Case, First, Sample, Series, evaluations, lifetime
from rulegen.unittests.groups import example, others

# The records of one evaluation, by name.
Records = dict[str, Sample]

_NONE = Decimal(0)
# Extrapolated events are rounded: 2.6 are 3, and 2.4 are 2.
_FEW, _MORE = 0.4, 0.6


def cases(budget: Budget, rule: AlertRule, speed: Speed, interval: Duration, first: First) -> Iterator[Case]:
    """Both sides of the limit of each pair of windows; what ends the alert, for the first of its kind."""
    tested = _Tested(budget, rule, [_Pair(budget, pair) for pair in budget.pairs_of(speed)], interval)
    yield tested.quiet()
    yield tested.fires()
    if first(lifetime(rule)):
        yield from tested.life()


@dataclass(frozen=True)
class _Pair:
    """One pair of windows of an alert, and the records that it is tried with."""

    budget: Budget
    windows: BurnWindow

    @property
    def limit(self) -> Decimal:
        """The share of bad events above which it fires."""
        return self.windows.threshold(self.budget.share)

    @property
    def _step(self) -> Decimal:
        """At most a twentieth of the limit."""
        first = self.limit.normalize().as_tuple().digits[0]
        return Decimal({1: "0.4", 2: "0.5"}.get(first, "1")).scaleb(self.limit.adjusted() - 1)

    @property
    def inside(self) -> Decimal:
        """A share to two digits or so that is just below the limit."""
        below = (self.limit / self._step).to_integral_value(ROUND_FLOOR) * self._step
        return below if below < self.limit else below - self._step

    @property
    def beyond(self) -> Decimal:
        """One just above it."""
        above = self.inside + self._step
        return above if above > self.limit else above + self._step

    @property
    def names(self) -> list[str]:
        """The records that it is tried with: both ratios and bad events.

        Where all events are asked for they are given, and the rules make the ratio of them.
        """
        budget, long = self.budget, self.windows.long
        first = budget.events(long) if budget.alerting.minimumEvents else budget.ratio(long)
        return [first, budget.ratio(self.windows.short), budget.errors(long)]

    def records(self, long: Sample, short: Sample, bad: float, events: float | None = None) -> Records:
        """The records of one evaluation, with so many bad events in the long window, and so many in all."""
        if long is None:
            return dict.fromkeys(self.names, GONE)
        seconds = self.windows.long.seconds if self.budget.sli.operation == "rate" else 1
        first = long
        if self.budget.alerting.minimumEvents:
            # NaN is the ratio of no events.
            first = _digits((0 if long.is_nan() else events or bad / float(long)) / seconds)
            bad = 0 if long.is_nan() else float(first * long) * seconds
        return dict(zip(self.names, (first, short, _digits(bad / seconds)), strict=True))

    def quiet(self) -> Iterator[Records]:
        """Only one window burns; or few events are bad; or there are few."""
        alerting, inside, beyond = self.budget.alerting, self.inside, self.beyond
        least, asked = alerting.minimumBadEvents, alerting.minimumEvents or 0
        enough = max(least, 1.02 * asked * float(beyond))
        yield self.records(beyond, inside, enough)
        yield self.records(inside, beyond, enough)
        if least > 1 and (least - _MORE) / float(beyond) > asked:
            yield self.records(beyond, beyond, least - _MORE)
        if 0.98 * asked * float(beyond) > least:
            yield self.records(beyond, beyond, 0, 0.98 * asked)

    @property
    def enough(self) -> Records:
        """The records of one evaluation at which it just fires."""
        asked, least = self.budget.alerting.minimumEvents or 0, self.budget.alerting.minimumBadEvents
        return self.records(self.beyond, self.beyond, max(least - _FEW, 1.02 * asked * float(self.beyond)))


@dataclass(frozen=True)
class _Tested:
    budget: Budget
    rule: AlertRule
    pairs: Sequence[_Pair]
    interval: Duration

    def quiet(self) -> Case:
        """One window is not enough, nor are few bad events, nor few at all where that is asked for."""
        least, asked = self.budget.alerting.minimumBadEvents, self.budget.alerting.minimumEvents
        said = f", or fewer than {least} events are bad" if least > 1 else ""
        said += f", or there are fewer than {asked}" if asked else ""
        moments = [moment for pair in self.pairs for moment in pair.quiet()]
        case = self._case(f"stays quiet while only one window of two burns{said}", moments)
        case.never(len(moments) * self._held - 1, self.rule)
        return case

    def fires(self) -> Case:
        """Each pair in turn, with just enough bad events."""
        limits = (
            f"{number(pair.limit)} over {pair.windows.long} and {pair.windows.short}" for pair in self.pairs
        )
        after = f"after {self.rule.for_} " if self.rule.for_ else ""
        case = self._case(f"fires {after}above {', or '.join(limits)}", [pair.enough for pair in self.pairs])
        pair = self.pairs[0]
        first, _, bad = (float(value or 0) for value in pair.enough.values())
        burning = bad / first if self.budget.alerting.minimumEvents else first
        share = float(self.budget.share)
        known = self.budget.whole in (pair.windows.long, pair.windows.short)
        looked_up = {BUDGET_REMAINING_RECORD: 1 - burning / share if known else None}
        first_end = self._held - 1
        if self.budget.calendar is not None:
            window = self.budget.calendar.window
            looked_up[PERIOD_RECORD] = date_number(window, first_end * self.interval.seconds)
        if self.rule.for_:
            case.shows(first_end - 1, self.rule, "pending")
        case.fires(first_end, self.rule, Firing(example(self.budget.groups), burning / share, looked_up))
        for pair_number in range(2, len(self.pairs) + 1):
            case.shows(pair_number * self._held - 1, self.rule, "firing")
        return case

    @property
    def _held(self) -> int:
        """The number of evaluations that each set of records lasts for: until it fires."""
        return evaluations(self.rule.for_, self.interval) + 1

    def life(self) -> Iterator[Case]:
        """Build the cases of recovery, a gap, NaN and the end of its series."""
        pair = self.pairs[0]
        burns, gone = pair.enough, pair.records(GONE, GONE, 0)
        recovers = {**burns, pair.budget.ratio(pair.windows.short): _NONE}
        nan: Records = {**burns, pair.budget.ratio(pair.windows.short): NAN}
        if not pair.budget.alerting.minimumEvents:
            nan[pair.budget.ratio(pair.windows.long)] = NAN
        for what, moments in (
            (f"resolves when {pair.windows.short} is back at 0", [burns, recovers]),
            ("fires again after an evaluation without data", [burns, gone, burns]),
            ("is quiet at NaN, the ratio of no events", [burns, nan]),
            ("ends where its series end", [burns, gone, gone]),
        ):
            case = self._case(what, moments)
            for index, moment in enumerate(moments[:2] if moments[-1] == gone else moments):
                begin, end = index * self._held, (index + 1) * self._held - 1
                if moment == burns and end > begin:
                    case.shows(end - 1, self.rule, "pending")
                case.shows(
                    end if moment == burns else begin, self.rule, "firing" if moment == burns else None
                )
            yield case

    def _case(self, what: str, moments: Sequence[Records]) -> Case:
        """``moments``: records, each for as long as the alert takes to fire; what is not among them is 0.

        So are those of other groups.
        """
        group, healthy = example(self.budget.groups), [Records()] * len(moments)
        labels = {MODEL: self.budget.model, SLO: self.budget.slo}
        names = dict.fromkeys(
            name for pair in self.pairs for name in pair.names if any(name in one for one in moments)
        )
        series = [
            Series(
                name,
                {**labels, **one},
                [moment.get(name, _NONE) for moment in own for _ in range(self._held)],
            )
            for one, own in ((group, moments), *((other, healthy) for other in others(group)))
            for name in names
        ]
        return Case(f"{self.rule.name} of {self.budget.slo}: {what}", self.interval, series)


def _digits(value: float) -> Decimal:
    """A number to three digits, which is enough to count events."""
    return exact(float(f"{value:.3g}"))
