"""Cells of scores in 0..1, fine near both ends: what ranking statistics count over."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from exporter.summary.base import Floats

_OCTAVES = 32
_FAR_OCTAVES = 8


def cells_of(per_octave: int, far: int = 0) -> int:
    """How many cells there are."""
    return 2 * (_OCTAVES * per_octave + 1) + (far + 2 if far else 0)


def cell(scores: Floats, per_octave: int, far: int = 0) -> npt.NDArray[np.intp]:
    """The cell of each score, ascending; shape as ``scores``, values 0..cells_of(per_octave, far) - 1.

    Cells are 1/per_octave of an octave wide (128: at most 0.8 % of their distance to the nearer end; 8: 12.5 %),
    from both ends towards 0.5: scores that crowd near 0, as those of rare classes do, or near 1 are told apart.
    Distances under 2**-33 share one cell. With ``far``, those near 0 have that many cells more, each 8 octaves wide,
    and the first and the last cell hold what is exactly 0 and 1.
    """
    upper = scores > 0.5
    distance = np.where(upper, 1.0 - scores, scores)
    mantissa, exponent = np.frexp(np.maximum(distance, 2.0**-1000))
    # distance = mantissa * 2**exponent with mantissa in [0.5, 1); 0.5 itself has exponent 0.
    position = (exponent + _OCTAVES) * per_octave + np.floor((mantissa - 0.5) * 2 * per_octave)
    lower_half = np.clip(position, 0, _OCTAVES * per_octave).astype(np.intp)
    cells = cells_of(per_octave, far)
    if not far:
        found: npt.NDArray[np.intp] = np.where(upper, cells - 1 - lower_half, lower_half)
        return found
    found = np.where(upper, cells - 2 - lower_half, 1 + far + lower_half)
    beyond = ~upper & (exponent < -_OCTAVES)
    found[beyond] = np.maximum(far - (-_OCTAVES - 1 - exponent[beyond]) // _FAR_OCTAVES, 1)
    found[scores <= 0] = 0
    found[scores >= 1] = cells - 1
    return found
