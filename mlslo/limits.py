"""Limits of ModelSLO files as rows of data: `mlslo-rulegen limits` writes them, and a gate judges a batch by them."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from mlslo.yamlfile import StrictModel


class Limit(StrictModel):
    """One condition on a gauge. ``series``, ``seriesRatio``: how many series must be bad at once.

    ``threshold``: a constant, or the factor of a comparison with the reference. ``notJudged``: why no single value of
    the gauge tells whether it holds. ``source``: file:line.
    """

    alert: str | None = None
    slo: str
    tier: str | None = None
    layer: str
    model: str
    source: str
    metric: str | None = None
    labels: dict[str, str | list[str]] = Field(default_factory=dict)
    reference: str | None = None
    comparison: Literal["above", "below", "atLeast", "atMost", "aboveReference", "belowReference"] | None = (
        None
    )
    threshold: float | None = None
    floor: float | None = None
    beyondNoise: bool = False
    series: int | None = None
    seriesRatio: float | None = None
    notJudged: str | None = None

    @property
    def name(self) -> str:
        """The alert, or of an objective the SLO."""
        return self.alert or self.slo
