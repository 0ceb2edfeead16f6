"""Error budgets: their records and burn-rate alerts."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from mlslo.yamlfile import Duration
from rulegen.promql import conventions
from rulegen.promql.annotations import DATE, PERCENTAGE, Label, Lookup, Part, Text, Value
from rulegen.promql.conventions import (
    KNOWN_GROUPS_RECORD,
    MODEL,
    REVISION,
    SLO,
    errors_record,
    events_record,
    ratio_record,
)
from rulegen.promql.expressions import block, number, selector
from rulegen.promql.rules import AlertRule, Record
from rulegen.slo.alerts import AlertBuilder
from rulegen.slo.burn_rate import BurnWindow, Speed
from rulegen.slo.calendar import Calendar
from rulegen.slo.events import EventSli
from rulegen.slo.groups import among, group_name, known_groups, of_group
from rulegen.slo.own_texts import Variables, text_of
from rulegen.spec.model_slo import Alerting, Slo
from rulegen.spec.time_windows import CalendarWindow, nominal, phrase


@dataclass(frozen=True)
class Budget:
    """The error budget of one SLO. ``pairs`` are those that can fire; ``share`` is what may be bad, 0..1.

    ``most_groups``: how many groups have one, where there are groups.
    """

    model: str
    slo: str
    objective: Decimal
    share: Decimal
    promised: Duration | CalendarWindow
    pairs: tuple[BurnWindow, ...]
    alerting: Alerting
    sli: EventSli
    most_groups: int = 0

    @property
    def groups(self) -> tuple[str, ...]:
        """The labels by which there is a budget each; none: one budget for all events."""
        return self.sli.groups

    @property
    def time_window(self) -> Duration:
        """The length that burn rates are reckoned by."""
        return nominal(self.promised)

    @property
    def calendar(self) -> Calendar | None:
        """The periods of the calendar that it begins anew with, if it does."""
        return None if isinstance(self.promised, Duration) else Calendar(self.promised, self.select)

    @property
    def revision(self) -> str:
        """The promise in words: what it was before a change stays beside what it is."""
        return f"{number(self.objective)}%{self.sli.kept} over {phrase(self.promised)}"

    @property
    def windows(self) -> list[Duration]:
        """Every window of the pairs, the shortest first."""
        found = {window.seconds: window for pair in self.pairs for window in (pair.short, pair.long)}
        return [found[seconds] for seconds in sorted(found)]

    def select(self, record: str) -> str:
        """A record of this SLO."""
        return selector(record, {MODEL: self.model, SLO: self.slo})

    def ratio(self, window: Duration | str) -> str:
        """The name of the record of bad over all events."""
        return ratio_record(f"{self.sli.operation}{window}")

    def errors(self, window: Duration) -> str:
        """The name of the record of bad events."""
        return errors_record(f"{self.sli.operation}{window}")

    def events(self, window: Duration) -> str:
        """The name of the record of all events."""
        return events_record(f"{self.sli.operation}{window}")

    @property
    def whole(self) -> Duration | str:
        """The time window, as its records are named."""
        if self.calendar is not None:
            return self.calendar.name
        same = [window for window in self.windows if window.seconds == self.time_window.seconds]
        return same[0] if same else self.time_window

    def records(self) -> list[Record]:
        """Numerators, denominators and ratios over each window, and what is left of the budget."""
        own = {SLO: self.slo}
        labels = own if self.sli.has_model else {MODEL: self.model, SLO: self.slo}
        found: list[Record] = [*self.sli.sources(), *self._known_groups(labels)]
        for window in self.windows:
            errors, events = self.errors(window), self.events(window)
            found += [
                Record(events, self._known(self.sli.events(window)), labels),
                Record(errors, self._known(self._errors(window)), labels),
                Record(self.ratio(window), f"{self.select(errors)} / {self.select(events)}", own),
            ]
        return found + self._whole() + self._summary()

    def _whole(self) -> list[Record]:
        """The ratio over the time window, where no pair of windows has it."""
        source, own = self.sli.summed(self.windows[0]), {SLO: self.slo}
        errors, events = errors_record(source), events_record(source)
        calendar, over = self.calendar, self.whole
        if calendar is not None:
            of_period = [(name, f"{name}_{calendar.name}") for name in (errors, events)]
            records = calendar.records({MODEL: self.model, **own})
            records += [Record(new, calendar.labelled(name), own) for name, new in of_period]
            return [*records, Record(self.ratio(over), calendar.ratio(*(new for _, new in of_period)), own)]
        if over in self.windows:
            return []
        whole = f"sum_over_time({self.select(errors)}[{over}]) / sum_over_time({self.select(events)}[{over}])"
        return [Record(self.ratio(over), whole, own)]

    def _known_groups(self, labels: dict[str, str]) -> list[Record]:
        if not self.groups:
            return []
        shortest = self.windows[0]
        recorded, counted = self.select(self.events(shortest)), self.sli.events(shortest)
        found = known_groups(recorded, counted, self.groups, self.most_groups)
        return [Record(KNOWN_GROUPS_RECORD, found, labels)]

    def _known(self, expression: str) -> str:
        return among(expression, self.groups, self.select(KNOWN_GROUPS_RECORD)) if self.groups else expression

    def _errors(self, window: Duration) -> str:
        return self.sli.errors(window, self.windows[0], self.select(self.events(window)))

    def _summary(self) -> list[Record]:
        """Return the records of the remaining budget and the burn rate."""
        calendar, ratio = self.calendar, self.ratio(self.whole)
        burned = calendar.so_far(ratio) if calendar is not None else self.select(ratio)
        burning = self.ratio(self.pairs[0].long)
        own = {SLO: self.slo, REVISION: self.revision}
        return [
            Record(conventions.BUDGET_REMAINING_RECORD, f"1 - {burned} / {number(self.share)}", own),
            Record(conventions.BURN_RATE_RECORD, f"{self.select(burning)} / {number(self.share)}", own),
        ]

    def pairs_of(self, speed: Speed) -> list[BurnWindow]:
        """The pairs of one alert."""
        return [pair for pair in self.pairs if pair.speed == speed]

    def expression(self, speed: Speed) -> str:
        """PromQL: the burn rate over the long window of the first pair that fires."""
        joined = "\nor\n".join(self._pair(pair) for pair in self.pairs_of(speed))
        return f"{block(joined)}\n/ {number(self.share)}"

    def _pair(self, pair: BurnWindow) -> str:
        limit = f"{number(pair.factor)} * {number(self.share)}"
        long, short = self.select(self.ratio(pair.long)), self.select(self.ratio(pair.short))
        terms = [f"{long} > {limit}", f"{short} > {limit}", self._enough(pair.long)]
        if self.alerting.minimumEvents:
            counted = self.sli.count(self.select(self.events(pair.long)), pair.long)
            terms.append(f"{counted} >= {self.alerting.minimumEvents}")
        return block("\nand\n".join(terms))

    def _enough(self, window: Duration) -> str:
        """PromQL: enough bad events that a few failures among few requests page nobody.

        All events are no measure of that: a small model that fails completely would never have enough of them. Rates
        are extrapolated, so that three events are counted as 2.9 or as 3.1.
        """
        counted = self.sli.count(self.select(self.errors(window)), window)
        return f"round({counted}) >= {self.alerting.minimumBadEvents}"


def burn_alert(build: AlertBuilder, slo: Slo, budget: Budget, speed: Speed) -> AlertRule:
    """The alert that the budget burns ``speed``."""
    alerting = budget.alerting
    tier = alerting.fast if speed == "fast" else alerting.slow
    budgets = Text.of(f"{budget.model} {budget.slo}: the error budget", of_group(budget.groups))
    objective = f"the objective of {number(budget.objective)}% over {phrase(budget.promised)}"
    summary = Text.of(budgets, " burns ", Value(), f" times as fast as {objective} allows")
    description = Text.of(
        f"{budget.sli.bad} Left of the budget ", *_budget_of(budget), ": ", _left(budget),
        f". Fires at a burn rate {_conditions(budget, speed)}.",
    )  # fmt: skip
    variables = burn_variables(build, slo, budget, speed)
    name = conventions.FAST_BURN if speed == "fast" else conventions.SLOW_BURN
    return build.alert(
        name,
        slo.name,
        slo.layer,
        tier,
        budget.expression(speed),
        text_of(alerting.summary, variables) if alerting.summary else summary,
        text_of(alerting.description, variables) if alerting.description else description,
        for_=alerting.for_,
        series_labels=budget.groups,
        groups=budget.groups,
    )


def burn_variables(build: AlertBuilder, slo: Slo, budget: Budget, speed: Speed) -> Variables:
    """Return what the user's own texts of a burn-rate alert may name."""
    tier = budget.alerting.fast if speed == "fast" else budget.alerting.slow
    own: dict[str, Part | Text] = {
        "value": Value(),
        "condition": f"at a burn rate {_conditions(budget, speed)}",
        "objective": number(budget.objective),
        "window": phrase(budget.promised),
        "budget_left": _left(budget),
        "bad_events": budget.sli.bad,
    }
    if budget.calendar is not None:
        own["period"] = _period(budget)
    if budget.groups:
        own["group"] = group_name(budget.groups)
    varying = {label: Label(label) for label in budget.groups}
    return Variables({**build.labels(slo.name, slo.layer, tier), **varying}, own)


