"""Ranked lists with the gains of their items: one record is one list."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np

from exporter.summary.base import (
    Codes,
    Floats,
    Groups,
    Merge,
    Summary,
    count,
    count_cells,
    merged_by,
    quotients,
)

MEASURES = ("ndcg", "average_precision", "recall", "precision")
"""The order of the measures in ``RankingOutcomeSummary`` and ``list_quality``."""


@dataclass(frozen=True, eq=False)
class RankingOutcomeSummary(Summary):
    """Labelled ranked lists, measured at the cutoffs ``ks``.

    ``labelled``: lists, whatever their weights; ``labelled_weight``: what they stand for. The others have shape
    (4, len(ks)), by MEASURES and cutoff, over the lists where the measure is defined: ``lists`` whatever their
    weights, ``weights``, and ``sums`` of weight times measure.
    """

    ks: tuple[int, ...]
    labelled: Floats = merged_by(Merge.SUM)
    labelled_weight: Floats = merged_by(Merge.SUM)
    lists: Floats = merged_by(Merge.SUM)
    weights: Floats = merged_by(Merge.SUM)
    sums: Floats = merged_by(Merge.SUM)

    @classmethod
    def fold(
        cls, ks: tuple[int, ...], quality: Floats, groups: Groups, size: int, weights: Floats | None = None
    ) -> Self:
        """A stack of ``size`` summaries.

        ``quality``: (lists, 4, len(ks)) of ``list_quality``, NaN where not defined; ``weights``: how many predictions
        each list stands for, 1 where None.
        """
        shape = (size, len(MEASURES), len(ks))
        cells = len(MEASURES) * len(ks)
        defined = np.isfinite(quality)
        row, measure, cutoff = np.nonzero(defined)
        places = measure * len(ks) + cutoff
        weight = np.ones(len(row)) if weights is None else weights[row]
        return cls(
            ks=ks,
            labelled=count(groups, size),
            labelled_weight=count(groups, size, weights),
            lists=count_cells(groups[row], size, places, cells).reshape(shape),
            weights=count_cells(groups[row], size, places, cells, weight).reshape(shape),
            sums=count_cells(groups[row], size, places, cells, quality[defined] * weight).reshape(shape),
        )


def list_quality(
    ks: tuple[int, ...],
    gains: Floats,
    lengths: Codes,
    relevant: Floats,
    relevant_lengths: Codes,
    scores: Floats | None = None,
) -> Floats:
    """The measures of many lists at once, shape (lists, 4, len(ks)); NaN where not defined.

    ``gains``: of the items of all lists, one list after the other, each in the order shown; ``lengths``: (lists,),
    their numbers of items. ``relevant`` and ``relevant_lengths``: likewise the gains of all items that were relevant,
    in any order, shown or not. ``scores``: as ``gains``, None or NaN where not logged.

    NDCG: gain / log2(1 + rank), linear gain, over that of the best list of the relevant items; neighbours of equal
    score share the mean of their gains (McSherry and Najork, 2008). Average precision: mean of the precision
    at the rank of each relevant item, over min(k, relevant items); recall and precision: relevant items among the
    first k, over all of them and over k. An item is relevant where its gain is above 0; the last three take the
    order as shown. Without any relevant item all but precision are not defined. Exact.

    Raises ValueError where a gain is negative or not finite, or the lengths do not add up.
    """
    if lengths.sum() != len(gains) or relevant_lengths.sum() != len(relevant):
        raise ValueError("the lengths of the lists do not add up to the number of gains")
    for array in (gains, relevant):
        if not np.all(np.isfinite(array) & (array >= 0)):
            raise ValueError("gains are finite numbers of 0 or more")
    lists = len(lengths)
    member, rank = _positions(lengths)
    discounted = (gains if scores is None else _tied_mean(gains, scores, rank)) / np.log2(rank + 1)
    hit = gains > 0
    hits = np.cumsum(hit)
    before = np.concatenate([[0], hits])[np.cumsum(lengths) - lengths]
    precision = np.where(hit, (hits - before[member]) / rank, 0.0)

    owner, best_rank = _positions(relevant_lengths)
    best = relevant[np.lexsort((-relevant, owner))]
    ideal = best / np.log2(best_rank + 1)
    every = count(owner[relevant > 0], lists)

    quality = np.empty((lists, len(MEASURES), len(ks)))
    for column, k in enumerate(ks):
        shown, mine = rank <= k, best_rank <= k
        found = count(member[shown & hit], lists)
        pairs = (
            (count(member[shown], lists, discounted[shown]), count(owner[mine], lists, ideal[mine])),
            (count(member[shown], lists, precision[shown]), np.minimum(every, k)),
            (found, every),
            (found, np.full(lists, float(k))),
        )
        for position, (part, whole) in enumerate(pairs):
            quality[:, position, column] = quotients(part, whole)
    return quality


def _positions(lengths: Codes) -> tuple[Codes, Codes]:
    """The list of each item, and its rank there, from 1."""
    member = np.repeat(np.arange(len(lengths)), lengths)
    return member, np.arange(len(member)) - (np.cumsum(lengths) - lengths)[member] + 1


def _tied_mean(gains: Floats, scores: Floats, rank: Codes) -> Floats:
    """``gains``, averaged over neighbours of equal score in a list."""
    starts = np.ones(len(gains), dtype=bool)
    starts[1:] = (rank[1:] == 1) | (scores[1:] != scores[:-1])
    run = np.cumsum(starts) - 1
    averaged: Floats = (np.bincount(run, weights=gains) / np.bincount(run))[run] if len(gains) else gains
    return averaged
