"""Memory and signals of the process.

A Python signal handler runs between any two steps of the main thread: also while that holds the lock which the handler
wants, and inside of itself. A storm of signals, or one unlucky one, is the end of such a process; so they become calls
in a thread of their own.
"""

from __future__ import annotations

import ctypes
import signal
import threading
from collections.abc import Callable, Container, Mapping
from contextlib import suppress

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3
_BLOCK = 32 << 20


def keep_freed_memory() -> None:
    """Keep freed blocks of up to 32 MiB, from before the first cycle on: the next batch's columns need them again.

    By default glibc maps each anew, and the kernel clears every page of it; mallopt(3). Elsewhere nothing happens.
    """
    with suppress(OSError, AttributeError):
        library = ctypes.CDLL(None)
        library.mallopt(_M_MMAP_THRESHOLD, _BLOCK)
        library.mallopt(_M_TRIM_THRESHOLD, 2 * _BLOCK)


def give_back_memory() -> None:
    """Return memory that is free to the system: a sidecar shares it with the model that it watches.

    glibc keeps what a cycle needed for the next one: malloc_trim(3). Elsewhere nothing happens.
    """
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).malloc_trim(0)


def deliver_signals(
    actions: Mapping[signal.Signals, Callable[[], object]], until: Container[signal.Signals]
) -> None:
    """Call the action of each signal that was held or comes; the same signal many times at once is one.

    The first of ``until`` is the last that is delivered: a thread that waits on would keep alive what it calls.
    """

    def wait() -> None:
        number = None
        while number not in until:
            number = signal.Signals(signal.sigwait(actions.keys()))
            actions[number]()

    threading.Thread(target=wait, daemon=True, name="signals").start()
