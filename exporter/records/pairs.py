"""Requests and responses that are logged as two records, joined by an id."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta

from exporter.records.opening import Members, Raw
from exporter.records.rows import Conditions, text_at
from exporter.state import Half, Store
from mlslo.monitor import Join

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_ROLES = ("request", "response")
# Of those that are over at once, so few at a time that they fit into memory.
_MOST_EXPIRED = 2000


class Pairs:
    """Joins the two records of each prediction, in whatever order they come, within a time.

    A joined record has the keys ``request`` and ``response``, and ``seconds`` between their times where both have one.
    A record that has the first two itself is whole. What waits is in the store.
    """

    def __init__(self, join: Join, timestamp: str, sink: str, store: Store) -> None:
        """``timestamp``: the path of the event time in a joined record. ``sink``: whose halves wait in ``store``."""
        self._id = join.id
        self._within = int(join.within.seconds * 1_000_000)
        self._conditions = {role: Conditions(getattr(join, role)) for role in _ROLES}
        alternatives = [path.split(".", 1) for path in timestamp.split(" | ")]
        self._times = list(
            dict.fromkeys(rest[0] for first, *rest in alternatives if first in _ROLES and rest)
        )
        self._sink = sink
        self._halves = store.halves

    def join(
        self, records: Iterator[tuple[bytes, Members]], now: int, rejected: Counter[str]
    ) -> Iterator[Members]:
        """Yield the joined records; call it in the transaction of the batch.

        ``now``: epoch µs, the time of a record that has none. What is neither a request nor a response is counted as
        ``not_selected``, without an id as ``missing_id``, a
        second one of the same kind as ``duplicate``.
        """
        waiting: dict[str, dict[str, Half]] = {role: {} for role in _ROLES}
        for line, members in records:
            if _ROLES[0] in members and _ROLES[1] in members:
                yield members
                continue
            role = next((role for role in _ROLES if self._conditions[role].hold(members)), None)
            if role is None:
                rejected["not_selected"] += 1
                continue
            key = text_at(members, self._id)
            if not key:
                rejected["missing_id"] += 1
                continue
            half = Half(key, self._time(members, now), line)
            other = _ROLES[role == _ROLES[0]]
            if key in waiting[other]:
                yield _joined({role: half, other: waiting[other].pop(key)})
            elif key in waiting[role]:
                rejected["duplicate"] += 1
            else:
                waiting[role][key] = half
        for role, other in (_ROLES, _ROLES[::-1]):
            found = self._halves.take(self._sink, other, list(waiting[role]))
            for key, half in found.items():
                yield _joined({role: waiting[role].pop(key), other: half})
        for role in _ROLES:
            rejected["duplicate"] += self._halves.add(self._sink, role, waiting[role].values())
        rejected["unpaired"] += self._halves.trim(self._sink)

    def expired(self, now: int, rejected: Counter[str]) -> list[Members]:
        """Return requests that have waited too long for their response, at most some thousand at a time.

        Responses without a request are dropped, and counted as ``unpaired``.
        """
        before = now - self._within
        requests = self._halves.expire(self._sink, _ROLES[0], before, _MOST_EXPIRED)
        rejected["unpaired"] += len(self._halves.expire(self._sink, _ROLES[1], before, _MOST_EXPIRED))
        return [{_ROLES[0]: half.content} for half in requests]

    def _time(self, members: Members, now: int) -> int:
        for path in self._times:
            if (text := text_at(members, path)) and (time := _epoch_microseconds(text)) is not None:
                return time
        return now


def _joined(halves: dict[str, Half]) -> Members:
    record: dict[str, Raw] = {role: halves[role].content for role in _ROLES}
    seconds = (halves["response"].time - halves["request"].time) / 1e6
    if seconds >= 0:
        record["seconds"] = repr(seconds).encode()
    return record


def _epoch_microseconds(text: str) -> int | None:
    """Read a time well enough to tell what has waited for long; None where it is of a rare format."""
    with suppress(ValueError, OverflowError):
        number = float(text)
        for limit, factor in ((1e11, 1e6), (1e14, 1e3), (1e17, 1.0), (float("inf"), 1e-3)):
            if abs(number) < limit:
                return int(number * factor)
    with suppress(ValueError):
        time = datetime.fromisoformat(text[:26] + "Z" if len(text) > 26 and text.endswith("Z") else text)
        return (time.replace(tzinfo=time.tzinfo or UTC) - _EPOCH) // timedelta(microseconds=1)
    return None
