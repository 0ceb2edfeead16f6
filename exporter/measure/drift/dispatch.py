"""Which statistics a view has."""

from __future__ import annotations

from exporter.features.binning import Binning, MixBinning
from exporter.measure.drift import categories, numbers, vectors, vocabulary
from exporter.measure.drift.comparison import Comparison, Statistic
from exporter.references.reference import (
    CategoricalReference,
    EmbeddingReference,
    MixReference,
    NumericReference,
    ViewReference,
    VocabularyReference,
)
from exporter.summary.base import Summary
from exporter.summary.categorical import CategoricalSummary
from exporter.summary.embedding import EmbeddingSummary
from exporter.summary.numeric import NumericSummary
from exporter.summary.vocabulary import VocabularySummary


def statistics_of(current: Summary, frame: Binning) -> tuple[Statistic, ...]:
    """The names of the statistics that a summary over ``frame`` is compared by."""
    match current:
        case NumericSummary():
            return numbers.STATISTICS
        case CategoricalSummary():
            return categories.OF_MIXES if isinstance(frame, MixBinning) else categories.STATISTICS
        case VocabularySummary():
            return vocabulary.STATISTICS
        case _:
            return vectors.STATISTICS


def compare(current: Summary, bins: ViewReference, past: Summary | None) -> Comparison:
    """``current`` against ``bins``, or against ``past`` over the bins of ``bins``."""
    match current, past or bins.summary, bins:
        case NumericSummary(), NumericSummary() as reference, NumericReference():
            return numbers.compare(current, reference, bins)
        case CategoricalSummary(), CategoricalSummary() as reference, MixReference():
            return categories.compare_mixes(current, reference, bins.summary.categories)
        case CategoricalSummary(), CategoricalSummary() as reference, CategoricalReference():
            return categories.compare(current, reference, bins.summary.categories)
        case VocabularySummary(), VocabularySummary() as reference, VocabularyReference():
            return vocabulary.compare(current, reference)
        case EmbeddingSummary(), EmbeddingSummary() as reference, EmbeddingReference():
            return vectors.compare(current, reference)
    raise TypeError(f"{type(current).__name__} has no statistic against {type(bins).__name__}")
