"""Listening sockets, and their addresses for people."""

from __future__ import annotations

import socket


def listening(address: tuple[str, int], backlog: int) -> socket.socket:
    """Return a socket that listens at host and port, and holds so many connections that nobody has accepted yet.

    Port 0: any free one. No host: all addresses, of both families where the machine has IPv6. Raises OSError.
    """
    host, port = address
    both = not host and socket.has_dualstack_ipv6()
    family = socket.AF_INET6 if ":" in host or both else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=backlog, dualstack_ipv6=both)
    except OSError as error:
        # What follows repeats the address.
        raise OSError(error.errno, (error.strerror or str(error)).partition(" (while ")[0]) from None


def shown(address: tuple[object, ...], *, secure: bool) -> str:
    """Return the URL of a socket's ``address``."""
    host, port = str(address[0]), address[1]
    host = "localhost" if host in ("", "::", "0.0.0.0") else host
    return f"{'https' if secure else 'http'}://{f'[{host}]' if ':' in host else host}:{port}"
