"""changeFrom: a change, up or down, from the value some time ago."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import cached_property

from mlslo.yamlfile import Duration
from rulegen.conditions.kind import Edge, History, Kind, Line, Unusable, World
from rulegen.conditions.past import line, lookup, value_ago
from rulegen.conditions.threshold import shown
from rulegen.promql.annotations import PERCENTAGE, Text
from rulegen.promql.expressions import exact, number
from rulegen.sli.gauge import GaugeSeries
from rulegen.spec.model_slo import ChangeFrom


@dataclass(frozen=True)
class Change(Kind):
    """The gauge compared with itself ``offset`` ago."""

    series: GaugeSeries
    offset: Duration
    amount: Decimal
    relative: bool

    @classmethod
    def of(cls, series: GaugeSeries, condition: ChangeFrom) -> Change:
        relative = condition.byRatio is not None
        amount = condition.byRatio if condition.byRatio is not None else condition.by
        assert amount is not None
        return cls(series, condition.offset, exact(amount), relative)

    @cached_property
    def history(self) -> History:
        return value_ago(self.series, self.offset)

    def expression(self, *, valued: bool = True) -> str:
        gauge, past = self.series.expression, self.series.select(self.history.record.name)
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
        return Text.of(said, " (", lookup(self.series, self.history.record), ")") if values else Text.of(said)

    def holds(self, value: Decimal, world: World) -> bool:
        past = world.past.get(self.history.record.name)
        if past is None or (self.relative and past == 0):
            return False
        return abs(value - past) > (self.amount * abs(past) if self.relative else self.amount)

    def edges(self, world: World) -> Sequence[Edge]:
        past = world.past.get(self.history.record.name)
        if past is None:
            return ()
        change = self.amount * abs(past) if self.relative else self.amount
        return [Edge(value, self._is_exact(value, past)) for value in (past - change, past + change)]

    def lines(self) -> Sequence[Line]:
        return (line(self.series, self.history.record),)

    def histories(self) -> Sequence[History]:
        return (self.history,)

    def healthy_guesses(self) -> Sequence[Decimal]:
        return (Decimal(8) if self.relative else 2 * self.amount,)

    def unusable(self) -> Sequence[Unusable]:
        name, none = self.history.record.name, Decimal(0)
        return (Unusable(none, {name: none}, {name: Decimal("0.000001")}),) if self.relative else ()

    def _is_exact(self, value: Decimal, past: Decimal) -> bool:
        """Whether PromQL's arithmetic gives the same change."""
        now, then = float(value), float(past)
        if self.relative:
            return then != 0 and abs(now / then - 1) == float(self.amount)
        return abs(now - then) == float(self.amount)
