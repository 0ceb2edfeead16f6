"""dropFrom: a drop below the gauge's own mean, which the incident is kept out of."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import cached_property
from typing import Annotated

from pydantic import Field

from mlslo.yamlfile import Duration
from rulegen.conditions.history import BaselineWindow, mean_before
from rulegen.conditions.kind import Bounds, History, Kind, Positive, Unusable, World
from rulegen.conditions.threshold import shown
from rulegen.promql.annotations import PERCENTAGE, Text
from rulegen.promql.expressions import exact, number
from rulegen.sli.gauge import GaugeSeries
from rulegen.sli.metric_ranges import ALL, Range, possible


class DropFrom(BaselineWindow):
    """A drop below the gauge's own mean."""

    exactly_one = ("by", "byRatio")
    by: Positive | None = Field(None, description="Absolute, in the gauge's unit.")
    byRatio: Annotated[float, Field(gt=0, lt=1)] | None = Field(
        None, description="Relative to the mean. Either this or `by`."
    )

    @property
    def looks_low(self) -> bool:
        return True

    def lower(self, series: GaugeSeries) -> Drop:
        amount = self.byRatio if self.byRatio is not None else self.by
        assert amount is not None
        return Drop(series, self.window, self.ended, exact(amount), relative=self.byRatio is not None)

    def reach(self, possible: Range) -> Range:
        if self.by is not None:
            return Range(high=possible.high - self.by)
        if self.byRatio is not None and possible.low >= 0:
            return Range(high=possible.high * (1 - self.byRatio))
        return ALL


@dataclass(frozen=True)
class Drop(Kind):
    """The gauge compared with its mean over a window that ended ``offset`` ago."""

    series: GaugeSeries
    window: Duration
    offset: Duration
    amount: Decimal
    relative: bool

    @cached_property
    def history(self) -> History:
        return mean_before(self.series, self.window, self.offset)

    def expression(self, *, valued: bool = True) -> str:
        past = self.history.expression
        lowered = f"{past} - {number(self.amount)}"
        if self.relative and self._never_negative:
            lowered = f"{number(1 - self.amount)} * {past}"
        elif self.relative:
            # A share of the mean's size: 20 % below -10 is -12, and nothing is a share of zero.
            lowered = f"({past} != 0) - {number(self.amount)} * abs({past})"
        return f"{self.series.expression} < {self.series.join()} ({lowered})"

    @property
    def _never_negative(self) -> bool:
        """Return whether nothing is below a mean of 0."""
        return possible(self.series.metric).low >= 0

    def phrase(self, *, values: bool = True) -> Text:
        unit = self.series.metric.unit
        amount = PERCENTAGE[1](float(self.amount)) if self.relative else shown(self.amount, unit)
        said = f"more than {amount} below its mean over {self.window} until {self.offset} ago"
        return Text.of(said, " (", self.history.lookup, ")") if values else Text.of(said)

    def bounds(self, world: World) -> Bounds:
        past = world.of(self.history)
        if past is None or (self.relative and past == 0):
            return None, None
        return past - (abs(past) * self.amount if self.relative else self.amount), None

    def histories(self) -> Sequence[History]:
        return (self.history,)

    def healthy_guesses(self) -> Sequence[Sequence[Decimal]]:
        return ((Decimal("0.5") if self.relative else self.amount * 5,),)

    def unusable(self) -> Sequence[Unusable]:
        if not self.relative or self._never_negative:
            return []
        return [Unusable({self.history.record.name: Decimal(0)}, Decimal(-100))]
