"""Size of sums of discrete Laplace noise, and what it can do to ratios and distances of counts."""

from __future__ import annotations

import numpy as np

from exporter.statistics.divergences import FLOOR
from exporter.summary.base import Floats

_STEPS = 2000


def noise_bound(number: int, scale: float, tail: float) -> float:
    """Return what a sum of ``number`` discrete Laplace variables exceeds, either way, in ``tail`` of cases at most.

    Chernoff's bound, of the moment generating function (1 - r)² / ((1 - r e^t)(1 - r e^-t)), r = e^(-1/scale), at the
    best t of a grid: never below the quantile, and up to half as much again.
    Source: Inusah and Kozubowski, A discrete analogue of the Laplace distribution (2006).
    """
    if not number:
        return 0.0
    t = np.linspace(0.0, 1.0 / scale, _STEPS + 1, endpoint=False)[1:]
    logarithm = 2 * np.log(-np.expm1(-1 / scale)) - np.log(-np.expm1(t - 1 / scale))
    logarithm -= np.log(-np.expm1(-t - 1 / scale))
    return float(np.min((number * logarithm + np.log(2 / tail)) / t))


def ratio_bound(ratios: Floats, rows: float, cell: float) -> Floats:
    """Return how far each of ``ratios`` may be from the true one, where no cell is off by more than ``cell``.

    ``ratios``: of noisy counts to their sum ``rows``, shape (cells,). With c = true count, N = true sum: c/N is
    (p N' - e)/N, so that it differs from p by at most cell (1 + cells p)/N; and N is at least ``rows`` - cells cell.
    Infinite where that is not above 0.
    """
    least = rows - len(ratios) * cell
    return cell * (1 + len(ratios) * ratios) / least if least > 0 else np.full(len(ratios), np.inf)


def psi_bound(counts: Floats, reference: Floats, cell: float) -> float:
    """Return how far the index of noisy ``counts`` is from the true one at most: no cell is off by more than ``cell``.

    Each bin's part is convex in its ratio p and 0 at the reference's q: over [p - bound, p + bound] it is largest at an
    end, and smallest at the point nearest to q.
    """
    p, q = counts / counts.sum(), reference / reference.sum()
    off = ratio_bound(p, float(counts.sum()), cell)
    low, high = np.clip(p - off, 0, 1), np.clip(p + off, 0, 1)
    here = _nats(p, q)
    largest, smallest = np.maximum(_nats(low, q), _nats(high, q)), _nats(np.clip(q, low, high), q)
    return float(np.maximum(largest - here, here - smallest).sum())


def _nats(p: Floats, q: Floats) -> Floats:
    p, q = np.maximum(p, FLOOR), np.maximum(q, FLOOR)
    found: Floats = (p - q) * np.log(p / q)
    return found
