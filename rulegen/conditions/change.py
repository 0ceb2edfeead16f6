"""changeFrom: a change, up or down, from the value some time ago."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import cached_property

from pydantic import Field

from mlslo.yamlfile import Duration
from rulegen.conditions.history import value_ago
from rulegen.conditions.kind import Bounds, Comparison, History, Kind, Positive, Unusable, World
from rulegen.conditions.threshold import shown
from rulegen.promql.annotations import PERCENTAGE, Text
from rulegen.promql.expressions import exact, number
from rulegen.sli.gauge import GaugeSeries
from rulegen.sli.metric_ranges import ALL, NONE, Range


class ChangeFrom(Comparison):
    """A change, up or down, from the value some time ago."""

    exactly_one = ("byRatio", "by")
    offset: Duration = Field(description="How long ago.")
    byRatio: Positive | None = Field(
        None, description="Relative: 0.5 is half as much again, or half of it. Either this or `by`."
    )
    by: Positive | None = Field(None, description="Absolute, in the gauge's unit.")

    def lower(self, series: GaugeSeries) -> Change:
        amount = self.byRatio if self.byRatio is not None else self.by
        assert amount is not None
        return Change(series, self.offset, exact(amount), relative=self.byRatio is not None)

    def look_back(self) -> Iterator[tuple[str, Duration, str]]:
        yield "offset", self.offset, "there is nothing to compare with, it never fires"

    def reach(self, possible: Range) -> Range:
        return NONE if self.by is not None and self.by >= possible.high - possible.low else ALL


@dataclass(frozen=True)
class Change(Kind):
    """The gauge compared with itself ``offset`` ago."""

    series: GaugeSeries
    offset: Duration
    amount: Decimal
    relative: bool

    @cached_property
    def history(self) -> History:
        return value_ago(self.series, self.offset)

    def expression(self, *, valued: bool = True) -> str:
        gauge, past = self.series.expression, self.history.expression
        if self.relative:
            # From zero every change is infinite: no past traffic is no baseline.
            change = f"{gauge} / {self.series.join()} ({past} != 0) - 1"
        else:
            change = f"{gauge} - {self.series.join()} {past}"
        changed = f"abs({change}) > {number(self.amount)}"
        return f"{gauge}\nand\n{changed}" if valued else changed

    def phrase(self, *, values: bool = True) -> Text:
        unit = self.series.metric.unit
        amount = PERCENTAGE[1](float(self.amount)) if self.relative else shown(self.amount, unit)
        said = f"more than {amount} away from what it was {self.offset} ago"
        return Text.of(said, " (", self.history.lookup, ")") if values else Text.of(said)

    def bounds(self, world: World) -> Bounds:
        past = world.of(self.history)
        if past is None or (self.relative and past == 0):
            return None, None
        change = self.amount * abs(past) if self.relative else self.amount
        return past - change, past + change

    def histories(self) -> Sequence[History]:
        return (self.history,)

    def healthy_guesses(self) -> Sequence[Sequence[Decimal]]:
        return ((Decimal(8) if self.relative else 2 * self.amount,),)

    def unusable(self) -> Sequence[Unusable]:
        return [Unusable({self.history.record.name: Decimal(0)}, Decimal(100))] if self.relative else []
