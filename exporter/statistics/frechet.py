"""Fréchet distance between the joint distributions of features."""

from __future__ import annotations

import numpy as np

from exporter.summary.base import Floats
from exporter.summary.second_moments import SecondMomentsSummary


def frechet_distance(current: SecondMomentsSummary, reference: SecondMomentsSummary) -> float | None:
    """Distance between the two normal distributions with the samples' means and covariances.

    sqrt(|m1 - m2|² + tr(S1 + S2 - 2 (S1 S2)^½)), over features in reference deviations; the 2-Wasserstein distance of
    the two. It is the root, in deviations like a mean shift; the Fréchet inception distance is its square.
    Off by at most 1e-6 times sqrt(tr S1 + tr S2 + |m1 - m2|²), by rounding, whatever the ranks.
    Source: Dowson and Landau (1982), Heusel et al. (2017). None where either side is empty.
    """
    if not current.rows or not reference.rows:
        return None
    one, other = current.covariance, reference.covariance
    # tr (S1 S2)^½ is the sum of the singular values of S1^½ S2^½. Eigenvalues of S1^½ S2 S1^½ would have to be
    # rooted, and with them their rounding.
    shared = np.linalg.svd(_root(current) @ _root(reference), compute_uv=False).sum()
    shift = current.mean - reference.mean
    squared = float(shift @ shift + np.trace(one) + np.trace(other) - 2 * shared)
    return float(np.sqrt(max(0.0, squared)))


def _root(summary: SecondMomentsSummary) -> Floats:
    """The symmetric square root of the covariance."""
    variances, components = summary.principal
    # The root of what rounding left of a zero would be some 1e-8, not some 1e-16.
    rounding = len(variances) * np.finfo(np.float64).eps * max(float(variances[-1]), 0.0)
    root: Floats = (components * np.sqrt(np.where(variances > rounding, variances, 0.0))) @ components.T
    return root