def _conditions(budget: Budget, speed: Speed) -> str:
    return ", or ".join(
        f"above {number(pair.factor)} over both {pair.long} and {pair.short} "
        f"({number((pair.budget_spent(budget.time_window) * 100).quantize(Decimal('0.1')))}% of the budget)"
        for pair in budget.pairs_of(speed)
    )


def _left(budget: Budget) -> Lookup:
    """Look up the remaining budget of this promise; for minutes after a change a former one may be there, too."""
    fixed = ((MODEL, budget.model), (SLO, budget.slo), (REVISION, budget.revision))
    return Lookup(conventions.BUDGET_REMAINING_RECORD, fixed, budget.groups, PERCENTAGE)


def _period(budget: Budget) -> Lookup:
    """The date on which the period began."""
    return Lookup(conventions.PERIOD_RECORD, ((MODEL, budget.model), (SLO, budget.slo)), (), DATE)


def _budget_of(budget: Budget) -> list[Part]:
    """Which budget: "for 30d", "of the month that began on 2026-11-01 (Europe/Berlin)"."""
    if isinstance(budget.promised, Duration):
        return [f"for {budget.promised}"]
    return [
        f"of the {budget.promised.calendar} that began on ",
        _period(budget),
        f" ({budget.promised.zone})",
    ]
