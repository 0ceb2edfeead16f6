"""The C library's allocator, where it can be told what to do."""

from __future__ import annotations

import ctypes
from contextlib import suppress


def give_back() -> None:
    """Return memory that is free to the system: a sidecar shares it with the model that it watches.

    glibc keeps what a cycle needed for the next one: malloc_trim(3). Elsewhere nothing happens.
    """
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).malloc_trim(0)
