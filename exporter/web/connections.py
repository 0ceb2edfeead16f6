"""Open connections: how many there may be, and how long each may take."""

from __future__ import annotations

import socket
import time
from contextlib import suppress
from enum import Enum
from threading import Lock

MOST = 64
"""Each has a thread of its own."""


class Phase(Enum):
    """Phase of a connection; its value: the most seconds of it."""

    IDLE = 120.0
    REQUEST = 10.0
    ANSWER = 90.0


class Connection:
    """A connection: its socket, what it is at, and since when (monotonic)."""

    def __init__(self, handle: socket.socket) -> None:
        self.handle = handle
        self.phase = Phase.REQUEST
        self.since = time.monotonic()

    def enter(self, phase: Phase) -> None:
        """Begin a phase."""
        self.phase, self.since = phase, time.monotonic()

    def end(self) -> None:
        """Let whatever waits for the peer fail; its own thread closes it."""
        with suppress(OSError):
            # Not that of a subclass: TLS says goodbye first, and waits.
            socket.socket.shutdown(self.handle, socket.SHUT_RDWR)


class Connections:
    """At most ``MOST`` connections. Where another comes, the one that has made its peer's request wait longest ends.

    So clients that open connections and send nothing, or send a byte now and then, keep nobody out.
    """

    def __init__(self, most: int = MOST) -> None:
        self._most = most
        self._open: dict[int, Connection] = {}
        self._lock = Lock()

    def admit(self, handle: socket.socket) -> bool:
        """Take in a new connection; returns False where all others are being answered."""
        with self._lock:
            if len(self._open) >= self._most:
                waiting = [one for one in self._open.values() if one.phase is not Phase.ANSWER]
                if not waiting:
                    return False
                oldest = min(waiting, key=lambda one: one.since)
                oldest.end()
                self._open = {key: one for key, one in self._open.items() if one is not oldest}
            self._open[id(handle)] = Connection(handle)
            return True

    def of(self, handle: socket.socket) -> Connection:
        """Return the connection of a socket, as it was admitted; one of its own where it was ended meanwhile."""
        with self._lock:
            return self._open.get(id(handle)) or Connection(handle)

    def release(self, handle: socket.socket) -> None:
        """Forget a connection that is closed."""
        with self._lock:
            self._open.pop(id(handle), None)

    def reap(self) -> None:
        """End the connections whose phase takes too long."""
        now = time.monotonic()
        with self._lock:
            for one in self._open.values():
                if now - one.since > one.phase.value:
                    one.end()
