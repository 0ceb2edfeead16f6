"""adaptive: unusually far from the gauge's own mean, measured in deviations of its own past."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import cached_property
from typing import Annotated, Literal

from pydantic import Field

from mlslo.yamlfile import Duration
from rulegen.conditions.history import BaselineWindow, deviation_before, mean_before
from rulegen.conditions.kind import Bounds, History, Kind, Line, Positive, Unusable, World
from rulegen.conditions.threshold import shown
from rulegen.promql.annotations import Text
from rulegen.promql.expressions import exact, number
from rulegen.sli.gauge import GaugeSeries

# A mean of equal numbers is off in its last digits, and so is the deviation from it: that is no deviation.
_ROUNDING = Decimal("0.000000001")


class Adaptive(BaselineWindow):
    """Unusually far from the gauge's own mean, measured in deviations of its own past."""

    shorter = "mean and deviation are those of a shorter past"

    deviations: Annotated[float, Field(ge=1)] = Field(description="How many deviations.")
    direction: Literal["above", "below", "both"] = Field("both", description="Which side of the mean is bad.")
    minimum: Positive | None = Field(
        None,
        description="Least deviation, in the gauge's unit, so that a gauge that hardly moved is not bad at "
        "once; without it one that never moved raises nothing.",
    )

    @property
    def looks_low(self) -> bool:
        return self.direction == "below"

    def lower(self, series: GaugeSeries) -> Unusual:
        minimum = None if self.minimum is None else exact(self.minimum)
        return Unusual(series, exact(self.deviations), self.window, self.ended, self.direction, minimum)


@dataclass(frozen=True)
class Unusual(Kind):
    """The gauge compared with its mean over a window that ended ``offset`` ago, in deviations of that window."""

    series: GaugeSeries
    deviations: Decimal
    window: Duration
    offset: Duration
    direction: Literal["above", "below", "both"]
    minimum: Decimal | None

    @cached_property
    def mean(self) -> History:
        return mean_before(self.series, self.window, self.offset)

    @cached_property
    def deviation(self) -> History:
        return deviation_before(self.series, self.window, self.offset)

    def expression(self, *, valued: bool = True) -> str:
        gauge, join = self.series.expression, self.series.join()
        away = {
            "above": f"{gauge} - {join} {self.mean.expression}",
            "below": f"-({gauge} - {join} {self.mean.expression})",
            "both": f"abs({gauge} - {join} {self.mean.expression})",
        }[self.direction]
        unusual = f"{away} > {join} ({self._allowed})"
        return f"{gauge}\nand\n{unusual}" if valued else unusual

    @property
    def _allowed(self) -> str:
        """PromQL: how far from the mean is still usual."""
        deviation = self.deviation.expression
        if self.minimum is not None:
            least = f"clamp_min({deviation}, {number(self.minimum)})"
        else:
            least = f"({deviation} > {number(_ROUNDING)} * abs({self.mean.expression}))"
        return f"{number(self.deviations)} * {least}"

    def phrase(self, *, values: bool = True) -> Text:
        side = "away from" if self.direction == "both" else self.direction
        until = f"its mean over {self.window} until {self.offset} ago"
        said = f"more than {number(self.deviations)} deviations {side} {until}"
        if self.minimum is not None:
            said += f", a deviation being {shown(self.minimum, self.series.metric.unit)} or more"
        if not values:
            return Text.of(said)
        return Text.of(said, " (mean ", self.mean.lookup, ", deviation ", self.deviation.lookup, ")")

    def bounds(self, world: World) -> Bounds:
        mean, deviation = world.of(self.mean), world.of(self.deviation)
        if mean is None or deviation is None:
            return None, None
        if self.minimum is None and deviation <= _ROUNDING * abs(mean):
            return None, None
        usual = self.deviations * max(deviation, self.minimum or Decimal(0))
        return (
            mean - usual if self.direction != "above" else None,
            mean + usual if self.direction != "below" else None,
        )

    def histories(self) -> Sequence[History]:
        return (self.mean, self.deviation)

    def healthy_guesses(self) -> Sequence[Sequence[Decimal]]:
        if self.minimum is None:
            return ((Decimal("0.5"),),)
        # A test's deviation is a twentieth of its mean: that decides, or the minimum does.
        return ((self.minimum * 40,), (self.minimum * 10,))

    def unusable(self) -> Sequence[Unusable]:
        if self.minimum is not None:
            return []
        # Neither its size nor its sign is that of a mean of 1.
        mean = Decimal(-4)
        past = {self.mean.record.name: mean, self.deviation.record.name: abs(mean) * _ROUNDING}
        return [Unusable(past, mean - 100 if self.direction == "below" else mean + 100)]

    def lines(self) -> Sequence[Line]:
        allowed = f"({self._allowed})"
        labels = self.mean.varying
        lines = (
            (
                "above",
                Line(f"{self.mean.expression} + {allowed}", f"usual, at most, by {self.window}", labels),
            ),
            (
                "below",
                Line(f"{self.mean.expression} - {allowed}", f"usual, at least, by {self.window}", labels),
            ),
        )
        return [line for side, line in lines if self.direction in (side, "both")]
