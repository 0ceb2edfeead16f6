"""Rows that a lookback reads again, known by 64 bits each."""

from __future__ import annotations

from base64 import b64decode, b64encode
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from exporter.sinks.sink import SinkError

Hashes = NDArray[np.uint64]

_SEEN = "seen "
_BUCKETS = 16
_MOST = 8_000_000
_LITTLE = np.dtype("<u8")


class SeenRows:
    """Hashes of rows in buckets of the cursor.

    Of a bucket each batch adds a position of its own, ``seen END NUMBER``, so that none is written twice.
    """

    def __init__(self, positions: Mapping[str, str]) -> None:
        """Take over committed positions. Raises ValueError where one has another shape."""
        self._buckets: dict[int, dict[str, Hashes]] = {}
        self._number = self._total = 0
        for key, position in positions.items():
            word, end, number = key.split(" ")
            if word + " " != _SEEN:
                raise ValueError(f"a position of another kind of sink: {key}")
            hashes = np.frombuffer(b64decode(position, validate=True), _LITTLE)
            self._keep(int(end), key, hashes)
            self._number = max(self._number, int(number))
        self.settle()

    def settle(self) -> None:
        """Make those that were added known to ``unseen``: no row comes twice within one read."""
        parts = [hashes for bucket in self._buckets.values() for hashes in bucket.values()]
        self._known = np.sort(np.concatenate(parts)) if parts else np.empty(0, np.uint64)

    def unseen(self, hashes: Hashes) -> NDArray[np.bool_]:
        """Return which of ``hashes`` were not known when the read began."""
        if not len(self._known):
            return np.ones(len(hashes), bool)
        places = np.searchsorted(self._known, hashes)
        found: NDArray[np.uint64] = self._known[np.minimum(places, len(self._known) - 1)]
        return np.not_equal(found, hashes)

    def add(self, cursors: NDArray[np.int64], hashes: Hashes, since: int, lookback: int) -> dict[str, str]:
        """Remember rows whose cursor is at least ``since``, forget those before; return the positions that changed.

        Raises SinkError where that is too much to remember.
        """
        width = max(1, lookback // _BUCKETS)
        late = cursors >= since
        ends = (cursors[late] // width + 1) * width
        if self._total + len(ends) > _MOST:
            message = f"more than {_MOST:,} rows lie within the lookback; expected a shorter one"
            raise SinkError(message)
        changed: dict[str, str] = {}
        self._number += 1
        for end in np.unique(ends).tolist():
            key, added = f"{_SEEN}{end} {self._number}", hashes[late][ends == end].astype(_LITTLE)
            self._keep(end, key, added)
            changed[key] = b64encode(added.tobytes()).decode()
        for end in [end for end in self._buckets if end <= since]:
            forgotten = self._buckets.pop(end)
            self._total -= sum(map(len, forgotten.values()))
            changed |= dict.fromkeys(forgotten, "")
        return changed

    def _keep(self, end: int, key: str, hashes: Hashes) -> None:
        self._buckets.setdefault(end, {})[key] = hashes
        self._total += len(hashes)
