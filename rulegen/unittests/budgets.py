"""Tests of burn-rate alerts: each pair of windows, just inside and just beyond, and with too few events."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from exporter.yamlfile import Duration
from rulegen.budget import ALERT_NAMES, Budget
from rulegen.burnrate import BurnWindow, Speed
from rulegen.conventions import BUDGET_REMAINING_RECORD, MODEL, SLO
from rulegen.promql import exact, number
from rulegen.rules import AlertRule
from rulegen.texts import Firing
from rulegen.unittests.timeline import InputSeries, alert_test

_JUST = Decimal("0.001")
Ratios = dict[str, Decimal]


@dataclass(frozen=True)
class _Moment:
    """The records of every window at one evaluation, by the window: bad share, and events."""

    ratios: Ratios
    events: dict[str, Decimal]


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
        least = Decimal(self.budget.least_events(self.pair))
        enough, few = least * (1 + _JUST), least * (1 - _JUST)
        yield self._moment(Decimal(0), Decimal(0), enough)
        yield self._moment(inside, inside, enough)
        yield self._moment(beyond, inside, enough)
        yield self._moment(inside, beyond, enough)
        yield self._moment(beyond, beyond, few)
        yield self._moment(beyond, beyond, enough)
        yield self._moment(beyond, Decimal(0), enough)

    def _moment(self, long: Decimal, short: Decimal, events: Decimal) -> _Moment:
        ratios = {str(window): Decimal(0) for window in self.budget.windows}
        ratios |= {str(self.pair.long): long, str(self.pair.short): short}
        counts = {str(window): Decimal(10**9) for window in self.budget.windows}
        counts[str(self.pair.long)] = events
        return _Moment(ratios, counts)

    def _expected(self, moment: _Moment) -> list[dict[str, Any]]:
        burning = [pair for pair in self.budget.pairs_of(self.speed) if self._burns(pair, moment)]
        if not burning:
            return []
        value = moment.ratios[str(burning[0].long)] / self.budget.share
        firing = Firing({}, float(value), {BUDGET_REMAINING_RECORD: self._left(moment.ratios)})
        texts = {name: text.render(firing) for name, text in self.rule.annotations.items()}
        return [{"exp_labels": dict(self.rule.labels), "exp_annotations": texts}]

    def _burns(self, pair: BurnWindow, moment: _Moment) -> bool:
        limit = exact(float(pair.factor) * float(self.budget.share))
        over = min(moment.ratios[str(pair.long)], moment.ratios[str(pair.short)])
        return over > limit and moment.events[str(pair.long)] >= self.budget.least_events(pair)

    def _left(self, ratios: Mapping[str, Decimal]) -> float | None:
        """What is left of the budget, where a window is the whole time window; else it is not known here."""
        spent = ratios.get(str(self.budget.whole))
        return None if spent is None else float(1 - spent / self.budget.share)

    def _input(self, moments: list[_Moment]) -> Iterator[InputSeries]:
        """The records themselves: their making is tested apart, and three days of it are slow."""
        labels = {MODEL: self.budget.model, SLO: self.budget.slo}
        for window in self.budget.windows:
            over = str(window)
            ratios = [moment.ratios[over] for moment in moments]
            per_second = self.budget.sli.operation == "rate"
            unit = exact(window.seconds) if per_second else Decimal(1)
            events = [_digits(moment.events[over] / unit) for moment in moments]
            yield InputSeries(self.budget.ratio(window), labels, ratios)
            yield InputSeries(self.budget.events(window), labels, events)


def _digits(value: Decimal) -> Decimal:
    """As many digits as a float has room for."""
    return exact(float(value))
