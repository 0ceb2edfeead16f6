"""Records by a cursor that most of them raise: what comes late is found by looking back, and known again by its id."""

from __future__ import annotations

from base64 import b64decode, b64encode
from collections.abc import Mapping
from hashlib import blake2b

_BUCKETS = 16
_CURSOR, _IDS = "cursor", "ids "
_SIZE = 8


class Lookback:
    """Takes each record once, of a log that is read from ``start`` on again and again, in the order of the cursor.

    Cursors are whole numbers, such as microseconds. ``span``: how far behind the highest one a record may come; for so
    long ids are remembered, by 64 bits each, in buckets of the cursor. Each bucket is a position of its own, so that a
    batch writes the few that it changed. A ``span`` that is longer than before does not reach what is forgotten.
    """

    def __init__(self, span: int, positions: Mapping[str, str]) -> None:
        """Go on at committed ``positions``. Raises ValueError where they are of another shape."""
        self._span = span
        self._width = max(1, span // _BUCKETS)
        # End of a bucket, which is not in it -> ids. Some may be of another width, from before a change of the span.
        self._buckets: dict[int, set[int]] = {}
        self._changed: set[int] = set()
        self._highest: int | None = None
        self._forgotten = 0
        for key, position in positions.items():
            if key == _CURSOR:
                highest, forgotten = position.split(" ")
                self._highest, self._forgotten = int(highest), int(forgotten)
            elif key.startswith(_IDS):
                ids = b64decode(position, validate=True)
                if len(ids) % _SIZE:
                    raise ValueError(f"a position of another shape: {key}")
                self._buckets[int(key.removeprefix(_IDS))] = {
                    int.from_bytes(ids[at : at + _SIZE], "big") for at in range(0, len(ids), _SIZE)
                }
            else:
                raise ValueError(f"a position of another kind of sink: {key}")
        if (self._highest is None) != (not positions):
            raise ValueError("positions without a cursor")

    @property
    def highest(self) -> int | None:
        """The highest cursor that was taken; None before the first record."""
        return self._highest

    @property
    def start(self) -> int | None:
        """The lowest cursor to read from, itself included; None where nothing was read yet."""
        return None if self._highest is None else max(self._highest - self._span, self._forgotten)

    def take(self, cursor: int, identity: bytes) -> bool:
        """Return True where the record is new, and remember it; what is older than all that is remembered is not."""
        if self._highest is not None and cursor < self._forgotten:
            return False
        found = int.from_bytes(blake2b(b"%d " % cursor + identity, digest_size=_SIZE).digest(), "big")
        if any(found in ids for end, ids in self._buckets.items() if end > cursor):
            return False
        end = (cursor // self._width + 1) * self._width
        self._buckets.setdefault(end, set()).add(found)
        self._changed.add(end)
        if self._highest is None:
            self._forgotten = cursor - self._span
        if self._highest is None or cursor > self._highest:
            self._highest = cursor
        return True

    def positions(self) -> dict[str, str]:
        """Return the positions that changed since the last call, those to be forgotten among them as empty texts."""
        if self._highest is None or not self._changed:
            return {}
        for end in [end for end in self._buckets if end <= self._highest - self._span]:
            del self._buckets[end]
            self._changed.add(end)
            self._forgotten = max(self._forgotten, end)
        changed = {_CURSOR: f"{self._highest} {self._forgotten}"}
        for end in sorted(self._changed):
            ids = (number.to_bytes(_SIZE, "big") for number in self._buckets.get(end, ()))
            changed[f"{_IDS}{end}"] = b64encode(b"".join(ids)).decode()
        self._changed.clear()
        return changed
