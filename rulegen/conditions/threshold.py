"""above, below, atLeast, atMost: one limit."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import cached_property
from typing import Literal

from pydantic import Field

from mlslo.yamlfile import StrictModel
from rulegen.conditions.kind import Kind, World
from rulegen.promql.annotations import Text, format_of
from rulegen.promql.expressions import exact, number
from rulegen.sli.gauge import GaugeSeries

THRESHOLDS = ("above", "below", "atLeast", "atMost")
_COMPARE = {"above": operator.gt, "below": operator.lt, "atLeast": operator.ge, "atMost": operator.le}
_PROMQL = {"above": ">", "below": "<", "atLeast": ">=", "atMost": "<="}
_SAID = {"above": "above", "below": "below", "atLeast": "at least", "atMost": "at most"}


def shown(limit: Decimal, unit: str) -> str:
    """A limit as a person reads it."""
    return format_of(unit)[1](float(limit)) if "seconds" in unit else number(limit)


class Threshold(StrictModel):
    """One limit."""

    above: float | None = Field(None, description="Greater than.")
    below: float | None = Field(None, description="Less than.")
    atLeast: float | None = Field(None, description="Greater or equal.")
    atMost: float | None = Field(None, description="Less or equal.")

    @cached_property
    def key(self) -> str:
        """The first key that is given, of a model that checks that exactly one is."""
        return next(key for key in type(self).model_fields if getattr(self, key) is not None)

    def is_met(self, value: float) -> bool:
        """Return whether ``value`` is beyond the limit, where one is given."""
        return bool(_COMPARE[self.key](value, getattr(self, self.key)))


@dataclass(frozen=True)
class Limit(Kind):
    """The gauge compared with a constant."""

    series: GaugeSeries
    kind: str
    limit: Decimal

    @classmethod
    def of(cls, series: GaugeSeries, condition: Threshold) -> Limit:
        return cls(series, condition.key, exact(getattr(condition, condition.key)))

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

    def edges(self, world: World) -> Sequence[Decimal]:
        return (self.limit,)

    def is_exact(self, world: World) -> bool:
        return True

    def limits(self) -> Sequence[tuple[float, Literal["above", "below"]]]:
        return ((float(self.limit), "above" if self.kind in ("above", "atLeast") else "below"),)

    def healthy_guesses(self) -> Sequence[Sequence[Decimal]]:
        near, far = Decimal("0.02"), Decimal("0.25")
        size = abs(self.limit) or Decimal(1)
        sign = -1 if self.kind in ("above", "atLeast") else 1
        return (tuple(self.limit + sign * size * part for part in (far, near, 2)),)
