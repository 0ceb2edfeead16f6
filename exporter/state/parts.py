"""Summaries that other exporters sent, and the parts of each bucket that they are merged of."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from exporter.state.connection import Connection, Table
from exporter.state.portable import BucketKey, Portable
from exporter.state.portable_bytes import from_bytes, to_bytes
from exporter.state.sent import Sent
from exporter.state.summaries import Content, packed, unpacked
from exporter.summary.base import Shape

_REMEMBERED = 1000
"""Exporters of which the counters are kept when no window has anything of them any more."""

Totals = dict[tuple[str, tuple[str, ...]], float]


class Scoped(NamedTuple):
    """Buckets of one kind, digest, version (None for all together), segment and value."""

    kind: str
    digest: str
    version: str | None
    segment: str
    value: str


@dataclass(frozen=True)
class Exporter:
    """An exporter, by the random number of its state. ``instance``: its address.

    ``counted_by``, ``at``: of what it sent last. ``cursor``: of the last pages that were taken whole. ``known``: what
    it has counted, without its buckets.
    """

    identity: int
    instance: str
    counted_by: str
    cursor: str
    at: float
    known: Portable

    @property
    def seen(self) -> int | None:
        """Event time of its newest prediction, epoch µs."""
        return max((seen for _, seen in self.known.versions.values()), default=None)


class Parts(Table):
    """Exporters, and the content of each of their buckets. ``exporters``: by identity."""

    SCHEMA = (
        "CREATE TABLE IF NOT EXISTS fleet_exporters (identity INTEGER PRIMARY KEY, instance TEXT, counted_by TEXT, "
        "cursor TEXT, at REAL, known BLOB)",
        # ``version``: with a letter before it, and empty for all together.
        "CREATE TABLE IF NOT EXISTS fleet_parts (kind TEXT, digest TEXT, version TEXT, segment TEXT, value TEXT, "
        "start INTEGER, identity INTEGER, content BLOB, "
        "PRIMARY KEY (kind, digest, version, segment, value, start, identity))",
        "CREATE INDEX IF NOT EXISTS fleet_parts_of ON fleet_parts (identity)",
    )

    def __init__(self, connection: Connection) -> None:
        super().__init__(connection)
        for statement in self.SCHEMA:
            connection.execute(statement)
        self.exporters: dict[int, Exporter] = {}
        self.reload()

    def reload(self) -> None:
        """Go back to what is committed."""
        rows = self._db.execute(
            "SELECT identity, instance, counted_by, cursor, at, known FROM fleet_exporters ORDER BY identity"
        ).fetchall()
        with self._db.reading("exporters"):
            self.exporters = {
                identity: Exporter(identity, instance, counted_by, cursor, at, from_bytes(known))
                for identity, instance, counted_by, cursor, at, known in rows
            }

    def take(
        self, instance: str, sent: Sent, cursor: str, replaced: Sequence[Exporter] = ()
    ) -> tuple[set[BucketKey], Totals]:
        """Take one page; returns the buckets that it changed, and by how much each counter grew.

        ``cursor``: to be kept with it. ``replaced``: exporters whose records it has counted again, to be forgotten.
        """
        envelope, portable = sent
        identity = envelope.identity
        changed = set(portable.buckets)
        for old in replaced:
            changed |= set(self._keys("identity = ?", old.identity))
            self._db.execute("DELETE FROM fleet_parts WHERE identity = ?", (old.identity,))
            self._db.execute("DELETE FROM fleet_exporters WHERE identity = ?", (old.identity,))
            del self.exporters[old.identity]
        gone = set(self._keys("identity = ?", identity)) - portable.buckets.keys() - portable.unchanged
        self._db.executemany(
            "DELETE FROM fleet_parts WHERE kind = ? AND digest = ? AND version = ? AND segment = ? AND value = ? "
            "AND start = ? AND identity = ?",
            [(*key[:2], _text(key.version), *key[3:], identity) for key in gone],
        )
        self._db.executemany(
            "INSERT OR REPLACE INTO fleet_parts VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            (
                (*key[:2], _text(key.version), *key[3:], identity, packed(*content))
                for key, content in portable.buckets.items()
            ),
        )
        # A counter falls where an exporter counts a log again: it grows again once it is past what was known.
        before = [one for one in (self.exporters.get(identity), *replaced) if one is not None]
        floor: Totals = {}
        for one in before:
            for name, total in one.known.counters.items():
                floor[name] = max(total, floor.get(name, 0.0))
        totals = {**floor, **{name: max(it, floor.get(name, 0.0)) for name, it in portable.counters.items()}}
        known = replace(portable, counters=totals, layouts={}, buckets={}, unchanged=frozenset())
        found = Exporter(identity, instance, envelope.counted_by, cursor, envelope.at, known)
        self._db.execute(
            "INSERT OR REPLACE INTO fleet_exporters VALUES (?, ?, ?, ?, ?, ?)",
            (identity, instance, found.counted_by, cursor, found.at, to_bytes(known)),
        )
        self.exporters[identity] = found
        return changed | gone, {name: total - floor.get(name, 0.0) for name, total in totals.items()}

    def counting(self) -> set[int]:
        """Return the exporters of which there is any bucket."""
        rows = self._db.execute("SELECT DISTINCT identity FROM fleet_parts").fetchall()
        return {identity for (identity,) in rows}

    def keys(self, segment: str | None = None, value: str = "") -> list[BucketKey]:
        """Return the buckets that there are parts of: all, or those of a segment's value."""
        if segment is None:
            return self._keys("true")
        return self._keys("segment = ? AND value = ?", segment, value)

    def starts(self, scoped: Scoped, identities: Iterable[int]) -> Iterator[tuple[str, int, int]]:
        """Yield value, start and row of the parts of a version's segment, whatever their value."""
        active = set(identities)
        rows = self._db.execute(
            "SELECT value, start, rowid, identity FROM fleet_parts WHERE kind = ? AND digest = ? AND version = ? "
            "AND segment = ? ORDER BY start, identity, value",
            (scoped.kind, scoped.digest, _text(scoped.version), scoped.segment),
        )
        return ((value, start, row) for value, start, row, identity in rows.fetchall() if identity in active)

    def contents(self, rows: Sequence[int], shape: Shape) -> list[Content]:
        """Return the content of parts."""
        found = [
            self._db.value("SELECT content FROM fleet_parts WHERE rowid = ?", (number,)) for number in rows
        ]
        with self._db.reading("parts of a summary"):
            return [unpacked(content, shape.neutral.size) for content in found]

    def number(self, since: int) -> int:
        """Return how many parts begin at ``since`` (epoch µs) or later."""
        return int(self._db.value("SELECT count(*) FROM fleet_parts WHERE start >= ?", (since,)))

    def expire(self, before: int) -> None:
        """Drop buckets that start before ``before`` (epoch µs), and exporters without any, but for the newest."""
        self._db.execute("DELETE FROM fleet_parts WHERE start < ?", (before,))
        self._db.execute(
            "DELETE FROM fleet_exporters WHERE identity IN (SELECT identity FROM fleet_exporters WHERE at < ? AND "
            "NOT EXISTS (SELECT * FROM fleet_parts WHERE fleet_parts.identity = fleet_exporters.identity) "
            "ORDER BY at DESC LIMIT -1 OFFSET ?)",
            (before / 1e6, _REMEMBERED),
        )
        rows = self._db.execute("SELECT identity FROM fleet_exporters").fetchall()
        self.exporters = {identity: self.exporters[identity] for (identity,) in rows}

    def _keys(self, where: str, *parameters: int | str) -> list[BucketKey]:
        rows = self._db.execute(
            f"SELECT DISTINCT kind, digest, version, segment, value, start FROM fleet_parts WHERE {where}",
            parameters,
        )
        return [
            BucketKey(kind, digest, _name(version), segment, value, start)
            for kind, digest, version, segment, value, start in rows
        ]


def _text(version: str | None) -> str:
    return "" if version is None else f"v{version}"


def _name(text: str) -> str | None:
    return text[1:] if text else None
