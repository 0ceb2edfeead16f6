"""Signals as calls in a thread of their own.

A Python signal handler runs between any two steps of the main thread: also while that holds the lock which the
handler wants, and inside of itself. A storm of signals, or one unlucky one, is the end of such a process.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Container, Iterable, Mapping


def hold(numbers: Iterable[signal.Signals]) -> None:
    """From now on signals wait until ``deliver``.

    To be called by the main thread before it starts any other: threads inherit what is held.
    """
    signal.pthread_sigmask(signal.SIG_BLOCK, numbers)


def deliver(actions: Mapping[signal.Signals, Callable[[], None]], until: Container[signal.Signals]) -> None:
    """Call the action of each signal that was held or comes; the same signal many times at once is one.

    The first of ``until`` is the last that is delivered: a thread that waits on would keep alive what it calls.
    """

    def wait() -> None:
        number = None
        while number not in until:
            number = signal.Signals(signal.sigwait(actions.keys()))
            actions[number]()

    threading.Thread(target=wait, daemon=True, name="signals").start()
