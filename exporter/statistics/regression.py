"""Errors of predicted numbers."""

from __future__ import annotations

import math

import numpy as np

from exporter.summary.regression import RegressionOutcomeSummary

_EPSILON = float(np.finfo(np.float64).eps)
_MOST_ROUNDING = 0.01


def mean_absolute_error(summary: RegressionOutcomeSummary) -> float | None:
    """Mean of |prediction - label|. Exact. None without labelled predictions, or beyond the floats."""
    return _ratio(float(summary.absolute_errors), float(summary.scored_weight))


def mean_error(summary: RegressionOutcomeSummary) -> float | None:
    """Mean of prediction - label: the bias. Exact. None without labelled predictions, or beyond the floats."""
    return _ratio(float(summary.errors), float(summary.scored_weight))


def mean_label(summary: RegressionOutcomeSummary) -> float | None:
    """Mean of the labels. Exact. None without labelled predictions, or beyond the floats."""
    mean = _ratio(float(summary.label_deviations), float(summary.scored_weight))
    return None if mean is None else summary.pivot + mean


def root_mean_squared_error(summary: RegressionOutcomeSummary) -> float | None:
    """Root of the mean of (prediction - label)**2. Exact. None without labelled predictions, or beyond the floats."""
    mean = _ratio(float(summary.squared_errors), float(summary.scored_weight))
    return None if mean is None else math.sqrt(mean)


def mean_absolute_percentage_error(summary: RegressionOutcomeSummary) -> float | None:
    """Mean of |prediction - label| / |label| where the label is not 0, as a ratio. Exact.

    The rows it rests on are ``scored - zero_labels``. None where there are none, or beyond the floats.
    """
    return _ratio(float(summary.relative_errors), float(summary.nonzero_weight))


def r_squared(summary: RegressionOutcomeSummary) -> float | None:
    """1 - sum (prediction - label)**2 / sum (label - mean label)**2. Off by at most ``(1 - value) r / (1 - r)`` for a
    relative rounding ``r`` of the labels' spread.

    None where the labels are constant, beyond the floats, or where the pivot is so far from the labels, next to
    their spread, that rounding may take 1 % of it.
    """
    uncertain = rounding(summary)
    if uncertain is None or uncertain > _MOST_ROUNDING:
        return None
    errors = float(summary.squared_errors)
    return 1 - errors / _spread(summary) if math.isfinite(errors) else None


def _spread(summary: RegressionOutcomeSummary) -> float:
    deviation = float(summary.label_deviations)
    return float(summary.squared_label_deviations) - deviation * deviation / float(summary.scored_weight)


def rounding(summary: RegressionOutcomeSummary) -> float | None:
    """Compute the largest relative error of the labels' spread: of n rounded squares little may be left."""
    if not summary.scored:
        return None
    squares, spread = float(summary.squared_label_deviations), _spread(summary)
    if not math.isfinite(squares) or not spread > 0:
        return None
    # Of constant labels nothing but rounding is left, which is less than this allows for.
    # The square of the mean takes away at most as much again as the squares sum to.
    return (float(summary.scored) + 4) * _EPSILON * 3 * squares / spread


def _ratio(part: float, whole: float) -> float | None:
    return part / whole if whole and math.isfinite(part) else None
