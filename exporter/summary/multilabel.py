"""Sets of classes: how often each is in one, and labelled predictions of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np

from exporter.summary.base import (
    Flags,
    Floats,
    Groups,
    Merge,
    Summary,
    count,
    count_cells,
    merged_by,
    quotients,
)
from exporter.summary.categorical import CategoricalSummary
from exporter.summary.multiclass import CLASS_CELLS, MOST_DETAILED, class_cell

OTHER, NONE = "(other)", "(none)"
"""Categories beside the classes: names that are none of them, and sets of nothing."""

MEASURES = ("precision", "recall", "f1")
"""The order of the measures of single predictions in ``MultilabelOutcomeSummary``."""

# Sums of so rounded shares are exact, to 2**33 rows, whatever their order.
_SHARE = 2.0**-20


@dataclass(frozen=True, eq=False)
class LabelSetsSummary(Summary):
    """Sets of ``classes``; K is their number.

    ``rows``: sets, whatever their weights; all else sums weights. ``sets``: of all. ``counts``: (K + 1,), sets that
    have each class, the last those with another name. ``mix``: (K + 2,), by class, other names, and nothing: a set
    counts as one, in equal shares of what is in it.
    """

    classes: tuple[str, ...]
    rows: Floats = merged_by(Merge.SUM)
    sets: Floats = merged_by(Merge.SUM)
    counts: Floats = merged_by(Merge.SUM)
    mix: Floats = merged_by(Merge.SUM)

    @classmethod
    def fold(
        cls,
        classes: tuple[str, ...],
        members: Flags,
        groups: Groups,
        size: int,
        weights: Floats | None = None,
    ) -> Self:
        """A stack of ``size`` summaries.

        ``members``: (rows, K + 1), the last column: whether another name is in the set. ``weights``: how many sets
        each row stands for, 1 where None.
        """
        weight = np.ones(len(groups)) if weights is None else weights
        return cls(
            classes=classes,
            rows=count(groups, size),
            sets=count(groups, size, weight),
            counts=_sums(members, groups, size, weight),
            mix=_sums(_shares(members), groups, size, weight),
        )

    @property
    def present(self) -> float:
        """Sets."""
        return float(self.sets)

    def as_mix(self) -> CategoricalSummary:
        """Return the mix over the names of its categories."""
        return CategoricalSummary(categories_of(self.classes), np.zeros(()), np.zeros(()), self.mix)

    def over(self, categories: tuple[str, ...]) -> Floats:
        """The mix over ``categories``, then one last count of all others. Shape (categories + 1,)."""
        return self.as_mix().over(categories)


def categories_of(classes: tuple[str, ...]) -> tuple[str, ...]:
    """Return the categories of a mix."""
    return (*classes, OTHER, NONE)


@dataclass(frozen=True, eq=False)
class MultilabelOutcomeSummary(Summary):
    """Labelled predictions of sets of ``classes``; K is their number. Other names are one class more, always missed.

    ``labelled``, ``classified``, ``scored``: rows, those whose label and prediction are known sets, those with a known
    label and probabilities; whatever their weights. All else sums weights: ``labelled_weight``, ``classified_weight``,
    ``scored_weight`` of these. ``exact``: of equal sets. ``other``: of rows with another name on either side.
    ``predicted``, ``actual``, ``right``: (K + 1,), by class, of predictions, labels, and both. ``measured``: (3,), rows
    for which each of MEASURES is defined; ``measured_weight`` and ``measures``: (3,), their weights, and those times
    the measure. ``class_cells``: (K, 2, CLASS_CELLS), for each class whether it is in the label, by the cell of its
    probability; empty for more than MOST_DETAILED classes.
    """

    classes: tuple[str, ...]
    labelled: Floats = merged_by(Merge.SUM)
    classified: Floats = merged_by(Merge.SUM)
    scored: Floats = merged_by(Merge.SUM)
    labelled_weight: Floats = merged_by(Merge.SUM)
    classified_weight: Floats = merged_by(Merge.SUM)
    scored_weight: Floats = merged_by(Merge.SUM)
    exact: Floats = merged_by(Merge.SUM)
    other: Floats = merged_by(Merge.SUM)
    predicted: Floats = merged_by(Merge.SUM)
    actual: Floats = merged_by(Merge.SUM)
    right: Floats = merged_by(Merge.SUM)
    measured: Floats = merged_by(Merge.SUM)
    measured_weight: Floats = merged_by(Merge.SUM)
    measures: Floats = merged_by(Merge.SUM)
    class_cells: Floats = merged_by(Merge.SUM)

    @classmethod
    def fold(
        cls,
        classes: tuple[str, ...],
        predicted: Flags,
        labels: Flags,
        probabilities: Floats,
        known: tuple[Flags, Flags],
        groups: Groups,
        size: int,
        weights: Floats | None = None,
    ) -> Self:
        """A stack of ``size`` summaries.

        ``predicted`` and ``labels``: (rows, K + 1), the last column: whether another name is in the set.
        ``probabilities``: (rows, K), a row with a NaN in it was not logged. ``known``: (rows,) each, where the
        prediction and where the label is known. ``weights``: how many predictions each row stands for, 1 where None.
        """
        weight = np.ones(len(groups)) if weights is None else weights
        both = known[0] & known[1]
        scored = known[1] & np.isfinite(probabilities).all(axis=1)
        ours, theirs, members, share = predicted[both], labels[both], groups[both], weight[both]
        right = ours & theirs
        right[:, -1] = False
        other = ours[:, -1] | theirs[:, -1]
        exact = (ours == theirs).all(axis=1) & ~other
        hits, guesses, truths = (found.sum(axis=1, dtype=np.float64) for found in (right, ours, theirs))
        quality = np.stack(
            [quotients(hits, guesses), quotients(hits, truths), quotients(2 * hits, guesses + truths)], axis=1
        )
        defined = np.isfinite(quality)
        return cls(
            classes=classes,
            labelled=count(groups, size),
            classified=count(members, size),
            scored=count(groups[scored], size),
            labelled_weight=count(groups, size, weight),
            classified_weight=count(members, size, share),
            scored_weight=count(groups[scored], size, weight[scored]),
            exact=count(members[exact], size, share[exact]),
            other=count(members[other], size, share[other]),
            predicted=_sums(ours, members, size, share),
            actual=_sums(theirs, members, size, share),
            right=_sums(right, members, size, share),
            measured=_sums(defined, members, size, np.ones(len(members))),
            measured_weight=_sums(defined, members, size, share),
            measures=_sums(np.where(defined, quality, 0.0), members, size, share),
            class_cells=_cells(
                len(classes), probabilities[scored], labels[scored], groups[scored], size, weight[scored]
            ),
        )


def _sums(values: Flags | Floats, groups: Groups, size: int, weights: Floats) -> Floats:
    """Sums of weight times value of each column, shape (size, columns)."""
    columns = [count(groups, size, values[:, column] * weights) for column in range(values.shape[1])]
    return np.stack(columns, axis=1)


def _shares(members: Flags) -> Floats:
    nothing = ~members.any(axis=1, keepdims=True)
    whole = np.concatenate([members, nothing], axis=1).astype(np.float64)
    shares: Floats = np.round(whole / whole.sum(axis=1, keepdims=True) / _SHARE) * _SHARE
    # The first of them takes what rounding lost.
    shares[np.arange(len(shares)), np.argmax(whole, axis=1)] += 1.0 - shares.sum(axis=1)
    return shares


def _cells(
    width: int, probabilities: Floats, labels: Flags, groups: Groups, size: int, weights: Floats
) -> Floats:
    if width > MOST_DETAILED:
        return np.zeros((size, 0, 2, CLASS_CELLS))
    cells = np.zeros((size, width, 2, CLASS_CELLS))
    for code in range(width):
        places = labels[:, code] * CLASS_CELLS + class_cell(probabilities[:, code])
        counts = count_cells(groups, size, places, 2 * CLASS_CELLS, weights)
        cells[:, code] = counts.reshape(size, 2, CLASS_CELLS)
    return cells
