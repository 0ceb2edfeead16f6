"""What summaries of one kind have in common: their parts, and a name for them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from exporter.summary.base import Floats
from exporter.summary.composite import Composite


@dataclass(frozen=True, eq=False)
class Shape:
    """``kind``: what is counted (traffic, outcome, ...). ``digest``: names the edges and categories counted over.

    ``empty``: the composite of nothing. Summaries of different digests do not merge.
    """

    kind: str
    digest: str
    empty: Composite

    @cached_property
    def neutral(self) -> Floats:
        """The vector of nothing, shape (width,)."""
        return self.empty.vector()

    def composite(self, vector: Floats) -> Composite:
        """``vector`` as the composite that it is of."""
        return self.empty.with_vector(vector)
