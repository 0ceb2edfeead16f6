"""The distribution functions, against scipy's."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import special

from exporter.statistics.functions.gamma import (
    chi_squared_tail,
    digamma,
    gamma_quantile,
    gamma_tail,
    log_beta,
    log_gamma,
    poisson_below,
)
from exporter.statistics.functions.kolmogorov import kolmogorov_point, kolmogorov_tail
from exporter.statistics.functions.normal import normal_point, normal_quantile, normal_tail

POSITIVE = np.logspace(-8, 9, 3000)


def test_normal_quantile_from_tail_to_tail() -> None:
    chances = np.concatenate([np.logspace(-300, -0.001, 3000), 1 - np.logspace(-15, -0.5, 1000)])
    expected = special.ndtri(chances)
    assert np.max(np.abs(normal_quantile(chances) - expected) / np.maximum(1, np.abs(expected))) < 1e-14
    assert normal_point(0.99) == pytest.approx(special.ndtri(0.99), rel=1e-14)


def test_normal_tail() -> None:
    values = np.linspace(-9, 37, 500)
    np.testing.assert_allclose(normal_tail(values), special.ndtr(-values), rtol=1e-12)


def test_gamma_function_and_its_derivative() -> None:
    for ours, theirs in ((log_gamma, special.gammaln), (digamma, special.digamma)):
        expected = theirs(POSITIVE)
        assert np.max(np.abs(ours(POSITIVE) - expected) / np.maximum(1, np.abs(expected))) < 1e-13
    a, b = np.array([[0.5], [3.0], [4e5]]), np.array([0.25, 1.0, 7e3])
    np.testing.assert_allclose(log_beta(a, b), special.betaln(a, b), rtol=1e-9)


@pytest.mark.parametrize("degrees", [1, 2, 3, 4, 9, 10, 99, 1000, 10_000])
def test_chi_squared_tail_down_to_the_smallest_number(degrees: int) -> None:
    for value in np.linspace(0.01, 3 * degrees + 600, 40):
        expected = special.gammaincc(degrees / 2, value / 2)
        assert chi_squared_tail(float(value), degrees) == pytest.approx(expected, rel=1e-10, abs=1e-300)
    assert chi_squared_tail(0.0, degrees) == 1.0


@pytest.mark.parametrize("mean", [0.0, 1e-3, 0.1, 1.0, 5.0, 30.0, 200.0])
def test_poisson_is_the_gamma_tail(mean: float) -> None:
    numbers = np.arange(1, 80.0)
    np.testing.assert_allclose(poisson_below(numbers, mean), special.gammaincc(numbers, mean), rtol=1e-12)


@given(st.floats(-2, 6), st.floats(0.5, 0.9999))
def test_gamma_quantile_of_any_shape(magnitude: float, probability: float) -> None:
    shape = 10**magnitude
    expected = special.gammaincinv(shape, probability)
    found = gamma_quantile(shape, probability)
    assert found == pytest.approx(expected, rel=1e-8)
    for value in (expected / 3, expected, 2 * expected):
        assert gamma_tail(shape, value) == pytest.approx(special.gammaincc(shape, value), abs=1e-9)


def test_a_gamma_variable_that_is_nearly_always_nothing() -> None:
    assert gamma_quantile(1e-9, 0.99) == special.gammaincinv(1e-9, 0.99) == 0.0


def test_kolmogorov() -> None:
    values = np.linspace(-0.1, 8, 1000)
    found = [kolmogorov_tail(value) for value in values.tolist()]
    np.testing.assert_allclose(found, special.kolmogorov(values), atol=1e-14)
    tail = kolmogorov_tail(4.0)
    assert tail == pytest.approx(float(special.kolmogorov(4.0)), rel=1e-12)
    for chance in (0.5, 0.01, 1e-9):
        assert math.isclose(kolmogorov_point(chance), special.kolmogi(chance), rel_tol=1e-10)
