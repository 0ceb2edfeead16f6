"""Standard errors of outcomes: how far a figure of few rows may be from that of endless ones.

Independent rows are meant. Small counts have a floor: a share of 1.0 of 5 rows is not certain. Rows that stand for
several predictions each count as rows of their mean weight.
"""

from __future__ import annotations

import math

import numpy as np

from exporter.statistics.multiclass import Average
from exporter.statistics.ranking_quality import auc_of_cells, mean_weight, placement_errors
from exporter.summary.base import Flags, Floats, quotients
from exporter.summary.multiclass import MulticlassOutcomeSummary
from exporter.summary.multilabel import MultilabelOutcomeSummary
from exporter.summary.outcomes import CalibrationSummary, OutcomeSummary
from exporter.summary.regression import RegressionOutcomeSummary

Classified = OutcomeSummary | MulticlassOutcomeSummary | MultilabelOutcomeSummary

_PSEUDO = 2.0
"""Rows of each kind, right and wrong, that are taken to have been seen before any; Agresti and Coull (1998)."""


def share_error(successes: float, rows: float) -> float | None:
    """Standard error of ``successes / rows``: that of the share with two successes and two failures more.

    Agresti and Coull (1998), over the rows that there are: ±2 of it hold the true share in 88 of 100 samples or more
    (on average in 95 to 97) for shares of 0.05 to 0.95 of 5 rows or more. None without rows.
    """
    if rows <= 0:
        return None
    share = (successes + _PSEUDO) / (rows + 2 * _PSEUDO)
    return math.sqrt(share * (1 - share) / rows)


def accuracy_error(summary: Classified) -> float | None:
    """Standard error of the accuracy: a share (``share_error``). None without classified rows."""
    match summary:
        case OutcomeSummary():
            right = summary.confusion.trace()
        case MulticlassOutcomeSummary():
            right = summary.right.sum()
        case _:
            right = summary.exact
    by = _rows_by_weight(summary)
    return share_error(float(right) * by, float(summary.classified))


def precision_error(summary: OutcomeSummary) -> float | None:
    """Standard error of the precision: a share of the predicted positives. None where there are none."""
    by = _rows_by_weight(summary)
    return share_error(float(summary.confusion[1, 1]) * by, float(summary.confusion[:, 1].sum()) * by)


def recall_error(summary: OutcomeSummary) -> float | None:
    """Standard error of the recall: a share of the positives. None where there are none."""
    by = _rows_by_weight(summary)
    return share_error(float(summary.confusion[1, 1]) * by, float(summary.confusion[1].sum()) * by)


def f1_error(summary: OutcomeSummary) -> float | None:
    """Standard error of F1, by the delta method. None where nothing was positive, nor predicted to be.

    F1 is 2 s / (1 + s) of the share s of true positives among all rows that are not true negatives, so its error is
    2 / (1 + s)**2 times that of s (``share_error``). But for the floor its square is F1 (1 - F1) (2 - F1)**2 / 2n, the
    variance of the multinomial delta method; Takahashi et al. (2022).
    """
    by = _rows_by_weight(summary)
    true = float(summary.confusion[1, 1]) * by
    rows = true + float(summary.confusion[0, 1] + summary.confusion[1, 0]) * by
    error = share_error(true, rows)
    return None if error is None else error * 2 / (1 + (true + _PSEUDO) / (rows + 2 * _PSEUDO)) ** 2


def _rows_by_weight(summary: Classified) -> float:
    """Classified rows over the predictions that they stand for; 1 where there are none."""
    match summary:
        case OutcomeSummary():
            weight = float(summary.confusion.sum())
        case MulticlassOutcomeSummary():
            weight = float(summary.actual.sum() + summary.actual_unknown)
        case _:
            weight = float(summary.classified_weight)
    return float(summary.classified) / weight if weight else 1.0


def averaged_precision_error(summary: MulticlassOutcomeSummary, average: Average) -> float | None:
    """Standard error of the averaged precision (``_delta``). None without a confusion matrix."""
    return _averaged(summary, average, "precision")


def averaged_recall_error(summary: MulticlassOutcomeSummary, average: Average) -> float | None:
    """Standard error of the averaged recall (``_delta``). None without a confusion matrix."""
    return _averaged(summary, average, "recall")


def averaged_f1_error(summary: MulticlassOutcomeSummary, average: Average) -> float | None:
    """Standard error of the averaged F1; Takahashi et al. (2022), the delta method over the confusion matrix."""
    return _averaged(summary, average, "f1")


def _averaged(summary: MulticlassOutcomeSummary, average: Average, measure: str) -> float | None:
    if not summary.classified or not summary.confusion.size:
        return None
    by = _rows_by_weight(summary)
    known = summary.confusion * by
    # Labels of unknown classes are one more, which is never predicted.
    cells = np.zeros((len(known) + 1, len(known) + 1))
    cells[:-1, :-1], cells[-1, :-1] = known, np.maximum(summary.predicted * by - known.sum(axis=0), 0.0)
    return _delta(cells, average, measure)


