"""Listening sockets of the push endpoint, and their addresses for people."""

from __future__ import annotations

import os
import socket


def listening(address: tuple[str, int]) -> socket.socket:
    """Return a socket that listens at host and port (port 0: any free one; no host: all of them, of both families).

    Raises OSError.
    """
    host, port = address
    both = not host and socket.has_dualstack_ipv6()
    family = socket.AF_INET6 if ":" in host or both else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=512, dualstack_ipv6=both)
    except OSError as error:
        if isinstance(error, socket.gaierror) or error.errno is None:
            raise
        # It repeats the address.
        raise OSError(error.errno, os.strerror(error.errno)) from None


def shown(address: tuple[object, ...], *, secure: bool) -> str:
    """Return the URL of a socket's ``address``."""
    host, port = str(address[0]), address[1]
    host = "localhost" if host in ("", "::", "0.0.0.0") else host
    return f"{'https' if secure else 'http'}://{f'[{host}]' if ':' in host else host}:{port}"
