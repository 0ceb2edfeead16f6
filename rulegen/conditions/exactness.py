"""Values at which Prometheus calculates the limit that is written down, so that the limit itself can be tested."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from decimal import Decimal

# A double has 53 bits: sums of so many equal numbers lose none of these.
_BITS = 20


def is_plain(value: Decimal) -> bool:
    """Return whether the mean of a long past that was always ``value`` is that to the last bit."""
    significant = math.frexp(float(value))[0] * 2**_BITS
    return Decimal(float(value)) == value and significant.is_integer()


def power_of_two(value: Decimal) -> Decimal:
    """The largest one that is not above ``value``, which is positive."""
    return Decimal(2) ** (math.frexp(float(value))[1] - 1)


def most_exact(guesses: Iterable[Decimal], exact: Callable[[Decimal], int]) -> tuple[Decimal, ...]:
    """``guesses`` of a healthy value, those first of which most limits are ``exact``."""
    return tuple(sorted(guesses, key=lambda guess: -exact(guess)))
