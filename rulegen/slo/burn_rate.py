"""Error-budget arithmetic, nothing else.

Multiwindow, multi-burn-rate alerts: an alert fires where the budget burns at more than ``factor``
times the rate that would spend it exactly in the SLO's time window, over a long window and still
over a short one. https://sre.google/workbook/alerting-on-slos/ (approach 6)
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

from mlslo.yamlfile import Duration
from rulegen.promql.expressions import exact

Speed = Literal["fast", "slow"]

_DAY = 86_400


@dataclass(frozen=True)
class BurnWindow:
    """One pair of windows. Fires above ``factor`` times the sustainable error ratio over both."""

    factor: Decimal
    short: Duration
    long: Duration
    speed: Speed

    def threshold(self, budget: Decimal) -> Decimal:
        """The error ratio, 0..1, above which it fires."""
        return self.factor * budget

    def budget_spent(self, time_window: Duration) -> Decimal:
        """The share of the whole budget that is gone when it fires at exactly ``factor``."""
        return self.factor * exact(self.long.seconds) / exact(time_window.seconds)


def _table(*rows: tuple[str, str, str, Speed]) -> tuple[BurnWindow, ...]:
    return tuple(
        BurnWindow(Decimal(factor), Duration(short), Duration(long), speed)
        for factor, short, long, speed in rows
    )


# The workbook's table 5-8 (2 %, 5 % and 10 % of the budget), with the 1 d row that the text adds.
THIRTY_DAYS = _table(
    ("14.4", "5m", "1h", "fast"),
    ("6", "30m", "6h", "fast"),
    ("3", "2h", "1d", "slow"),
    ("1", "6h", "3d", "slow"),
)
# The same windows and shares of the budget over four whole weeks.
TWENTY_EIGHT_DAYS = _table(
    ("13.44", "5m", "1h", "fast"),
    ("5.6", "30m", "6h", "fast"),
    ("2.8", "2h", "1d", "slow"),
    ("0.933", "6h", "3d", "slow"),
)
_TABLES = {30 * _DAY: THIRTY_DAYS, 28 * _DAY: TWENTY_EIGHT_DAYS}

# Counters are scraped about once a minute: a shorter window would hold too few samples for a rate.
SHORTEST = 300
# Below a week the floors would make the pairs alike.
SHORTEST_TIME_WINDOW = 7 * _DAY


def budget(objective: float) -> Decimal:
    """The share of events that may be bad, of an ``objective`` in percent above 0 and below 100."""
    share = exact(objective)
    if not 0 < share < 100:
        raise ValueError(f"expected an objective above 0 and below 100 percent, got {objective}")
    return (100 - share) / 100


def windows(time_window: Duration) -> tuple[BurnWindow, ...]:
    """The pairs of windows for an SLO over ``time_window``, the fastest first.

    30 and 28 days have tables. Others scale the 30-day windows and keep its factors, so that each
    pair spends the same share of the budget; no short window is below 5 minutes, no long one below 1 h.
    Raises ValueError for less than 7 days.
    """
    table = _TABLES.get(int(time_window.seconds))
    if table is not None:
        return table
    if time_window.seconds < SHORTEST_TIME_WINDOW:
        raise ValueError(f"expected a time window of 7d or more, got {time_window}")
    scale = time_window.seconds / (30 * _DAY)
    return tuple(_scaled(window, scale) for window in THIRTY_DAYS)


def _scaled(window: BurnWindow, scale: float) -> BurnWindow:
    def minutes(duration: Duration, least: float) -> Duration:
        return Duration.of_seconds(max(round(duration.seconds * scale / 60) * 60, least))

    ratio = round(window.long.seconds / window.short.seconds)
    long = minutes(window.long, SHORTEST * ratio)
    short = minutes(window.short, SHORTEST)
    return BurnWindow(window.factor, short, long, window.speed)


def that_can_fire(pairs: Sequence[BurnWindow], objective: float) -> tuple[list[BurnWindow], list[BurnWindow]]:
    """``pairs`` split into those that an error ratio of 1 exceeds, and those that nothing does."""
    allowed = budget(objective)
    can = [pair for pair in pairs if pair.threshold(allowed) < 1]
    return can, [pair for pair in pairs if pair not in can]
