"""adaptive: unusually far from the gauge's own mean, measured in deviations of its own past."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

from exporter.yamlfile import Duration
from rulegen.conditions.drop import default_offset
from rulegen.conditions.kind import Edge, History, Kind, Line, World
from rulegen.conditions.past import deviation_before, lookup, mean_before
from rulegen.conditions.threshold import shown
from rulegen.gauge import GaugeSeries
from rulegen.promql import exact, number
from rulegen.spec import Adaptive
from rulegen.texts import Text

# A mean of equal numbers is off in its last digits, and so is the deviation from it: that is no deviation.
_ROUNDING = Decimal("0.000000001")


@dataclass(frozen=True)
class Unusual(Kind):
    """The gauge compared with its mean over a window that ended ``offset`` ago, in deviations of that window."""

    series: GaugeSeries
    deviations: Decimal
    window: Duration
    offset: Duration
    direction: Literal["above", "below", "both"]
    minimum: Decimal | None

    @classmethod
    def of(cls, series: GaugeSeries, condition: Adaptive) -> Unusual:
        offset = condition.offset or default_offset(condition.window)
        minimum = None if condition.minimum is None else exact(condition.minimum)
        deviations = exact(condition.deviations)
        return cls(series, deviations, condition.window, offset, condition.direction, minimum)

    @property
    def mean(self) -> History:
        return mean_before(self.series, self.window, self.offset)

    @property
    def deviation(self) -> History:
        return deviation_before(self.series, self.window, self.offset)

    def expression(self) -> str:
        gauge, join = self.series.expression, self.series.join()
        away = {
            "above": f"{gauge} - {join} {self._mean}",
            "below": f"-({gauge} - {join} {self._mean})",
            "both": f"abs({gauge} - {join} {self._mean})",
        }[self.direction]
        return f"{gauge}\nand\n{away} > {join} ({self._allowed})"

    @property
    def _mean(self) -> str:
        return self.series.select(self.mean.record.name)

    @property
    def _allowed(self) -> str:
        """PromQL: how far from the mean is still usual."""
        deviation = self.series.select(self.deviation.record.name)
        if self.minimum is not None:
            least = f"clamp_min({deviation}, {number(self.minimum)})"
        else:
            least = f"({deviation} > {number(_ROUNDING)} * abs({self._mean}))"
        return f"{number(self.deviations)} * {least}"

    def phrase(self, *, values: bool = True) -> Text:
        side = "away from" if self.direction == "both" else self.direction
        until = f"its mean over {self.window} until {self.offset} ago"
        said = f"more than {number(self.deviations)} deviations {side} {until}"
        if self.minimum is not None:
            said += f", a deviation being {shown(self.minimum, self.series.metric.unit)} or more"
        if not values:
            return Text.of(said)
        mean, deviation = (lookup(self.series, history.record) for history in self.histories())
        return Text.of(said, " (mean ", mean, ", deviation ", deviation, ")")

    def holds(self, value: Decimal, world: World) -> bool:
        mean, allowed = world.past.get(self.mean.record.name), self._usual(world)
        if mean is None or allowed is None:
            return False
        away = {"above": value - mean, "below": mean - value, "both": abs(value - mean)}[self.direction]
        return away > allowed

    def _usual(self, world: World) -> Decimal | None:
        mean = world.past.get(self.mean.record.name)
        deviation = world.past.get(self.deviation.record.name)
        if mean is None or deviation is None:
            return None
        if self.minimum is None and deviation <= _ROUNDING * abs(mean):
            return None
        return self.deviations * max(deviation, self.minimum or Decimal(0))

    def edges(self, world: World) -> Sequence[Edge]:
        mean, allowed = world.past.get(self.mean.record.name), self._usual(world)
        if mean is None or allowed is None:
            return ()
        sides = {"above": (allowed,), "below": (-allowed,), "both": (-allowed, allowed)}[self.direction]
        return [Edge(mean + side, exact=False) for side in sides]

    def histories(self) -> Sequence[History]:
        return (self.mean, self.deviation)

    def healthy_guesses(self) -> Sequence[Decimal]:
        return (Decimal("0.8"),) if self.minimum is None else (self.minimum * 32,)

    def regimes(self) -> Sequence[Sequence[Decimal]]:
        """The deviation decides, and its minimum does."""
        return ((),) if self.minimum is None else ((self.minimum * 32,), (self.minimum * 8,))

    def lines(self) -> Sequence[Line]:
        allowed = f"({self._allowed})"
        lines = (
            ("above", Line(f"{self._mean} + {allowed}", f"usual, at most, by {self.window}")),
            ("below", Line(f"{self._mean} - {allowed}", f"usual, at least, by {self.window}")),
        )
        return [line for side, line in lines if self.direction in (side, "both")]
