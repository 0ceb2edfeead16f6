"""Served features joined with offline ones of the same id, and compared."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping

import numpy as np

from exporter.fold.folding import Folding
from exporter.fold.grouping import BucketKeys, CycleTime
from exporter.fold.schema import Compared
from exporter.records.columns import PredictionColumns
from exporter.records.offline import OfflineColumns
from exporter.state import Joined, Side, Store, Values
from exporter.summary.base import Codes, Integers
from exporter.summary.skew import NO_CODE
from exporter.summary.windows import MICROSECONDS, Buckets
from mlslo.monitor import Skew

# No segment has this name: under it the columns of waiting values are kept among combinations of segment values.
_COLUMNS = ""


class SkewComparison:
    """Joins and compares; ``wait``: how long values wait for the other side, in µs."""

    def __init__(self, skew: Skew, store: Store, buckets: Buckets, folding: Folding) -> None:
        self._store = store
        self._buckets = buckets
        self._folding = folding
        store.skew.limit = skew.maxPending
        self.wait = int(skew.maxDelay.seconds * MICROSECONDS)

    def served(
        self, columns: PredictionColumns, versions: Integers, features: Mapping[str, str], cycle: CycleTime
    ) -> None:
        """Take predictions, in a transaction. ``features``: feature -> kind, of the columns of their codes."""
        if columns.compared is None:
            return
        rows, _ = _first(columns.id, np.flatnonzero((columns.id != 0) & columns.has_features))
        layout = self._layout(features, cycle)
        values = Values(columns.id[rows], columns.time[rows], versions[rows], layout, columns.compared[rows])
        for joined in self._store.skew.add(Side.SERVED, values, cycle.reached).joined:
            self._fold(Side.SERVED, joined, features, cycle)

    def offline(self, columns: OfflineColumns, features: Mapping[str, str], cycle: CycleTime) -> Counter[str]:
        """Take offline rows, in a transaction; return the reasons for which rows are not used."""
        rows, copies = _first(columns.id, np.arange(len(columns.id)))
        read = np.full(len(rows), cycle.reached)
        layout = self._layout(features, cycle)
        values = Values(columns.id[rows], read, np.zeros_like(read), layout, columns.codes[rows])
        added = self._store.skew.add(Side.OFFLINE, values, cycle.reached)
        for joined in added.joined:
            self._fold(Side.OFFLINE, joined, features, cycle)
        again = np.where(added.repeated, copies, copies - 1)
        return Counter(
            duplicate=int(again[~added.left_out].sum()), sampled_out=int(copies[added.left_out].sum())
        )

    def expire(self, cycle: CycleTime) -> None:
        """Drop what has waited for too long, and count it."""
        for side, number in self._store.skew.expire(cycle.settled - self.wait).items():
            self._store.counters.add("ml_skew_unmatched_total", (side.name.lower(),), number)
        # What was left out may have been waited for as long before as after it.
        self._store.skew.forget_left_out(cycle.settled - 2 * self.wait)

    def _layout(self, features: Mapping[str, str], cycle: CycleTime) -> int:
        content = {_COLUMNS: json.dumps([*features.items()])}
        return self._store.combinations.codes([content], [cycle.reached])[0]

    def _fold(self, came: Side, joined: Joined, features: Mapping[str, str], cycle: CycleTime) -> None:
        """Compare what waited, over the columns that it had then, with what came."""
        versions = self._store.versions.all()
        starts = self._buckets.start(joined.time, cycle.now, cycle.cuts)
        kept = np.isin(joined.version, list(versions)) & (starts >= self._buckets.expired(cycle.settled))
        rows = np.flatnonzero(kept)
        if not len(rows):
            return
        before: list[list[str]] = json.loads(self._store.combinations.content(joined.layout)[_COLUMNS])
        places = {(name, kind): place for place, (name, kind) in enumerate(before)}
        columns = [places.get(item, -1) for item in features.items()]
        known = np.broadcast_to(np.array(columns) >= 0, (len(rows), len(columns)))
        # One column more, for features that were not compared then.
        nothing = np.full((len(rows), 1), NO_CODE)
        waited = np.concatenate([joined.waited[rows], nothing], axis=1)[:, columns]
        arrived = joined.came[rows]
        served, offline = (arrived, waited) if came is Side.SERVED else (waited, arrived)
        keys = BucketKeys(joined.version[rows], joined.time[rows], starts[rows], {})
        names = {int(number): versions[int(number)].name for number in np.unique(keys.version)}
        compared = Compared(served, offline, known, joined.weight[rows])
        self._folding.fold_skew(compared, list(features), keys, names)


def _first(ids: Integers, rows: Codes) -> tuple[Codes, Integers]:
    """Return the first of ``rows`` of each id, and how many rows it has."""
    _, first, copies = np.unique(ids[rows], return_index=True, return_counts=True)
    return rows[first], copies
