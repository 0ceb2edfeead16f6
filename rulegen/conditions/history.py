"""The gauge's own history, which a condition compares it with."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import ClassVar

from pydantic import Field

from mlslo.yamlfile import Duration
from rulegen.conditions.kind import Comparison, History, Sample
from rulegen.promql.conventions import SLO, record_name
from rulegen.promql.expressions import exact, number
from rulegen.promql.rules import Record
from rulegen.sli.gauge import GaugeSeries

_DAY = 86_400.0
# The mean may not rest on less than this, nor on less than half of a shorter window.
LEAST_HISTORY = _DAY
# Long enough that an incident found on a weekend is not yet in its own baseline.
_DEFAULT_OFFSET = Duration("2d")


class BaselineWindow(Comparison):
    """Base of the conditions that compare a gauge with its mean over a window of its history."""

    sampled = "window"
    # What comes of a window that is not kept as long.
    shorter: ClassVar[str] = "the mean is that of a shorter past"

    window: Duration = Field(description="Length of the history that is averaged.")
    offset: Duration | None = Field(
        None, description="How long ago it ends, to keep the incident out of it; 2d, or the window."
    )

    @property
    def ended(self) -> Duration:
        """The time since the window's end."""
        return self.offset or min(_DEFAULT_OFFSET, self.window, key=lambda length: length.seconds)

    def look_back(self) -> Iterator[tuple[str, Duration, str]]:
        yield "window", Duration.of_seconds(self.window.seconds + self.ended.seconds), self.shorter


def value_ago(series: GaugeSeries, offset: Duration) -> History:
    """The gauge ``offset`` ago, averaged over the versions of then."""
    name = _record(series, f"offset{offset}")
    expression = _over_versions("avg", series, f"{series.expression} offset {offset}")
    return History(
        series, Record(name, expression, {SLO: series.slo}), f"{offset} ago", offset.seconds, 0.0, 1
    )


def mean_before(series: GaugeSeries, window: Duration, offset: Duration) -> History:
    """The mean of every evaluation in ``window``, which ends ``offset`` ago.

    Sum and count are taken over all versions, never the mean of means.
    """
    name = _record(series, f"avg{window}_offset{offset}")
    past = f"{series.expression}[{window}] offset {offset}"
    least = max(math.ceil(min(LEAST_HISTORY, window.seconds / 2) / series.interval.seconds), 1)
    total = _over_versions("sum", series, f"sum_over_time({past})")
    count = _over_versions("sum", series, f"count_over_time({past})")
    expression = f"{total}\n/\n({count} >= {number(least)})"
    record = Record(name, expression, {SLO: series.slo})
    return History(
        series, record, f"mean over {_until(window, offset)}", offset.seconds, window.seconds, least
    )


@dataclass(frozen=True)
class Deviation(History):
    """The population deviation from the mean of the same past."""

    def of(self, samples: Sequence[Sample]) -> Decimal:
        mean = super().of(samples)
        return (sum(((value - mean) ** 2 for _, value in samples), Decimal(0)) / len(samples)).sqrt()


def deviation_before(series: GaugeSeries, window: Duration, offset: Duration) -> Deviation:
    """The deviation of every evaluation in ``window``, which ends ``offset`` ago, from `mean_before`.

    That within each version and that between the means of the versions, added up: so the versions
    are merged and nothing large is subtracted from something else as large. Where the mean has too short a past
    to be there, the deviation from it is not there either.
    """
    mean = mean_before(series, window, offset)
    name = _record(series, f"stddev{window}_offset{offset}")
    past = f"{series.expression}[{window}] offset {offset}"
    if "version" in series.labels:
        between = f"(avg_over_time({past}) - {series.join()} {mean.expression}) ^ 2"
        squares = f"count_over_time({past})\n* (\n  stdvar_over_time({past})\n  + {between}\n)"
        inner = squares.replace("\n", "\n    ")
        expression = (
            f"sqrt(\n  sum without (version) (\n    {inner}\n  )\n"
            f"  / sum without (version) (count_over_time({past}))\n)"
        )
    else:
        expression = f"stddev_over_time({past})\nand\ncount_over_time({past}) >= {number(mean.least)}"
    record = Record(name, expression, {SLO: series.slo})
    title = f"deviation over {_until(window, offset)}"
    return Deviation(series, record, title, mean.offset, mean.window, mean.least)


@dataclass(frozen=True)
class Forecast(History):
    """A version's gauge ``ahead`` seconds from now, by the line of least squares."""

    ahead: float

    @property
    def of_version(self) -> bool:
        return True

    def of(self, samples: Sequence[Sample]) -> Decimal:
        times = [-exact(ago) for ago, _ in samples]
        values = [value for _, value in samples]
        count = len(samples)
        mean_time, mean = sum(times, Decimal(0)) / count, sum(values, Decimal(0)) / count
        spread = sum(((time - mean_time) ** 2 for time in times), Decimal(0))
        pairs = zip(times, values, strict=True)
        together = sum(((time - mean_time) * (value - mean) for time, value in pairs), Decimal(0))
        return mean + (together / spread if spread else Decimal(0)) * (exact(self.ahead) - mean_time)


def forecast(series: GaugeSeries, within: Duration, based_on: Duration) -> Forecast:
    """The gauge ``within`` from now, by its trend over ``based_on``, given half of its evaluations."""
    operation = f"{series.aggregation}_predict{within}_over{based_on}"
    name = record_name(series.level, series.metric.name, operation)
    past = f"{series.expression}[{based_on}]"
    least = max(math.ceil(based_on.seconds / 2 / series.interval.seconds), 2)
    enough = f"count_over_time({past}) >= {number(least)}"
    expression = f"predict_linear({past}, {number(within.seconds)})\nand\n{enough}"
    record = Record(name, expression, {SLO: series.slo})
    title = f"in {within}, by the trend of {based_on}"
    return Forecast(series, record, title, 0.0, based_on.seconds, least, within.seconds)


def _until(window: Duration, offset: Duration) -> str:
    return f"{window} until {offset} ago" if offset.seconds else f"{window}"


def _record(series: GaugeSeries, operation: str) -> str:
    level = (label for label in series.level if label != "version")
    return record_name(level, series.metric.name, f"{series.aggregation}_{operation}")


def _over_versions(aggregation: str, series: GaugeSeries, expression: str) -> str:
    if "version" not in series.labels:
        return expression
    return f"{aggregation} without (version) ({expression})"
