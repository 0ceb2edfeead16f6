"""Bearer tokens in a file of their own, re-read when it changes."""

from __future__ import annotations

import hmac
import logging
import time
from pathlib import Path

logger = logging.getLogger(__name__)

_LOOKED_AT_EVERY = 1.0
_LOST = (0, 0, 0)


class TokenError(Exception):
    """A token file that cannot be used; its text says why."""


class Tokens:
    """The tokens of a file, one a line; blank lines and those that begin with # are none.

    Several are for a rotation: the new one is added, senders change, the old one is removed.
    """

    def __init__(self, path: Path) -> None:
        """Raises TokenError."""
        self._path = path
        self._state = _state(path)
        self._tokens = _read(path)
        self._next = time.monotonic() + _LOOKED_AT_EVERY

    def accept(self, authorization: str | None) -> bool:
        """Return whether an ``Authorization`` header has one of them; the time that takes tells nothing of them."""
        self._refresh()
        scheme, _, given = (authorization or "").partition(" ")
        token = given.strip().encode() if scheme.lower() == "bearer" else b""
        found = False
        for known in self._tokens:
            found |= hmac.compare_digest(known, token)
        return found

    @property
    def lost(self) -> bool:
        """True where the file was emptied or taken away: those that were read before stay in force."""
        return self._state == _LOST

    def _refresh(self) -> None:
        now = time.monotonic()
        if now < self._next:
            return
        self._next = now + _LOOKED_AT_EVERY
        try:
            state = _state(self._path)
            if state != self._state:
                self._tokens = _read(self._path)
                self._state = state
                logger.info("token file re-read: %d token(s)", len(self._tokens))
        except TokenError as error:
            if not self.lost:
                logger.warning("%s; the tokens that were read before stay in force", error)
                self._state = _LOST


def _state(path: Path) -> tuple[int, int, int]:
    try:
        status = path.stat()
    except OSError as error:
        raise TokenError(f"{path}: cannot be used: {error.strerror}") from None
    return status.st_ino, status.st_mtime_ns, status.st_size


def _read(path: Path) -> list[bytes]:
    try:
        lines = path.read_bytes().splitlines()
    except OSError as error:
        raise TokenError(f"{path}: cannot be used: {error.strerror}") from None
    tokens = [line.strip() for line in lines]
    tokens = [token for token in tokens if token and not token.startswith(b"#")]
    if not tokens:
        raise TokenError(f"{path}: no token in it; expected one a line")
    return tokens
