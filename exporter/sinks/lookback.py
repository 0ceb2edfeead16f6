"""Rows by a cursor that most of them raise: what comes late is found by looking back, and known again by 64 bits."""

from __future__ import annotations

from base64 import b64decode, b64encode
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from exporter.sinks.sink import SinkError

Hashes = NDArray[np.uint64]

_REACH, _SEEN = "reach", "seen "
_BUCKETS = 16
_MOST = 8_000_000
_LITTLE = np.dtype("<u8")


class Lookback:
    """How far a log was read, and hashes of the rows since then, in buckets of the cursor.

    Cursors are whole numbers, such as microseconds. ``highest``: of the rows that were taken, but not later than when
    they were: one from the future does not hide those of the present. ``since``: the lowest cursor to read from, itself
    included; None before the first row. It never sinks, so that a longer span does not reach what is forgotten.
    Of a bucket each batch adds a position of its own, ``seen END NUMBER``, so that none is written twice.
    """

    def __init__(self, positions: Mapping[str, str]) -> None:
        """Take over committed positions. Raises ValueError where one has another shape."""
        self.since: int | None = None
        self.highest = 0
        self._buckets: dict[int, dict[str, Hashes]] = {}
        self._number = self._total = 0
        for key, position in positions.items():
            if key == _REACH:
                since, highest = position.split(" ")
                self.since, self.highest = int(since), int(highest)
                continue
            if not key.startswith(_SEEN):
                raise ValueError(f"a position of another kind of sink: {key}")
            _, end, number = key.split(" ")
            hashes = np.frombuffer(b64decode(position, validate=True), _LITTLE)
            self._keep(int(end), key, hashes)
            self._number = max(self._number, int(number))
        if positions and self.since is None:
            raise ValueError("positions that do not say how far the log was read")
        self.settle()

    def settle(self) -> None:
        """Make those that were taken known to ``unseen``."""
        parts = [hashes for bucket in self._buckets.values() for hashes in bucket.values()]
        self._known = np.sort(np.concatenate(parts)) if parts else np.empty(0, np.uint64)

    def unseen(self, hashes: Hashes) -> NDArray[np.bool_]:
        """Return which of ``hashes`` were not known when ``settle`` was last called."""
        if not len(self._known):
            return np.ones(len(hashes), bool)
        places = np.searchsorted(self._known, hashes)
        found: NDArray[np.uint64] = self._known[np.minimum(places, len(self._known) - 1)]
        return np.not_equal(found, hashes)

    def take(self, cursors: NDArray[np.int64], hashes: Hashes, *, span: int, now: int) -> dict[str, str]:
        """Remember rows, at least one; return the positions that changed, those to be forgotten as empty texts.

        ``span``: how far behind the highest cursor others may come. ``now``: the highest cursor that is not of the
        future. Raises SinkError where that is too much to remember.
        """
        highest = min(int(cursors.max()), now)
        since = highest - span
        if self.since is not None:
            highest = max(highest, self.highest)
            since = max(highest - span, self.since)
        width = max(1, span // _BUCKETS)
        late = cursors >= since
        ends = (cursors[late] // width + 1) * width
        if self._total + len(ends) > _MOST:
            message = f"more than {_MOST:,} rows lie within the lookback; expected a shorter one"
            raise SinkError(message)
        self.since, self.highest = since, highest
        changed = {_REACH: f"{since} {highest}"}
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
