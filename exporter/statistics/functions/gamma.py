"""The gamma function and its distribution."""

from __future__ import annotations

import math

import numpy as np

from exporter.statistics.functions.normal import normal_point
from exporter.summary.base import Floats

# Stirling's series is exact to the last digit from here on.
_LARGE = 10
# Bernoulli numbers B[2k] / (2k (2k - 1)) and B[2k] / (2k), k = 1, 2, ...
_STIRLING = (1 / 12, -1 / 360, 1 / 1260, -1 / 1680, 1 / 1188, -691 / 360_360, 1 / 156)
_DIGAMMA = (1 / 12, -1 / 120, 1 / 252, -1 / 240, 1 / 132, -691 / 32_760, 1 / 12)
_ROUNDING = 1e-14
_MOST_TERMS = 100_000


def log_gamma(values: Floats) -> Floats:
    """Logarithm of the gamma function of positive ``values``, of any shape; within 1e-13 of it or of 1.

    Stirling's series, after the recurrence where values are small; Abramowitz and Stegun (1964), 6.1.41.
    """
    values = np.asarray(values, dtype=np.float64)
    small = values < _LARGE
    large = np.where(small, values + _LARGE, values)
    found: Floats = (large - 0.5) * np.log(large) - large + 0.5 * math.log(2 * math.pi)
    found += _series(_STIRLING, large) / large
    if small.any():
        product = np.prod(values[small][..., None] + np.arange(_LARGE), axis=-1)
        found[small] -= np.log(product)
    return found


def log_beta(a: Floats, b: Floats) -> Floats:
    """Logarithm of the beta function of positive ``a`` and ``b``, broadcast."""
    return log_gamma(a) + log_gamma(b) - log_gamma(a + b)


def digamma(values: Floats) -> Floats:
    """Derivative of ``log_gamma`` at positive ``values``, shape (values,); within 1e-13.

    Abramowitz and Stegun, 6.3.18.
    """
    small = values < _LARGE
    large = np.where(small, values + _LARGE, values)
    found: Floats = np.log(large) - 0.5 / large - _series(_DIGAMMA, large) / large**2
    if small.any():
        found[small] -= np.sum(1 / (values[small][:, None] + np.arange(_LARGE)), axis=1)
    return found


def poisson_below(numbers: Floats, mean: float) -> Floats:
    """The chance that a Poisson variable of ``mean`` is below each of ``numbers``, which are 1, 2, ... up to some.

    It is the chance that a gamma variable of that shape exceeds ``mean``.
    """
    found = np.arange(len(numbers), dtype=np.float64)
    if not mean:
        return np.ones(len(numbers))
    chances = np.exp(found * math.log(mean) - mean - log_gamma(found + 1))
    below: Floats = np.minimum(np.cumsum(chances), 1.0)
    return below


def chi_squared_tail(value: float, degrees: int) -> float:
    """The chance that a chi-squared variable of ``degrees`` of freedom exceeds ``value``.

    A finite sum of positive terms, within 1e-10 of it, relative, up to 10,000 degrees; Abramowitz and Stegun, 26.4.4.
    """
    if value <= 0:
        return 1.0
    half = value / 2
    powers: Floats = np.arange(degrees // 2, dtype=np.float64) + (0.5 if degrees % 2 else 0.0)
    terms = np.exp(powers * math.log(half) - half - log_gamma(powers + 1)) if len(powers) else powers
    beyond = math.erfc(math.sqrt(half)) if degrees % 2 else 0.0
    return min(1.0, beyond + float(np.sum(np.sort(terms))))


def gamma_quantile(shape: float, probability: float) -> float:
    """The value that a gamma variable of ``shape`` and scale 1 stays below with ``probability``, 0.5 to below 1.

    Within 1e-8 of it, relative. Wilson and Hilferty's cube (1931), mended by Newton's and Halley's steps.
    """
    ninth = 1 / (9 * shape)
    value = shape * max(1 - ninth + normal_point(probability) * math.sqrt(ninth), 0.0) ** 3
    if shape < 0.2 or not value:
        # The cube is no guide to shapes that are nearly all at 0.
        value = math.exp((math.log(probability) + math.lgamma(shape + 1)) / shape)
    if not value:
        return 0.0
    for _ in range(60):
        density = math.exp((shape - 1) * math.log(value) - value - math.lgamma(shape))
        error = (1 - probability) - gamma_tail(shape, value)
        if not density:
            break
        step = error / density
        step /= max(0.5, 1 - 0.5 * step * ((shape - 1) / value - 1))
        value = max(value - step, value / 10)
        # Each step cubes the error.
        if abs(step) < 3e-4 * value:
            break
    return value


def gamma_tail(shape: float, value: float) -> float:
    """The chance that a gamma variable of ``shape`` and scale 1 exceeds ``value``, which is positive.

    Within 1e-9 of it. The series below the mean, the continued fraction above; Abramowitz and Stegun, 6.5.29 and 31.
    """
    scale = math.exp(shape * math.log(value) - value - math.lgamma(shape))
    if value < shape + 1:
        term = total = 1 / shape
        for number in range(1, _MOST_TERMS):
            term *= value / (shape + number)
            total += term
            if term < total * _ROUNDING:
                break
        return 1 - scale * total
    # Lentz's way to evaluate it, as Thompson and Barnett (1986) have it.
    b = value + 1 - shape
    c, d = math.inf, 1 / b
    fraction = d
    for number in range(1, _MOST_TERMS):
        a = number * (shape - number)
        b += 2
        d = 1 / (a * d + b)
        c = b + a / c
        fraction *= c * d
        if abs(c * d - 1) < _ROUNDING:
            break
    return scale * fraction


def _series(coefficients: tuple[float, ...], values: Floats) -> Floats:
    """Sum of coefficients[k] / values^(2k)."""
    inverse = 1 / values**2
    found: Floats = np.polyval(np.array(coefficients[::-1]), inverse)
    return found
