"""Requests and responses that are logged as two records, joined by an id."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime, tzinfo
from typing import NamedTuple
from zoneinfo import ZoneInfo

from exporter.records.columns import NO_RESPONSE
from exporter.records.opening import Members, opened_object
from exporter.records.rows import PREFIX, Conditions, Record, reader, single_text
from exporter.state import Half, Store
from mlslo.monitor import Join, WrittenTimes

STATUS = f"{PREFIX}answered"
"""The key of a joined record that has its status where none was logged: a response is an answer."""
_ANSWERED = b"200"
_ROLES = ("request", "response")
# Of those that are over at once, so few at a time that they fit into memory.
_MOST_EXPIRED = 2000
_NEVER = 1 << 62


class _Read(NamedTuple):
    """A half of the batch: its line, and its members."""

    line: bytes
    members: Members


class Pairs:
    """Joins the two records of each prediction, in whatever order they come, within a time.

    A joined record has the keys ``request`` and ``response``, and ``seconds`` between their times where both have one.
    A record that has the first two itself is whole. What waits is in the store.
    """

    def __init__(self, join: Join, timestamp: str, times: WrittenTimes, sink: str, store: Store) -> None:
        """``timestamp``: the path of the event time in a joined record. ``sink``: whose halves wait in ``store``."""
        self._written = times
        self._zone = _zone(times.zone)
        self._id = reader(join.id)
        self._within = int(join.within.seconds * 1_000_000)
        self._is_request = Conditions(join.request)
        self._is_response = Conditions(join.response)
        alternatives = [path.split(".", 1) for path in timestamp.split(" | ")]
        paths = dict.fromkeys(rest[0] for first, *rest in alternatives if first in _ROLES and rest)
        self._times = [reader(path) for path in paths]
        self._sink = sink
        self._halves = store.halves

    def join(
        self, records: Iterator[tuple[bytes, Members]], now: int, arrived: int, rejected: Counter[str]
    ) -> Iterator[Record]:
        """Yield the joined records; call it in the transaction of the batch.

        ``now``: epoch µs, the time of a record that has none. ``arrived``: since when they can be read, from which on
        they wait: a log may be shipped late. What is neither a request nor a response is counted as ``not_selected``,
        without an id as ``missing_id``, a second one of the same kind as ``duplicate``.
        """
        waiting: dict[str, dict[str, _Read]] = {role: {} for role in _ROLES}
        for line, members in records:
            if _ROLES[0] in members and _ROLES[1] in members:
                yield {**members, STATUS: _ANSWERED}
                continue
            if self._is_request.hold(members):
                role, other = _ROLES
            elif self._is_response.hold(members):
                other, role = _ROLES
            else:
                rejected["not_selected"] += 1
                continue
            key = single_text(self._id(members))
            if not key:
                rejected["missing_id"] += 1
                continue
            if key in waiting[other]:
                yield self._joined({role: members, other: waiting[other].pop(key).members})
            elif key in waiting[role]:
                rejected["duplicate"] += 1
            else:
                waiting[role][key] = _Read(line, members)
        for role, other in (_ROLES, _ROLES[::-1]):
            found = self._halves.take(self._sink, other, list(waiting[role]))
            for key, half in found.items():
                yield self._joined({role: waiting[role].pop(key).members, other: opened_object(half) or {}})
        for role in _ROLES:
            halves = (
                Half(key, max(self._time(read.members) or now, arrived), read.line)
                for key, read in waiting[role].items()
            )
            rejected["duplicate"] += self._halves.add(self._sink, role, halves)

    def expired(self, now: int, rejected: Counter[str]) -> list[dict[str, bytes]]:
        """Return requests that have waited too long for their response, at most some thousand at a time.

        Responses without a request are dropped, and counted as ``unpaired``; so are the oldest halves of too many. Not
        before all is read: a file of requests may come before that of their responses.
        """
        before = now - self._within
        requests = self._halves.expire(self._sink, _ROLES[0], before, _MOST_EXPIRED)
        rejected["unpaired"] += len(self._halves.expire(self._sink, _ROLES[1], before, _MOST_EXPIRED))
        if len(requests) < _MOST_EXPIRED:
            rejected["unpaired"] += self._halves.trim(self._sink)
        return [{_ROLES[0]: half.content, STATUS: b"%d" % NO_RESPONSE} for half in requests]

    def _joined(self, halves: dict[str, Members]) -> Record:
        record: dict[str, bytes | Members] = {**halves, STATUS: _ANSWERED}
        request, response = (self._time(halves[role]) for role in _ROLES)
        if request is not None and response is not None and response >= request:
            record["seconds"] = repr((response - request) / 1e6).encode()
        return record

    def _time(self, members: Members) -> int | None:
        for read in self._times:
            if (text := single_text(read(members))) and (time := self._epoch_microseconds(text)) is not None:
                return time
        return None

    def _epoch_microseconds(self, text: str) -> int | None:
        """Read a time well enough to tell what has waited for long; None where it is of a rare format."""
        if self._written.formats:
            return None
        time = _epoch_microseconds(text, self._zone)
        # What no clock shows: SQLite's integers have 64 bits.
        return time if time is not None and abs(time) < _NEVER else None


def _zone(name: str | None) -> tzinfo:
    if name is None:
        return UTC
    if name[0] in "+-":
        return datetime.strptime(name, "%z").tzinfo or UTC
    try:
        return ZoneInfo(name)
    except (ValueError, OSError, LookupError):
        # A machine without a time zone database.
        return UTC


def _epoch_microseconds(text: str, zone: tzinfo) -> int | None:
    with suppress(ValueError, OverflowError):
        if text[4:5] == "-":
            time = datetime.fromisoformat(text)
            return round((time if time.tzinfo else time.replace(tzinfo=zone)).timestamp() * 1e6)
        number = float(text)
        for limit, factor in ((1e11, 1e6), (1e14, 1e3), (1e17, 1.0), (float("inf"), 1e-3)):
            if abs(number) < limit:
                return round(number * factor)
    return None
