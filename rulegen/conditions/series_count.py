"""series: how many series (features, segments, ...), or which share of them, must be bad at once."""

from __future__ import annotations

import math
from dataclasses import dataclass
from decimal import Decimal
from typing import Annotated

from pydantic import Field

from mlslo.yamlfile import StrictModel
from rulegen.conditions.kind import Kind
from rulegen.promql.annotations import PERCENTAGE, PLAIN, Format
from rulegen.promql.conventions import SLO
from rulegen.promql.expressions import by, exact, number
from rulegen.sli.gauge import GaugeSeries

# A test has no more series than this.
_MOST_IN_TEST = 20


class Series(StrictModel):
    """The number of series (features, segments, ...) that must be bad at once."""

    exactly_one = ("atLeast", "atLeastRatio")
    atLeast: Annotated[int, Field(ge=1)] | None = Field(None, description="This many or more.")
    atLeastRatio: Annotated[float, Field(gt=0, le=1)] | None = Field(
        None, description="This share or more, 0..1, of all series of a version that are measured."
    )

    def lower(self, series: GaugeSeries, kind: Kind) -> Several:
        """Bind it to a gauge and the condition on it."""
        least = self.atLeast if self.atLeast is not None else self.atLeastRatio
        assert least is not None
        return Several(series, kind, exact(least), relative=self.atLeastRatio is not None)


@dataclass(frozen=True)
class Several:
    """At least ``least`` series that ``kind`` holds of, counted per version.

    ``relative``: ``least`` is a share, 0..1, of all that are measured, the good ones too.
    """

    series: GaugeSeries
    kind: Kind
    least: Decimal
    relative: bool

    @property
    def labels(self) -> tuple[str, ...]:
        """Labels that are left once the series are counted."""
        return (SLO, *(label for label in self.series.labels if label not in self.series.entities))

    @property
    def format(self) -> Format:
        """The format of the count, or of the share."""
        return PERCENTAGE if self.relative else PLAIN

    @property
    def limit(self) -> str:
        """As a person reads it."""
        return PERCENTAGE[1](float(self.least)) if self.relative else number(self.least)

    def expression(self) -> str:
        """PromQL: the count or share, where it is reached. Where none is bad there is none, not 0."""
        return f"{self.count()} >= {number(self.least)}"

    def count(self) -> str:
        """PromQL: how many, or which share, are bad."""
        bad = f"count {by(self.labels)} ({self.kind.expression(valued=False)})"
        return f"{bad} / {self._measured()}" if self.relative else bad

    def zero(self) -> str:
        """PromQL: 0 where the gauge is there."""
        return f"{self._measured()} * 0"

    def _measured(self) -> str:
        return f"count {by(self.labels)} ({self.series.expression})"

    def value(self, bad: int, measured: int) -> float:
        """Compute ``count``."""
        return bad / measured if self.relative else float(bad)

    def reached(self, bad: int, measured: int) -> bool:
        """Return whether so many bad ones are enough."""
        return bool(bad) and (Decimal(bad) / measured if self.relative else Decimal(bad)) >= self.least

    def example(self) -> tuple[int, int]:
        """Return the number of bad series in a test, and of all, so that one less would not be enough."""
        if not self.relative:
            return int(self.least), int(self.least) + 1
        exactly = self.least.as_integer_ratio()[1]
        size = max(exactly, 2) if exactly <= _MOST_IN_TEST else _MOST_IN_TEST
        if self.least * size <= 1 and 2 * size <= _MOST_IN_TEST:
            # One bad series less is still one.
            size *= 2
        return math.ceil(self.least * size), size
