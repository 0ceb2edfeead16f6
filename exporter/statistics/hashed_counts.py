"""Statistics of counts by a hash: the share of the most frequent value, the overlap of two vocabularies."""

from __future__ import annotations

import numpy as np

from exporter.summary.hashed import SLOTS, RepetitionSummary, VocabularySummary


def top_value_ratio(summary: RepetitionSummary, *, constant: bool = True) -> float | None:
    """Share of the rows that hold the most frequent value; at most 1.

    ``constant``: False where the values are known to differ; then it is less than 1.

    The fullest slot's count, less what the other values are expected to add to it: on average off by
    1/1024 of the other values' share, but two frequent values may share a slot. None where nothing was counted.
    """
    total = float(summary.counts.sum())
    if not total:
        return None
    fullest = float(summary.counts.max())
    collisions = (total - fullest) / (SLOTS - 1)
    most = total if constant else total - 1.0
    return min(max(fullest - collisions, 1.0), most) / total


def vocabulary_overlap(current: VocabularySummary, reference: VocabularySummary) -> float | None:
    """Sum over tokens of min(p, q), their shares of all tokens: 1 for equal vocabularies, 0 for disjoint ones.

    It is 1 minus the total variation distance. Tokens that share a slot of the 1,024 can only raise it: it is never
    below the overlap of the tokens themselves. Chance lowers it: with few tokens two samples of one language differ.
    None where either side has no tokens.
    """
    if not current.tokens or not reference.tokens:
        return None
    common = np.minimum(current.counts / current.tokens, reference.counts / reference.tokens).sum()
    return min(1.0, float(common))
