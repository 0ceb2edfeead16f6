"""Vectors of summaries as compressed bytes: of a few rows, most numbers are those of nothing."""

from __future__ import annotations

import zlib

import numpy as np

from exporter.summary.base import Floats
from exporter.summary.shape import Shape

_DENSE, _SPARSE = b"d", b"s"
_BYTES = 12  # of an index and its number


def packed(vector: Floats, shape: Shape) -> bytes:
    """``vector`` of ``shape`` as bytes."""
    changed = np.flatnonzero(vector != shape.neutral)
    if 2 * len(changed) >= vector.size:
        return zlib.compress(_DENSE + vector.tobytes(), 1)
    return zlib.compress(_SPARSE + changed.astype(np.uint32).tobytes() + vector[changed].tobytes(), 1)


def merge(into: Floats, content: bytes, shape: Shape) -> None:
    """Merge what ``packed`` wrote into the vector ``into``. Raises ValueError where it is damaged."""
    places, numbers = _unpacked(content, shape)
    shape.empty.merge_numbers(into, places, numbers)


def _unpacked(content: bytes, shape: Shape) -> tuple[slice | np.ndarray, Floats]:
    try:
        plain = zlib.decompress(content)
    except (zlib.error, TypeError) as error:
        raise ValueError(str(error)) from None
    width, body = shape.neutral.size, memoryview(plain)[1:]
    if plain[:1] == _DENSE and len(body) == 8 * width:
        return slice(None), np.frombuffer(body, dtype=np.float64)
    if plain[:1] == _SPARSE and len(body) % _BYTES == 0:
        number = len(body) // _BYTES
        places = np.frombuffer(body[: 4 * number], dtype=np.uint32)
        if not number or places[-1] < width:
            # The indices may end where a number does not begin.
            return places, np.frombuffer(bytes(body[4 * number :]), dtype=np.float64)
    raise ValueError(f"{len(plain)} bytes where {width} numbers are expected")
