"""Cells: the counts that are released with noise, and by how much one record changes them."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from exporter.features.binning import Binning, CategoricalBinning, NumericBinning
from exporter.fold.schema import TRAFFIC, Schema
from exporter.references.reference import ViewReference, view_part
from exporter.summary.base import Codes, Floats, Integers, Summary
from exporter.summary.categorical import CategoricalSummary
from exporter.summary.numeric import NumericSummary
from exporter.summary.traffic import TrafficSummary

Group = list[int]
"""Places in a summary's vector whose counts are released as one number."""


@dataclass(frozen=True)
class PrivateCells:
    """Cells of all traffic, over a vector of ``width`` numbers.

    ``places``: where in the vector each is sent, ascending, shape (cells,). ``cell_of``: the cell that each number of
    the vector is counted in, -1 where it stays here. ``l1``: the sum of the changes that one record makes at most.
    ``widest``: the most cells of one summary, whose sum is its rows.
    """

    places: Codes
    cell_of: Codes
    l1: int
    widest: int

    @classmethod
    def of(cls, schema: Schema, *, graded: bool) -> PrivateCells:
        """``graded``: whether records have a status.

        What has no rule here is not sent: each family needs a bound on what one record changes.
        """
        groups: list[Group] = []
        start, l1, widest = 0, 0, 1
        for name, part in schema.shapes[TRAFFIC].empty.items():
            own, bound = _groups(name, part, schema, graded=graded)
            groups += [[start + place for place in group] for group in own]
            l1 += bound
            widest = max(widest, len(own))
            start += part.vector().size
        groups.sort(key=lambda group: group[0])
        cell_of = np.full(start, -1, dtype=np.intp)
        for cell, group in enumerate(groups):
            cell_of[group] = cell
        return cls(np.array([group[0] for group in groups], dtype=np.intp), cell_of, l1, widest)

    @property
    def digest(self) -> str:
        """Of which number is in which cell."""
        return hashlib.sha256(self.cell_of.tobytes()).hexdigest()[:16]

    def counts(self, vector: Floats) -> Integers:
        """Return the count of each cell, exactly; shape (cells,)."""
        sent = self.cell_of >= 0
        found = np.bincount(self.cell_of[sent], vector[sent], len(self.places))
        whole = found.astype(np.int64)
        if (whole != found).any():
            raise ValueError("a released cell holds no whole count: the bound of one record would not hold")
        return whole


def _groups(name: str, part: Summary, schema: Schema, *, graded: bool) -> tuple[list[Group], int]:
    """Return the cells of a part of the traffic, none where it is not sent, and the L1 bound of one record."""
    at = part.with_vector(np.arange(part.vector().size, dtype=np.float64))
    match at:
        case TrafficSummary():
            # One record is one row, and with a status one graded row, which may be an error.
            return _single([at.rows, at.graded, at.errors] if graded else [at.rows]), 3 if graded else 1
        # A mix of categories is of the same class: shares of one record, in many cells.
        case CategoricalSummary() if name == "classes" or _counted_by(name, schema) is CategoricalBinning:
            # One record has one value: of a category, unseen or missing.
            return _single([at.missing, at.unseen, *at.counts]), 1
        case NumericSummary() if name == "score" or _counted_by(name, schema) is NumericBinning:
            # One record has one value: in one bin, infinite, invalid or missing.
            if name == "score":
                deciles = _deciles(reference.score for reference in schema.references.values())
            else:
                view = _views(schema).get(name)
                deciles = _deciles(
                    reference.views.get(view or "") for reference in schema.references.values()
                )
            if len(deciles):
                bins = at.counts.astype(np.intp)
                # Fine bins up to a decile, as ``regrouped`` adds them up: one number instead of many with noise.
                coarse = np.searchsorted(np.searchsorted(at.edges, deciles), np.arange(len(bins)))
                grouped = [bins[coarse == group].tolist() for group in np.unique(coarse)]
                return [*_single([at.missing, at.infinite, at.invalid]), *grouped], 1
    return [], 0


def _single(places: Iterable[Floats | float]) -> list[Group]:
    return [[int(place)] for place in places]


def _counted_by(name: str, schema: Schema) -> type[Binning] | None:
    """Return the type of binning of a view's part; None where it is no view's."""
    view = _views(schema).get(name)
    return None if view is None else type(schema.binnings[view])


def _views(schema: Schema) -> dict[str, str]:
    """Name of the part of the traffic -> view."""
    return {view_part(view): view for view in schema.binnings}


def _deciles(views: Iterable[ViewReference | None]) -> Floats:
    found = [view.deciles for view in views if view is not None]
    return np.unique(np.concatenate([np.empty(0), *found]))
