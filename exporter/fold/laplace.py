"""Discrete Laplace noise on counts: OpenDP's mechanism, its randomness, and its own account of what that promises."""

from __future__ import annotations

from typing import Any

import numpy as np

from exporter.extras import needs
from exporter.summary.base import Integers


class MissingOpenDPError(Exception):
    """The extra 'privacy' is not installed."""


class Laplace:
    """Noise on vectors of ``size`` counts, of which one record changes ``l1`` together at most."""

    def __init__(self, size: int, l1: int, epsilon: float) -> None:
        """Raises MissingOpenDPError, and ValueError where OpenDP does not certify ``epsilon``."""
        try:
            import opendp.prelude as dp
        except ImportError:
            raise MissingOpenDPError(f"'privacy' {needs('privacy')}") from None
        dp.enable_features("contrib")
        domain, metric = dp.vector_domain(dp.atom_domain(T="i64"), size=size), dp.l1_distance(T="i64")
        self.scale = l1 / epsilon
        make: Any = dp.m.make_laplace
        self._measurement = make(domain, metric, self.scale)
        # The quotient may be rounded down, and OpenDP rounds up.
        while self._measurement.map(l1) > epsilon:
            self.scale = float(np.nextafter(self.scale, np.inf))
            self._measurement = make(domain, metric, self.scale)
        if not 0 < self._measurement.map(l1) <= epsilon:
            raise ValueError(f"no noise is certified for epsilon {epsilon}")

    def release(self, counts: Integers) -> Integers:
        """Return ``counts`` with noise, once."""
        return np.array(self._measurement(counts.tolist()), dtype=np.int64)
