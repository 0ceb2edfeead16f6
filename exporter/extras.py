"""Messages about extras: packages that only some users need."""

from __future__ import annotations


def needs(extra: str) -> str:
    """Return what a message says where the packages of ``extra`` are missing. There is no index to name in general."""
    return f"needs the extra '{extra}' (see docs/install.md)"
