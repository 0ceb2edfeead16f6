"""Basic authentication by bcrypt, which is slow on purpose: guesses must not cost the model its core."""

from __future__ import annotations

import base64
import binascii
import hashlib
import os
import time
from collections import OrderedDict
from collections.abc import Mapping
from enum import Enum
from threading import Lock

from exporter.extras import needs
from mlslo.yamlfile import Document

HIGHEST_COST = 15
"""A check takes about two seconds then, four times the most that anybody asks for."""
_REMEMBERED = 256
# Checks of passwords that were not seen before: a few at once, then two a second.
_BURST, _RATE = 10, 2.0


class Verdict(Enum):
    """``BUSY``: too many guesses; ask again."""

    ACCEPTED = "accepted"
    REFUSED = "refused"
    BUSY = "busy"


class Passwords:
    """Users and the bcrypt hashes of their passwords.

    The verdict on a password is remembered by a keyed hash. One check runs at a time, and past ``_BURST`` guesses two
    a second do: whoever guesses gets a tenth of a core at a cost of 10, and who knows the password asks once.
    """

    def __init__(self, hashes: Mapping[str, str]) -> None:
        import bcrypt

        self._check = bcrypt.checkpw
        self._hashes = dict(hashes)
        # An unknown user takes as long as a known one.
        self._unknown = next(iter(self._hashes.values()))
        self._secret = os.urandom(32)
        self._verdicts: OrderedDict[bytes, bool] = OrderedDict()
        self._lock = Lock()
        self._tokens, self._at = float(_BURST), time.monotonic()

    @classmethod
    def of(cls, document: Document, hashes: Mapping[str, str]) -> Passwords:
        """Raises InputError where a hash is none, or bcrypt is not installed."""
        for user, hashed in hashes.items():
            at = ("basic_auth_users", user)
            if not hashed.startswith(("$2a$", "$2b$", "$2y$")):
                raise document.error(at, "expected a bcrypt hash, never a password")
            cost = hashed[4:6]
            if not cost.isdecimal() or len(hashed) != 60:
                raise document.error(at, "expected a whole bcrypt hash, of 60 characters")
            if int(cost) > HIGHEST_COST:
                raise document.error(
                    at, f"a cost of {int(cost)} takes too long; expected {HIGHEST_COST} at most"
                )
        try:
            return cls(hashes)
        except ImportError:
            message = f"basic_auth_users {needs('web')}"
            raise document.error(("basic_auth_users",), message, key=True) from None

    @property
    def users(self) -> list[str]:
        """The names of users who may log in."""
        return list(self._hashes)

    def verdict(self, authorization: str | None) -> Verdict:
        """Return what to answer to an ``Authorization`` header."""
        scheme, _, encoded = (authorization or "").partition(" ")
        try:
            credentials = base64.b64decode(encoded, validate=True)
            user = credentials.partition(b":")[0].decode()
        except (binascii.Error, UnicodeDecodeError):
            return Verdict.REFUSED
        if scheme.lower() != "basic" or b":" not in credentials:
            return Verdict.REFUSED
        digest = hashlib.blake2b(credentials, key=self._secret).digest()
        if (known := self._verdicts.get(digest)) is None:
            with self._lock:
                known = self._verdicts.get(digest)
                if known is None:
                    if not self._may_check():
                        return Verdict.BUSY
                    hashed = self._hashes.get(user, self._unknown)
                    password = credentials.partition(b":")[2]
                    # bcrypt looks at no more; some versions of it refuse more, and a zero.
                    matches = b"\0" not in password and self._check(password[:72], hashed.encode())
                    known = self._verdicts[digest] = matches and user in self._hashes
                    while len(self._verdicts) > _REMEMBERED:
                        self._forget()
        return Verdict.ACCEPTED if known else Verdict.REFUSED

    def _may_check(self) -> bool:
        now = time.monotonic()
        self._tokens = min(_BURST, self._tokens + (now - self._at) * _RATE)
        self._at = now
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True

    def _forget(self) -> None:
        """Forget the oldest wrong guess: guesses don't push out what is right."""
        wrong = (digest for digest, right in self._verdicts.items() if not right)
        del self._verdicts[next(wrong, next(iter(self._verdicts)))]
