"""The frame in which every reference of a view can be compared."""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce

import numpy as np

from exporter.features.binning.binning import Frame
from exporter.features.binning.categorical import CategoricalFrame
from exporter.features.binning.embedding import EmbeddingFrame
from exporter.features.binning.mix import MixFrame
from exporter.features.binning.numeric import NumericFrame
from exporter.features.binning.vocabulary import VocabularyFrame
from exporter.references.reference import (
    CategoricalReference,
    EmbeddingReference,
    MixReference,
    NumericReference,
    ViewReference,
    VocabularyReference,
)


def frame_of(references: Sequence[ViewReference], declared_range: tuple[float, float] | None) -> Frame:
    """Edges of them all and of the declared range, or categories of them all.

    Raises ValueError where there is none, where they are of different types, or vectors of different dimensions.
    """
    found = {type(reference) for reference in references}
    if len(found) != 1:
        raise ValueError("expected references of one type")
    first = references[0]
    if isinstance(first, NumericReference):
        numeric = [item.summary for item in references if isinstance(item, NumericReference)]
        edges = reduce(np.union1d, [summary.edges for summary in numeric])
        frame = NumericFrame(edges, first.summary.pivot)
        return frame if declared_range is None else ranged(frame, declared_range)
    if isinstance(first, VocabularyReference):
        return VocabularyFrame()
    if isinstance(first, EmbeddingReference):
        dimensions = {item.summary.total.size for item in references if isinstance(item, EmbeddingReference)}
        if len(dimensions) > 1:
            raise ValueError(
                f"vectors of {' and '.join(map(str, sorted(dimensions)))} dimensions do not compare"
            )
        return EmbeddingFrame(dimensions.pop())
    categories = tuple(
        dict.fromkeys(
            category
            for item in references
            if isinstance(item, CategoricalReference)
            for category in item.summary.categories
        )
    )
    return MixFrame(categories) if isinstance(first, MixReference) else CategoricalFrame(categories)


def ranged(frame: NumericFrame, declared: tuple[float, float]) -> NumericFrame:
    """``frame``, which can tell the values outside of [low, high] too."""
    low, high = declared
    pivot = frame.pivot if len(frame.edges) else low / 2 + high / 2
    return NumericFrame(np.union1d(frame.edges, (np.nextafter(low, -np.inf), high)), pivot)
