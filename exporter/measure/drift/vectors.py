"""Embedding vectors against a reference's."""

from __future__ import annotations

from exporter.measure.drift.comparison import Comparison, Noise, Statistic
from exporter.statistics.cosine import cosine_distance, cosine_distance_noise
from exporter.summary.embedding import EmbeddingSummary

STATISTICS: tuple[Statistic, ...] = ("embedding_cosine_distance",)


def compare(current: EmbeddingSummary, reference: EmbeddingSummary) -> Comparison:
    """The distance of the centroids."""
    return Comparison({"embedding_cosine_distance": cosine_distance(current, reference)})


def noise(current: EmbeddingSummary, reference: EmbeddingSummary) -> Noise:
    """The no-drift level at these sample sizes."""
    return {"embedding_cosine_distance": cosine_distance_noise(current.present, reference)}
