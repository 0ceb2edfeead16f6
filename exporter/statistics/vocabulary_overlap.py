"""How much of two vocabularies is common."""

from __future__ import annotations

import numpy as np

from exporter.summary.hashed import VocabularySummary


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
