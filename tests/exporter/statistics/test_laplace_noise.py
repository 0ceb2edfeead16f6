"""Noise bounds: never below what the noise does, and not far above."""

from __future__ import annotations

import numpy as np
import pytest

from exporter.statistics.divergences import population_stability_index
from exporter.statistics.laplace_noise import noise_bound, psi_bound, ratio_bound
from tests.support.properties import examples


def tail_of_sums(number: int, scale: float, beyond: float) -> float:
    """Probability that the sum of ``number`` variables is beyond, either way; by convolution of the exact masses."""
    size = 1 << int(np.ceil(np.log2(24 * (np.sqrt(number) + 4) * scale + 64)))
    r = np.exp(-1 / scale)
    frequencies = 2 * np.pi * np.arange(size) / size
    one = (1 - r) ** 2 / (1 - 2 * r * np.cos(frequencies) + r * r)
    masses = np.fft.ifft(one**number).real
    values = np.where(np.arange(size) < size // 2, np.arange(size), np.arange(size) - size)
    return float(masses[np.abs(values) > beyond].sum())


@pytest.mark.parametrize("scale", [0.5, 1.0, 16.0, 160.0])
@pytest.mark.parametrize("number", [1, 2, 100, 1000])
@pytest.mark.parametrize("tail", [0.05, 0.01, 0.001])
def test_bound_of_sums(number: int, scale: float, tail: float) -> None:
    bound = noise_bound(number, scale, tail)
    assert tail_of_sums(number, scale, bound) <= tail
    # Chernoff's is half as far again, or less where many are added up.
    assert tail_of_sums(number, scale, 0.5 * bound - 1) > tail


def test_no_noise() -> None:
    assert noise_bound(0, 16.0, 0.01) == 0


@pytest.mark.parametrize("seed", range(examples(50)))
def test_bounds_of_ratios_and_of_the_index(seed: int) -> None:
    """Of any true counts and any errors up to the bound, clipped at 0 as they are when windows are measured."""
    rng = np.random.default_rng(seed)
    cells = int(rng.integers(2, 12))
    true = rng.multinomial(int(rng.integers(1000, 100_000)), rng.dirichlet(np.ones(cells))).astype(float)
    reference = rng.multinomial(5000, rng.dirichlet(np.full(cells, 2.0))).astype(float)
    cell = float(true.sum() * rng.choice([0.0001, 0.001, 0.01, 0.05]) / cells)
    for errors in (rng.uniform(-cell, cell, cells), cell * rng.choice([-1.0, 1.0], cells)):
        noisy = np.maximum(true + errors, 0.0)
        off = np.abs(noisy / noisy.sum() - true / true.sum())
        assert (off <= ratio_bound(noisy / noisy.sum(), float(noisy.sum()), cell) + 1e-12).all()
        found, exact = (population_stability_index(counts, reference) for counts in (noisy, true))
        assert found is not None
        assert exact is not None
        assert abs(found - exact) <= psi_bound(noisy, reference, cell) + 1e-12


def test_no_bound_where_noise_is_all() -> None:
    assert np.isinf(ratio_bound(np.array([0.5, 0.5]), 10.0, 5.0)).all()
