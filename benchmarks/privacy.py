"""Error of gauges over counts with noise, beside the bound that docs/privacy.md states.

    python -m benchmarks.privacy [--devices 200] [--rows 1000] [--bins 10] [--epsilon 1] [--features 10] [--runs 100]

Each run draws the rows of all devices, releases each device's counts with OpenDP's noise, and adds them up. Within the
bound is a run where each ratio of all cells, and the PSI against the reference, is no further from the exact one over
all rows than ``noise_bound``, ``ratio_bound`` and ``psi_bound`` say for 99 %.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from benchmarks.table import Row, finish
from exporter.fold.private_counts import Laplace
from exporter.statistics.divergences import population_stability_index
from exporter.statistics.laplace_noise import noise_bound, psi_bound, ratio_bound

TAIL = 0.01
_NOTHING = 3
"""Cells of missing, infinite and invalid values."""


class Run(NamedTuple):
    """Errors of one run, and their bounds; of ratios the one that is nearest to its bound."""

    ratio: float
    ratio_bound: float
    psi: float
    psi_bound: float

    @property
    def within(self) -> bool:
        """True where both errors are within their bounds."""
        return self.ratio <= self.ratio_bound and self.psi <= self.psi_bound


def run(devices: int, rows: int, bins: int, epsilon: float, features: int, seed: int) -> Run:
    """Return the errors over ``devices`` of ``rows`` each, of one of ``features``; every second run has drifted."""
    rng = np.random.default_rng(seed)
    # Rows, graded, errors, the score and its class beside the features.
    l1 = 5 + features
    noise = Laplace(bins + _NOTHING, l1, epsilon)
    drifted = rng.dirichlet(np.full(bins, 20.0)) if seed % 2 else np.full(bins, 1 / bins)
    chances = np.append(0.97 * drifted, [0.03, 0.0, 0.0])
    reference = np.full(bins, 1000.0)
    exact = np.zeros(bins + _NOTHING, dtype=np.int64)
    noisy = exact.copy()
    for counts in rng.multinomial(rows, chances, size=devices):
        exact += counts
        noisy += noise.release(counts)
    cell = noise_bound(devices, noise.scale, TAIL / len(exact))
    clipped = np.maximum(noisy, 0).astype(np.float64)
    ratios, bounds = clipped / clipped.sum(), ratio_bound(clipped / clipped.sum(), float(clipped.sum()), cell)
    off = np.abs(ratios - exact / exact.sum())
    worst = int(np.argmax(off / bounds))
    found = population_stability_index(clipped[:bins], reference)
    expected = population_stability_index(exact[:bins].astype(np.float64), reference)
    assert found is not None
    assert expected is not None
    return Run(
        float(off[worst]),
        float(bounds[worst]),
        abs(found - expected),
        psi_bound(clipped[:bins], reference, cell),
    )


def measure(runs: Sequence[Run]) -> Iterator[Row]:
    """Yield how many of ``runs`` are within the bound, and how large error and bound are."""
    within = 100 * sum(item.within for item in runs) / len(runs)
    yield Row("runs within the bound, %", within, limit=99, at_least=True)
    for name in ("ratio", "psi"):
        errors, bounds = (
            np.array([getattr(item, key) for item in runs], dtype=np.float64)
            for key in (name, f"{name}_bound")
        )
        yield Row(f"error of a {name}, median", float(np.median(errors)))
        yield Row(f"error of a {name}, largest", float(errors.max()))
        yield Row(f"bound of a {name}, median", float(np.median(bounds)))


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    for name, default in (("devices", 200), ("rows", 1000), ("bins", 10), ("features", 10), ("runs", 100)):
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--epsilon", type=float, default=1.0)
    parser.add_argument("--quick", action="store_true", help="20 devices")
    asked = parser.parse_args()
    devices = 20 if asked.quick else asked.devices
    runs = [
        run(devices, asked.rows, asked.bins, asked.epsilon, asked.features, seed)
        for seed in range(asked.runs)
    ]
    finish("Privacy: error of gauges over counts with noise", list(measure(runs)), quick=asked.quick)


if __name__ == "__main__":
    main()
