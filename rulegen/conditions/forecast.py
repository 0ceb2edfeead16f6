"""forecast: the gauge will be beyond a limit within some time, if it goes on as it did."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import cached_property
from typing import Literal

from pydantic import Field

from mlslo.yamlfile import Duration
from rulegen.conditions.history import forecast
from rulegen.conditions.kind import Comparison, History, Kind, World
from rulegen.conditions.threshold import shown
from rulegen.promql.annotations import Text
from rulegen.promql.expressions import exact, number
from rulegen.sli.gauge import GaugeSeries
from rulegen.sli.metric_ranges import ALL, NONE, Range


class Forecast(Comparison):
    """The gauge will be beyond a limit within some time, if it goes on as it did."""

    exactly_one = ("above", "below")
    sampled = "basedOn"

    above: float | None = Field(None, description="The limit, where more is bad. Either this or `below`.")
    below: float | None = Field(None, description="The limit, where less is bad.")
    within: Duration = Field(description="How far ahead.")
    basedOn: Duration = Field(
        description="Over how long its trend is taken; half of the evaluations in it must be there."
    )

    @property
    def looks_low(self) -> bool:
        return self.below is not None

    def lower(self, series: GaugeSeries) -> Trend:
        side: Literal["above", "below"] = "below" if self.above is None else "above"
        limit = self.below if self.above is None else self.above
        assert limit is not None
        return Trend(series, side, exact(limit), self.within, self.basedOn)

    def look_back(self) -> Iterator[tuple[str, Duration, str]]:
        yield "basedOn", self.basedOn, "the trend is that of a shorter past"

    def reach(self, possible: Range) -> Range:
        # A trend may lead beyond what the gauge can be; the gauge itself never gets there.
        too_high = self.above is not None and self.above >= possible.high
        too_low = self.below is not None and self.below <= possible.low
        return NONE if too_high or too_low else ALL


@dataclass(frozen=True)
class Trend(Kind):
    """The line through the last ``based_on`` of a version's gauge, ``within`` from now."""

    series: GaugeSeries
    side: Literal["above", "below"]
    limit: Decimal
    within: Duration
    based_on: Duration

    @cached_property
    def history(self) -> History:
        return forecast(self.series, self.within, self.based_on)

    def expression(self, *, valued: bool = True) -> str:
        # NaN is no value, and a forecast outlasts it.
        return f"{self.series.expression} >= -Inf\nand\n{self.condition()}"

    def condition(self) -> str:
        sign = ">" if self.side == "above" else "<"
        return f"{self.history.expression} {sign} {number(self.limit)}"

    def phrase(self, *, values: bool = True) -> Text:
        limit = shown(self.limit, self.series.metric.unit)
        trend = f"its trend of the last {self.based_on}"
        said = f"going to be {self.side} {limit} within {self.within} by {trend}"
        return Text.of(said, " (", self.history.lookup, ")") if values else Text.of(said)

    def holds(self, value: Decimal, world: World) -> bool:
        predicted = world.of(self.history)
        if predicted is None:
            return False
        return predicted > self.limit if self.side == "above" else predicted < self.limit

    def edges(self, world: World) -> Sequence[Decimal]:
        return (self.limit - world.ahead,)

    def leads(self, healthy: Decimal) -> Sequence[Decimal]:
        sign = 1 if self.side == "above" else -1
        step = sign * (abs(healthy) or Decimal(1)) / 16
        # Beyond the limit as soon as the gauge has moved by a step, and always.
        return (self.limit - healthy - step, sign * 4 * (abs(self.limit) + abs(healthy) + 1))

    def histories(self) -> Sequence[History]:
        return (self.history,)

    def healthy_guesses(self) -> Sequence[Sequence[Decimal]]:
        size = abs(self.limit) / 4 or Decimal(1)
        return ((self.limit - size if self.side == "above" else self.limit + size,),)

    def limits(self) -> Sequence[tuple[float, Literal["above", "below"]]]:
        return ((float(self.limit), self.side),)
