"""Vectors of summaries as bytes: of a few rows, most numbers are those of nothing."""

from __future__ import annotations

import zlib

import numpy as np

from exporter.summary.base import Floats
from exporter.summary.shape import Shape

_DENSE, _SPARSE = b"d", b"s"
_BYTES = 12  # of an index and its number
_CHECKSUM = 4


def packed(vector: Floats, shape: Shape, *, compress: bool) -> bytes:
    """``vector`` of ``shape`` as bytes; ``compress`` what will not be changed soon."""
    changed = np.flatnonzero(vector != shape.neutral)
    if 2 * len(changed) >= vector.size:
        plain = _DENSE + vector.tobytes()
    else:
        plain = _SPARSE + changed.astype(np.uint32).tobytes() + vector[changed].tobytes()
    return zlib.compress(plain, 1) if compress else plain + _checksum(plain)


def merge(into: Floats, content: bytes, shape: Shape) -> None:
    """Merge what ``packed`` wrote into the vector ``into``. Raises ValueError where it is damaged."""
    places, numbers = _unpacked(content, shape)
    shape.empty.merge_numbers(into, places, numbers)


def _unpacked(content: bytes, shape: Shape) -> tuple[slice | np.ndarray, Floats]:
    try:
        plain = _plain(content)
    except (zlib.error, TypeError, ValueError) as error:
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


def _plain(content: bytes) -> bytes:
    if content[:1] not in (_DENSE, _SPARSE):
        return zlib.decompress(content)
    plain = content[:-_CHECKSUM]
    if content[-_CHECKSUM:] != _checksum(plain):
        raise ValueError("bytes of another checksum")
    return plain


def _checksum(plain: bytes) -> bytes:
    return zlib.crc32(plain).to_bytes(_CHECKSUM, "little")
