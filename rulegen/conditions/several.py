"""series: how many series (features, segments, ...) must be bad at once."""

from __future__ import annotations

from dataclasses import dataclass

from rulegen.conditions.kind import Kind
from rulegen.conventions import SLO
from rulegen.gauge import GaugeSeries
from rulegen.promql import by


@dataclass(frozen=True)
class Several:
    """At least ``least`` series that ``kind`` holds of, counted per version."""

    series: GaugeSeries
    kind: Kind
    least: int

    @property
    def labels(self) -> tuple[str, ...]:
        """What is left once the series are counted."""
        return (SLO, *(label for label in self.series.labels if label not in self.series.entities))

    def expression(self) -> str:
        """PromQL: the count, where it is reached. Where none is bad there is no count, not 0."""
        return f"{self.count()} >= {self.least}"

    def count(self) -> str:
        """PromQL: how many are bad."""
        return f"count {by(self.labels)} ({self.kind.expression()})"

    def count_or_zero(self) -> str:
        """PromQL: how many are bad, 0 where the gauge is there and none is."""
        return f"{self.count()}\nor\n0 * count {by(self.labels)} ({self.series.expression})"