def _delta(cells: Floats, average: Average, measure: str) -> float | None:
    """Standard error of an average over classes of a confusion matrix in rows, (K, K) by label and prediction.

    The delta method for a multinomial: the root of the mean square of the derivative by the share of each cell, over
    the rows; the derivatives are those of Takahashi et al. (2022). Its floor: two right rows and two wrong ones more,
    evenly over the classes that are there, as ``share_error`` has for one share. None where no class is defined.
    """
    rows = float(cells.sum())
    actual = cells.sum(axis=1)
    # The last is of unknown labels: never right, of nothing that could be predicted.
    there = actual + cells.sum(axis=0) > 0
    there[-1] = False
    defined: Flags = _parts(cells, measure) > 0
    if not defined.any() or (average == "weighted" and not actual[defined].sum()):
        return None
    padded = cells + _pseudo_rows(there)
    shares = padded / padded.sum()
    labels, right = shares.sum(axis=1), np.diagonal(shares)
    values = quotients(right, _parts(shares, measure), 0.0)
    if average == "macro":
        weights = defined / defined.sum()
        change = np.zeros(len(cells))
    else:
        whole = labels[defined].sum()
        weights = np.where(defined, labels / whole, 0.0)
        # More labels of a class give it more weight.
        change = np.where(defined, (values - weights @ values) / whole, 0.0)
    # Of the rows that there are, as in a share: those taken to be there make nothing surer.
    steps = quotients(weights, _parts(cells, measure) / rows, 0.0)
    # By each cell: its class is right more often, and each class that it is of has more rows.
    derivative = np.diag(steps) + change[:, None]
    fall = steps * values
    match measure:
        case "recall":
            derivative -= fall[:, None]
        case "precision":
            derivative -= fall[None, :]
        case _:
            derivative -= (fall[:, None] + fall[None, :]) / 2
    mean = (shares * derivative).sum()
    variance = (shares * (derivative - mean) ** 2).sum() / rows
    return float(np.sqrt(variance))


def _parts(cells: Floats, measure: str) -> Floats:
    """Denominators of the rates of each class."""
    actual, predicted = cells.sum(axis=1), cells.sum(axis=0)
    found: Floats = {"precision": predicted, "recall": actual, "f1": (actual + predicted) / 2}[measure]
    return found


def _pseudo_rows(there: Flags) -> Floats:
    """Two right rows and two wrong ones, evenly over the classes of a confusion matrix that are ``there``."""
    among = there if there.sum() > 1 else np.append(np.ones(len(there) - 1, dtype=bool), False)
    number = float(among.sum())
    pairs = np.outer(among, among).astype(np.float64)
    wrong = pairs - np.diag(np.diagonal(pairs))
    found: Floats = np.diag(among * _PSEUDO / number)
    if number > 1:
        found += wrong * (_PSEUDO / wrong.sum())
    return found


def averaged_auc_error(summary: MulticlassOutcomeSummary, average: Average) -> float | None:
    """Upper bound of the standard error of the averaged AUC of each class against the rest.

    The smaller of two bounds on what the errors of all classes have in common, which the counts do not tell: that they
    err together, which the two of a pair do; and that only the positives of each class err apart from those of others.
    Simulated, 3 to 10 classes: 1.3 to 2.1 times the true error. None where no class has an AUC.
    """
    weight = mean_weight(summary)
    cells = summary.class_cells / weight
    labels = cells[:, 1].sum(axis=-1)
    found = [None if auc_of_cells(*of_class) is None else placement_errors(*of_class) for of_class in cells]
    defined = np.array([item is not None for item in found], dtype=bool)
    weights = np.where(defined, 1.0 if average == "macro" else labels, 0.0)
    if not weights.sum():
        return None
    weights /= weights.sum()
    positive, negative = (
        np.array([0.0 if item is None else item[place] for item in found]) for place in (0, 1)
    )
    together = float(weights @ np.hypot(positive, negative))
    # The positives of two classes are different rows; most negatives are the same.
    apart = float(np.sqrt(weights**2 @ positive**2) + weights @ negative)
    return min(together, apart)


def calibration_error_error(summary: CalibrationSummary) -> float | None:
    """Root of the mean squared distance of the expected calibration error from that of endless rows.

    Of each bin the gap is about normal, with the variance of its share of positives (one success and one failure more),
    so that its size is a folded normal; Leone, Nelson and Nottingham (1961). Few rows raise the mean of a folded
    normal: calibration errors of few rows are too high (Kumar, Liang and Ma, 2019), and this bias is part of the error.
    None without scores.
    """
    rows = summary.calibration_rows / mean_weight(summary)
    whole = float(rows.sum())
    if not whole:
        return None
    by = mean_weight(summary)
    positives = summary.calibration_positives / by
    share = quotients(positives + 1, rows + 2, 0.5)
    deviation = np.sqrt(rows * share * (1 - share)) / whole
    seen = np.abs(summary.calibration_scores / by - positives) / whole
    # The size of a gap holds its noise, once more on average.
    gap = np.sqrt(np.maximum(seen**2 - deviation**2, 0.0))
    expected = _folded_mean(gap, deviation)
    variance = float((gap**2 + deviation**2 - expected**2).sum())
    between = float(quotients(gap**2, rows / whole, 0.0).sum() - gap.sum() ** 2) / whole
    bias = float((expected - gap).sum())
    return math.sqrt(max(variance, 0.0) + max(between, 0.0) + bias**2)


def _folded_mean(mean: Floats, deviation: Floats) -> Floats:
    """Mean of the size of a normal variable."""
    from scipy.special import erf

    ratio = quotients(mean, deviation, 0.0)
    folded = deviation * math.sqrt(2 / math.pi) * np.exp(-(ratio**2) / 2) + mean * erf(ratio / math.sqrt(2))
    found: Floats = np.where(deviation > 0, folded, mean)
    return found


def mean_absolute_error_error(summary: RegressionOutcomeSummary) -> float | None:
    """Standard error of the mean of |prediction - label|: the root of its variance over n - 1.

    None of fewer than two rows, or beyond the floats.
    """
    rows, weight = float(summary.scored), float(summary.scored_weight)
    if rows < 2 or not weight:
        return None
    mean, square = float(summary.absolute_errors) / weight, float(summary.squared_errors) / weight
    variance = (square - mean * mean) / (rows - 1)
    return math.sqrt(max(variance, 0.0)) if math.isfinite(variance) else None
