"""Settings of differential privacy: what the counts that leave an exporter promise of each record."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, field_validator

from mlslo.yamlfile import Duration, StrictModel

_HOUR = 3600
MOST_PERIODS = 400
"""Of the longest window: so many releases an exporter sends at once."""


class Privacy(StrictModel):
    """Noise on the counts that `/summaries` sends: each record of the prediction log is ε-differentially private."""

    epsilon: Annotated[float, Field(gt=0, le=10)] = Field(
        description="ε of one record: no release is more than e^ε times as probable with it as without it."
    )
    period: Duration = Field(
        Duration("1d"),
        description="Counts of each period (UTC, whole hours) are released once, after its end.",
    )
    grace: Duration = Field(
        Duration("1h"),
        description="A release waits this long after the end of its period; a record that comes later is in none.",
    )

    @field_validator("period")
    @classmethod
    def _whole_hours(cls, period: Duration) -> Duration:
        if period.seconds < _HOUR or period.seconds % _HOUR:
            raise ValueError(f"expected whole hours, got '{period}'")
        return period

    @property
    def shortest_window(self) -> float:
        """Seconds of the shortest window that has a released period in it at any time."""
        return 2 * self.period.seconds + self.grace.seconds
