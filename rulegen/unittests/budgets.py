"""Tests of burn-rate alerts: each pair of windows, just inside and just beyond, with too few events,
a gap, NaN (the ratio of no events), recovery and the end of its series."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from mlslo.yamlfile import Duration
from rulegen.promql.annotations import Firing
from rulegen.promql.conventions import BUDGET_REMAINING_RECORD, MODEL, SLO
from rulegen.promql.expressions import exact, number
from rulegen.promql.rules import AlertRule
from rulegen.slo.budget import ALERT_NAMES, Budget
from rulegen.slo.burn_rate import BurnWindow, Speed
from rulegen.unittests.timeline import GONE, InputSeries, Sample, alert_test

_JUST = Decimal("0.001")
Ratios = dict[str, Sample]
_NAN = Decimal("NaN")


@dataclass(frozen=True)
class _Moment:
    """The records of every window at one evaluation, by the window: bad share, and events."""

    ratios: Ratios
    events: dict[str, Sample]


def tests(budget: Budget, speed: Speed, rule: AlertRule, interval: Duration) -> list[dict[str, Any]]:
    """One test for each pair of windows of one alert."""
    return [_Case(budget, speed, rule, interval, pair).as_data() for pair in budget.pairs_of(speed)]


@dataclass(frozen=True)
class _Case:
    budget: Budget
    speed: Speed
    rule: AlertRule
    interval: Duration
    pair: BurnWindow

    def as_data(self) -> dict[str, Any]:
        moments = list(self._moments())
        name = ALERT_NAMES[self.speed]
        return {
            "interval": str(self.interval),
            "name": (
                f"{name} of {self.budget.slo}: fires above {number(self.budget.threshold(self.pair))} "
                f"over {self.pair.long} and {self.pair.short}"
            ),
            "input_series": [series.as_data() for series in self._input(moments)],
            "alert_rule_test": [
                alert_test(now, self.interval, name, self._expected(moment))
                for now, moment in enumerate(moments)
            ],
        }

    def _moments(self) -> Iterator[_Moment]:
        # The limit itself is not beyond it: the product that Prometheus makes of two floats.
        inside = exact(float(self.pair.factor) * float(self.budget.share))
        beyond = inside * (1 + _JUST)
        enough, few = self._enough()
        none = Decimal(0)
        yield self._moment(none, none, enough)
        yield self._moment(inside, inside, enough)
        yield self._moment(beyond, inside, enough)
        yield self._moment(inside, beyond, enough)
        yield self._moment(beyond, beyond, few)
        yield self._moment(beyond, beyond, enough)
        yield self._moment(GONE, GONE, GONE)
        yield self._moment(beyond, beyond, enough)
        yield self._moment(_NAN, _NAN, none)
        yield self._moment(beyond, beyond, enough)
        yield self._moment(beyond, none, enough)
        yield self._moment(beyond, beyond, enough)
        yield self._moment(GONE, GONE, GONE)
        yield self._moment(GONE, GONE, GONE)

    def _enough(self) -> tuple[Decimal, Decimal]:
        """What the record says of as many events as are needed, and of just too few."""
        least = self.budget.least_events(self.pair)
        if self.budget.sli.operation != "rate":
            return Decimal(least), least * (1 - _JUST)
        # Per second: the smallest float that the rule multiplies to the very number, or where there is none to more.
        rate, window = least / self.pair.long.seconds, self.pair.long.seconds
        while rate * window >= least:
            rate = math.nextafter(rate, 0)
        while rate * window < least:
            rate = math.nextafter(rate, math.inf)
        return exact(rate), _digits(exact(rate) * (1 - _JUST))

    def _moment(self, long: Sample, short: Sample, events: Sample) -> _Moment:
        """``events``: the record of the long window; the others have plenty."""
        known = None if long is None else Decimal(0)
        ratios = {str(window): known for window in self.budget.windows}
        ratios |= {str(self.pair.long): long, str(self.pair.short): short}
        plenty = None if long is None else Decimal(10**9)
        counts = {str(window): plenty for window in self.budget.windows}
        counts[str(self.pair.long)] = events
        return _Moment(ratios, counts)

    def _expected(self, moment: _Moment) -> list[dict[str, Any]]:
        burning = [pair for pair in self.budget.pairs_of(self.speed) if self._burns(pair, moment)]
        if not burning:
            return []
        value = moment.ratios[str(burning[0].long)]
        assert value is not None
        left = self._left(moment.ratios)
        firing = Firing({}, float(value / self.budget.share), {BUDGET_REMAINING_RECORD: left})
        texts = {name: text.render(firing) for name, text in self.rule.annotations.items()}
        return [{"exp_labels": dict(self.rule.labels), "exp_annotations": texts}]

    def _burns(self, pair: BurnWindow, moment: _Moment) -> bool:
        limit = exact(float(pair.factor) * float(self.budget.share))
        long, short = moment.ratios[str(pair.long)], moment.ratios[str(pair.short)]
        events = moment.events[str(pair.long)]
        if long is None or short is None or events is None or long.is_nan() or short.is_nan():
            return False
        return min(long, short) > limit and self._counted(events, pair) >= self.budget.least_events(pair)

    def _counted(self, events: Decimal, pair: BurnWindow) -> float:
        """How many events a record stands for, as Prometheus multiplies."""
        return float(events) * (pair.long.seconds if self.budget.sli.operation == "rate" else 1)

    def _left(self, ratios: Mapping[str, Sample]) -> float | None:
        """What is left of the budget, where a window is the whole time window; else it is not known here."""
        spent = ratios.get(str(self.budget.whole))
        return None if spent is None else float(1 - spent / self.budget.share)

    def _input(self, moments: list[_Moment]) -> Iterator[InputSeries]:
        """The records themselves: their making is tested apart, and three days of it are slow."""
        labels = {MODEL: self.budget.model, SLO: self.budget.slo}
        for window in self.budget.windows:
            over = str(window)
            yield InputSeries(self.budget.ratio(window), labels, [m.ratios[over] for m in moments])
            yield InputSeries(self.budget.events(window), labels, [m.events[over] for m in moments])


def _digits(value: Decimal) -> Decimal:
    """As many digits as a float has room for."""
    return exact(float(value))
