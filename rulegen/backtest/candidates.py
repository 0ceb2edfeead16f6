"""Numbers of conditions that can be tuned, and those that a person would write instead."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal

from mlslo.yamlfile import Duration, Location
from rulegen.conditions.threshold import THRESHOLDS
from rulegen.promql.expressions import exact, number
from rulegen.spec.model_slo import Alert

# Keys of a comparison that say how far is too far: more of it rings less.
_AMOUNTS = ("deviations", "by", "byRatio", "byFactor")
_AHEAD = ("10m", "30m", "1h", "2h", "4h", "6h", "12h", "1d", "2d", "3d", "7d", "14d", "30d")
_LASTS = ("5m", "10m", "15m", "30m", "1h", "2h", "6h")
# Fewer than this, and a third digit is tried.
_FEWEST = 20


@dataclass(frozen=True)
class Tunable:
    """A number of a condition: its key, its place in the file, and the value there.

    ``rises``: more of it rings less.
    """

    key: str
    at: Location
    value: str
    rises: bool

    @property
    def is_limit(self) -> bool:
        """Return whether it is a limit of the gauge itself."""
        return self.key in THRESHOLDS


def tunable(alert: Alert, at: Location) -> Tunable | None:
    """Return the number of an alert's first condition, the alert standing at ``at``."""
    place, leaf = next(alert.when.leaves((*at, "when")))
    if leaf.comparison is None:
        limit = getattr(leaf, leaf.key)
        return Tunable(leaf.key, (*place, leaf.key), number(exact(limit)), leaf.key in ("above", "atLeast"))
    within = getattr(leaf.comparison, "within", None)
    if within is not None:
        return Tunable("within", (*place, leaf.key, "within"), str(within), rises=False)
    for key in _AMOUNTS:
        value = getattr(leaf.comparison, key, None)
        if value is not None:
            return Tunable(key, (*place, leaf.key, key), number(exact(value)), rises=True)
    return None


def numbers(found: Tunable, low: float, high: float) -> list[str]:
    """Return values to try, as they are written, the one that rings most first.

    ``low``, ``high``: of the gauge, for a limit; else what is usual for such a number.
    """
    if found.key == "within":
        texts = {Duration(text).seconds: text for text in (*_AHEAD, found.value)}
    else:
        if not found.is_limit:
            low, high = _usual(found)
        values = list(rounded(low, high, 2))
        if len(values) < _FEWEST:
            values = list(rounded(low, high, 3))
        texts = {float(value): number(value) for value in (*values, exact(found.value))}
    return [texts[key] for key in sorted(texts, reverse=not found.rises)]


def _usual(found: Tunable) -> tuple[float, float]:
    value = float(found.value)
    if found.key == "deviations":
        return 1.0, 20.0
    if found.key == "byFactor":
        return 1.1, max(20.0, 4 * value)
    return value / 20, value * 20 if found.key == "by" else min(value * 20, 0.99)


def rounded(low: float, high: float, digits: int) -> Iterator[Decimal]:
    """Yield the numbers of so many digits from ``low`` to ``high``, and one beyond either end.

    The largest of the range decides which sizes count: near zero, there would be no end of them.
    """
    largest = max(abs(low), abs(high))
    if not largest or not math.isfinite(largest):
        return
    top = math.floor(math.log10(largest))
    positive: set[Decimal] = {Decimal(0)}
    for power in range(top - 3, top + 1):
        unit = Decimal(1).scaleb(power - digits + 1)
        positive.update(unit * whole for whole in range(10 ** (digits - 1), 10**digits + 1))
    every = sorted(positive | {-value for value in positive})
    inside = [index for index, value in enumerate(every) if low <= value <= high]
    first = inside[0] if inside else next(index for index, value in enumerate(every) if value > high)
    last = inside[-1] if inside else first - 1
    yield from every[max(first - 1, 0) : last + 2]


def lasting(alert: Alert, interval: float) -> Sequence[Duration | None]:
    """Return the values of `for` to try, that of now first. Counted evaluations say themselves how long."""
    if alert.breaches is not None:
        return (alert.for_,)
    others = (Duration(text) for text in _LASTS)
    now = alert.for_.seconds if alert.for_ else 0.0
    return (alert.for_, *(one for one in others if one.seconds != now and one.seconds >= interval))
