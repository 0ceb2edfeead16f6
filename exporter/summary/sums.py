"""Exact sums, from which a number can be taken out again without a trace."""

from __future__ import annotations

import numpy as np

from exporter.summary.base import Floats, Groups, count_cells

# Binary places of a limb, and of the smallest float. A limb is exact for 2**(53 - 24) numbers, more than there are in
# any window.
_PLACES = 24
_LEAST = -1074
CELLS = -(-(1024 - _LEAST) // _PLACES) + 1
"""Cells of a sum: its limbs, the smallest first, and last how many numbers are beyond the floats."""


def sums(groups: Groups, size: int, values: Floats) -> Floats:
    """Sum ``values`` by group, shape (size, CELLS), where every number is split over limbs of fixed places.

    Of 1e15 + 0.1 - 1e15, 0.125 is left: in one float a label that was off by so much could be replaced, but not
    undone. Limbs never round. Source: Kulisch, superaccumulators; Demmel and Nguyen (2015), of integers in floats.
    """
    possible = np.isfinite(values)
    beyond = np.full(np.count_nonzero(~possible), CELLS - 1)
    found = count_cells(groups[~possible], size, beyond, CELLS)
    member, rest = groups[possible], values[possible]
    limb = (np.frexp(rest)[1].astype(np.intp) - 1 - _LEAST) // _PLACES
    while len(rest):
        unit = np.ldexp(1.0, _LEAST + _PLACES * limb)
        part = np.trunc(rest / unit) * unit
        found += count_cells(member, size, limb, CELLS, part)
        rest = rest - part
        more = np.flatnonzero(rest)
        member, rest, limb = member[more], rest[more], limb[more] - 1
    return found


def total(limbs: Floats) -> Floats:
    """Return the sums of ``limbs``, the last axis; infinite where something beyond the floats is part of one."""
    with np.errstate(over="ignore", invalid="ignore"):
        found: Floats = np.where(limbs[..., -1] != 0, np.inf, limbs[..., :-1].sum(axis=-1))
    return found
