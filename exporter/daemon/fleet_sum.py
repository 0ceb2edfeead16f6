"""The sum of what a fleet's exporters have counted, kept up to date in one store."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

import numpy as np

from exporter.fold.field_presence import FieldPresence
from exporter.fold.grouping import CycleTime
from exporter.fold.ingestion import MOST_VERSIONS
from exporter.fold.version_schemas import VersionSchemas
from exporter.state import OTHER, Scope, Store
from exporter.state.parts import Parts, Scoped
from exporter.state.portable import ALL_VERSIONS, BucketKey, Layout, Portable, merge
from exporter.summary.base import Shape
from exporter.summary.windows import Buckets


class FleetSum:
    """Merges parts of buckets into those of ``store``. ``digest``: of the exporters that count as the store does."""

    def __init__(
        self,
        store: Store,
        parts: Parts,
        schemas: VersionSchemas,
        buckets: Buckets,
        presence: FieldPresence,
        digest: str,
    ) -> None:
        self._store = store
        self._parts = parts
        self._schemas = schemas
        self._buckets = buckets
        self._presence = presence
        self._digest = digest
        self._revision = -1

    def begin_anew(self) -> None:
        """Merge everything the next time: the store may not be what it was."""
        self._revision = -1

    def run(self, changed: set[BucketKey], now: CycleTime) -> None:
        """Bring the store up to what the exporters have counted, in a transaction. ``changed``: buckets of theirs."""
        store, parts = self._store, self._parts
        expired = self._buckets.expired(now.settled)
        parts.expire(expired)
        exporters = [one for one in parts.exporters.values() if one.counted_by == self._digest]
        known = merge(exporter.known for exporter in exporters)
        numbers: dict[str | None, int] = {None: ALL_VERSIONS}
        newest = sorted(known.versions.items(), key=lambda item: (-item[1][1], item[0]))[:MOST_VERSIONS]
        for place, (name, (began, seen)) in enumerate(newest):
            # A model that is silent for long has the version that it had.
            if seen >= expired or place == 0:
                numbers[name] = store.versions.number(name, began, seen)
        for name, mark in known.marks.items():
            store.marks.rise(name, mark)
        self._schemas.refresh(version.name for version in store.versions.all().values())
        outgrown = self._hold_segments(known)
        if self._revision != self._schemas.revision:
            self._revision = self._schemas.revision
            store.summaries.drop_other_kinds([])
            changed = set(parts.keys())
        for segment, value in outgrown:
            changed |= set(parts.keys(segment, value))
        self._compact(now, expired)
        targets: defaultdict[Scoped, set[int]] = defaultdict(set)
        for key in changed:
            if key.start >= expired and key.version in numbers:
                shown = self._shown(key.segment, key.value)
                # A value that has got series of its own, or has lost them, was or is part of the others.
                for value in {shown, OTHER} if (key.segment, key.value) in outgrown else {shown}:
                    targets[Scoped(*key[:4], value)].add(key.start)
        identities = [exporter.identity for exporter in exporters]
        for scoped, starts in targets.items():
            self._merge_scope(scoped, starts, numbers[scoped.version], identities, now)
        for number in store.versions.forget(expired):
            store.summaries.drop_version(number)

    def _hold_segments(self, known: Portable) -> set[tuple[str, str]]:
        """Choose the values that have series, of those that have any in an exporter; return which have changed."""
        segments = self._store.segments
        names = {segment for segment, _ in known.sizes}
        before = {(name, value) for name in names for value in segments.held(name)}
        sizes = {value: (size, value in before) for value, (size, held) in known.sizes.items() if held}
        segments.restore(sizes, ())
        _, dropped = segments.exchange()
        dropped += sum(
            segments.drop(name, [value]) for name, value in sizes if value not in segments.held(name)
        )
        if dropped:
            self._store.counters.add("ml_series_dropped_total", ("too_many_segment_values",), dropped)
        after = {(name, value) for name in names for value in segments.held(name)}
        for segment, value in before - after:
            for number in self._store.versions.all():
                for kind in self._schemas.of("").shapes:
                    self._store.summaries.drop(kind, Scope(number, segment, value))
        return before ^ after

    def _shown(self, segment: str, value: str) -> str:
        return self._store.segments.shown(segment, value) if segment else value

    def _compact(self, now: CycleTime, expired: int) -> None:
        for number, version in self._store.versions.all().items():
            for shape in self._schemas.of(version.name).shapes.values():
                self._store.summaries.compact(
                    shape, number, lambda starts: self._buckets.start(starts, now.settled), expired
                )
        self._presence.compact(now)

    def _merge_scope(
        self, scoped: Scoped, starts: set[int], number: int, identities: Sequence[int], now: CycleTime
    ) -> None:
        """Merge the buckets anew that hold what exporters have in buckets that begin at ``starts``."""
        shape = self._shape(scoped)
        if shape is None:
            return
        layout = Layout.of(shape)
        rows = [
            (start, row)
            for value, start, row in self._parts.starts(scoped, identities)
            if self._shown(scoped.segment, value) == scoped.value
        ]
        targets = set(self._buckets.start(np.array(sorted(starts)), now.settled).tolist())
        coarse = self._buckets.start(np.array([start for start, _ in rows], dtype=np.int64), now.settled)
        members: defaultdict[int, list[int]] = defaultdict(list)
        for target, (_, row) in zip(coarse.tolist(), rows, strict=True):
            if target in targets:
                members[target].append(row)
        scope = Scope(number, scoped.segment, scoped.value)
        for target in targets - members.keys():
            self._store.summaries.drop(scoped.kind, scope, target)
        self._store.summaries.put(
            scoped.kind,
            scoped.digest,
            (
                (scope, start, layout.merged(self._parts.contents(own, shape)))
                for start, own in members.items()
            ),
        )

    def _shape(self, scoped: Scoped) -> Shape | None:
        """Return the shape of what is counted here; None where the exporter has other references of the version."""
        if scoped.version is None:
            shape: Shape | None = self._presence.shape
        else:
            shape = self._schemas.of(scoped.version).shapes.get(scoped.kind)
        return shape if shape is not None and shape.digest == scoped.digest else None
