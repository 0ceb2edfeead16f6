"""dropFrom: a drop below the gauge's own mean, which the incident is kept out of."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import cached_property

from mlslo.yamlfile import Duration
from rulegen.conditions.exactness import is_plain, most_exact, power_of_two
from rulegen.conditions.kind import Edge, History, Kind, Line, Unusable, World
from rulegen.conditions.past import line, lookup, mean_before
from rulegen.conditions.threshold import shown
from rulegen.promql.annotations import PERCENTAGE, Text
from rulegen.promql.expressions import exact, number
from rulegen.sli.gauge import GaugeSeries
from rulegen.sli.metric_ranges import possible
from rulegen.spec.model_slo import DropFrom

# Long enough that an incident found on a weekend is not yet in its own baseline.
DEFAULT_OFFSET = Duration("2d")


def default_offset(window: Duration) -> Duration:
    """How long ago a past of ``window`` ends, where the spec doesn't say."""
    return min(DEFAULT_OFFSET, window, key=lambda length: length.seconds)


@dataclass(frozen=True)
class Drop(Kind):
    """The gauge compared with its mean over a window that ended ``offset`` ago."""

    series: GaugeSeries
    window: Duration
    offset: Duration
    amount: Decimal
    relative: bool

    @classmethod
    def of(cls, series: GaugeSeries, condition: DropFrom) -> Drop:
        relative = condition.byRatio is not None
        amount = condition.byRatio if condition.byRatio is not None else condition.by
        assert amount is not None
        offset = condition.offset or default_offset(condition.window)
        return cls(series, condition.window, offset, exact(amount), relative)

    @cached_property
    def history(self) -> History:
        return mean_before(self.series, self.window, self.offset)

    def expression(self, *, valued: bool = True) -> str:
        past = self.series.select(self.history.record.name)
        lowered = f"{past} - {number(self.amount)}"
        if self.relative and self._never_negative:
            lowered = f"{number(1 - self.amount)} * {past}"
        elif self.relative:
            # A share of the mean's size: 20 % below -10 is -12, and nothing is a share of zero.
            lowered = f"({past} != 0) - {number(self.amount)} * abs({past})"
        return f"{self.series.expression} < {self.series.join()} ({lowered})"

    @property
    def _never_negative(self) -> bool:
        """Whether nothing is below a mean of 0."""
        return all(start.value >= 0 for start, _ in possible(self.series.metric).parts)

    def phrase(self, *, values: bool = True) -> Text:
        unit = self.series.metric.unit
        amount = PERCENTAGE[1](float(self.amount)) if self.relative else shown(self.amount, unit)
        said = f"more than {amount} below its mean over {self.window} until {self.offset} ago"
        return Text.of(said, " (", lookup(self.series, self.history.record), ")") if values else Text.of(said)

    def holds(self, value: Decimal, world: World) -> bool:
        past = world.past.get(self.history.record.name)
        if past is None or (self.relative and past == 0):
            return False
        return value < self._limit(past)

    def edges(self, world: World) -> Sequence[Edge]:
        past = world.past.get(self.history.record.name)
        if past is None or (self.relative and past == 0):
            return ()
        return (Edge(self._limit(past), exact=is_plain(past) and self._is_exact(past)),)

    def lines(self) -> Sequence[Line]:
        return (line(self.series, self.history.record),)

    def histories(self) -> Sequence[History]:
        return (self.history,)

    def healthy_guesses(self) -> Sequence[Decimal]:
        size = Decimal("0.5") if self.relative else power_of_two(self.amount * 8)
        return most_exact((size, size / 2, size * 2), self._is_exact)

    def unusable(self) -> Sequence[Unusable]:
        name, none = self.history.record.name, Decimal(0)
        return (
            (Unusable(none, {name: none}, {name: Decimal("0.000001")}),)
            if self.relative and not self._never_negative
            else ()
        )

    def _is_exact(self, past: Decimal) -> bool:
        """Whether PromQL's arithmetic gives the same limit."""
        mean, amount = float(past), float(self.amount)
        limit = mean - amount
        if self.relative:
            limit = float(1 - self.amount) * mean if self._never_negative else mean - amount * abs(mean)
        return limit == float(self._limit(past))

    def _limit(self, past: Decimal) -> Decimal:
        return past - (abs(past) * self.amount if self.relative else self.amount)
