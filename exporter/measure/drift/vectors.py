"""Embedding vectors against a reference's."""

from __future__ import annotations

from exporter.measure.drift.comparison import Comparison, Noise, Statistic
from exporter.statistics.cosine import cosine_distance, cosine_distance_noise
from exporter.summary.embedding import EmbeddingSummary

STATISTICS: tuple[Statistic, ...] = ("embedding_cosine_distance",)


def compare(current: EmbeddingSummary, reference: EmbeddingSummary) -> Comparison:
    """The distance of the centroids."""
    return Comparison({"embedding_cosine_distance": cosine_distance(current, reference)})


def noise(rows: float, reference: EmbeddingSummary) -> Noise:
    """The no-drift level of ``rows`` vectors."""
    return {"embedding_cosine_distance": cosine_distance_noise(rows, reference)}
