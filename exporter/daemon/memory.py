"""Memory: what is kept from batch to batch, and what is given back after a cycle."""

from __future__ import annotations

import ctypes
from contextlib import suppress

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3
_BLOCK = 32 << 20


def settle() -> None:
    """To be called before the first cycle.

    Blocks of up to 32 MiB that were freed stay with the process, for the next batch's columns need them again: by
    default glibc maps each anew, and the kernel clears every page of it; mallopt(3). Elsewhere nothing happens.
    """
    with suppress(OSError, AttributeError):
        library = ctypes.CDLL(None)
        library.mallopt(_M_MMAP_THRESHOLD, _BLOCK)
        library.mallopt(_M_TRIM_THRESHOLD, 2 * _BLOCK)


def give_back() -> None:
    """Return memory that is free to the system: a sidecar shares it with the model that it watches.

    glibc keeps what a cycle needed for the next one: malloc_trim(3). Elsewhere nothing happens.
    """
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).malloc_trim(0)
