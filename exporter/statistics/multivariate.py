"""Drift of features together: how well the reference's components describe the rows, and the Fréchet distance."""

from __future__ import annotations

import numpy as np

from exporter.summary.base import Floats
from exporter.summary.second_moments import SecondMomentsSummary

EXPLAINED_VARIANCE = 0.65
_ROUNDING = 1e-9


def reconstruction_error(summary: SecondMomentsSummary, reference: SecondMomentsSummary) -> float | None:
    """Mean squared distance of rows from the space of the reference's principal components.

    In squared reference deviations, summed over features: E|(I - V V')(z - mean)|², with the reference's mean and
    the fewest of its components V that explain 65 % of its variance (the default of NannyML's reconstruction error,
    which takes the mean distance where this takes its square). Exact but for rounding, which is under 1e-9 of the
    reference's variance plus the sample's second moment. None where either side is empty or the reference is constant.
    Source: Hotelling (1933).
    """
    if not summary.rows or not reference.rows:
        return None
    residual = _residual_projection(reference)
    if residual is None:
        return None
    mean, centre = summary.mean, reference.mean
    about_centre = (
        summary.second_moment - np.outer(mean, centre) - np.outer(centre, mean) + np.outer(centre, centre)
    )
    return max(0.0, float(np.sum(residual * about_centre)))


def reconstruction_error_ratio(
    current: SecondMomentsSummary, reference: SecondMomentsSummary
) -> float | None:
    """``reconstruction_error`` of the current rows over the reference's own: 1 = like the reference.

    Above 1 where features no longer move together as they did, or where what was small noise has grown; below 1 where
    they move together more closely. A change inside the kept space alone does not show: the Fréchet distance
    shows it. None where either error is, or where the components describe the reference without error (one feature
    alone, or features that determine each other).
    """
    error, own = reconstruction_error(current, reference), reconstruction_error(reference, reference)
    if error is None or own is None or own <= _ROUNDING * float(np.trace(reference.covariance)):
        return None
    return error / own


def _residual_projection(reference: SecondMomentsSummary) -> Floats | None:
    """I - V V' for the components kept. None where there is no variance."""
    variances, components = reference.principal
    variances = np.maximum(variances[::-1], 0.0)
    explained = np.cumsum(variances)
    # A variance this small is the rounding of a constant's sums.
    if explained[-1] <= _ROUNDING:
        return None
    kept = int(np.searchsorted(explained, (EXPLAINED_VARIANCE - _ROUNDING) * explained[-1])) + 1
    dropped: Floats = components[:, ::-1][:, kept:]
    return dropped @ dropped.T


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
