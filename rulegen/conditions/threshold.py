"""above, below, atLeast, atMost: one limit."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

from rulegen.conditions.kind import Edge, Kind, World
from rulegen.promql.annotations import Text, format_of
from rulegen.promql.expressions import exact, number
from rulegen.sli.gauge import GaugeSeries
from rulegen.spec.model_slo import THRESHOLDS, Threshold

_COMPARE = {"above": operator.gt, "below": operator.lt, "atLeast": operator.ge, "atMost": operator.le}
_PROMQL = {"above": ">", "below": "<", "atLeast": ">=", "atMost": "<="}
_SAID = {"above": "above", "below": "below", "atLeast": "at least", "atMost": "at most"}


def shown(limit: Decimal, unit: str) -> str:
    """A limit as a person reads it."""
    return format_of(unit)[1](float(limit)) if "seconds" in unit else number(limit)


@dataclass(frozen=True)
class Limit(Kind):
    """The gauge compared with a constant."""

    series: GaugeSeries
    kind: str
    limit: Decimal

    @classmethod
    def of(cls, series: GaugeSeries, condition: Threshold) -> Limit:
        kind = next(kind for kind in THRESHOLDS if getattr(condition, kind) is not None)
        return cls(series, kind, exact(getattr(condition, kind)))

    @property
    def comparison(self) -> str:
        """``> 0.25``"""
        return f"{_PROMQL[self.kind]} {number(self.limit)}"

    def expression(self, *, valued: bool = True) -> str:
        return f"{self.series.expression} {self.comparison}"

    def phrase(self, *, values: bool = True) -> Text:
        return Text.of(f"{_SAID[self.kind]} {shown(self.limit, self.series.metric.unit)}")

    def holds(self, value: Decimal, world: World) -> bool:
        return bool(_COMPARE[self.kind](value, self.limit))

    def edges(self, world: World) -> Sequence[Edge]:
        return (Edge(self.limit, exact=True),)

    def limits(self) -> Sequence[tuple[float, Literal["above", "below"]]]:
        return ((float(self.limit), "above" if self.kind in ("above", "atLeast") else "below"),)

    def healthy_guesses(self) -> Sequence[Decimal]:
        near, far = Decimal("0.02"), Decimal("0.25")
        size = abs(self.limit) or Decimal(1)
        sign = -1 if self.kind in ("above", "atLeast") else 1
        return (self.limit + sign * size * far, self.limit + sign * size * near, self.limit + sign * 2 * size)
