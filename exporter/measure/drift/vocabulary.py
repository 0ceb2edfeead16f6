"""The words of texts against those of a reference's."""

from __future__ import annotations

from exporter.measure.drift.comparison import Comparison, Statistic
from exporter.statistics.hellinger import hellinger_distance
from exporter.statistics.jensen_shannon import jensen_shannon_distance
from exporter.statistics.vocabulary_overlap import vocabulary_overlap
from exporter.summary.vocabulary import VocabularySummary

STATISTICS: tuple[Statistic, ...] = ("js_distance", "hellinger_distance", "vocabulary_overlap_ratio")


def compare(current: VocabularySummary, reference: VocabularySummary) -> Comparison:
    """All statistics of words. Words of one text are no independent sample: there is no p-value."""
    return Comparison(
        {
            "js_distance": jensen_shannon_distance(current.counts, reference.counts),
            "hellinger_distance": hellinger_distance(current.counts, reference.counts),
            "vocabulary_overlap_ratio": vocabulary_overlap(current, reference),
        }
    )
