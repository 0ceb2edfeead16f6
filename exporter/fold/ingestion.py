"""One batch of records: decode, fold, commit."""

from __future__ import annotations

from collections import Counter

import numpy as np

from exporter.fold.counting import Counting
from exporter.fold.folding import Folding
from exporter.fold.grouping import BucketKeys, CycleTime, ScopeValues
from exporter.fold.version_schemas import VersionSchemas
from exporter.records.columns import NO_TIME, PredictionColumns
from exporter.records.labels import LabelDecoder
from exporter.records.predictions import PredictionDecoder
from exporter.sinks import Batch, SinkReader
from exporter.state import Matches, Store
from exporter.summary.base import Integers
from exporter.summary.windows import MICROSECONDS, Buckets
from exporter.tasks.task import Labelled, Task
from mlslo.monitor import Monitor

MOST_VERSIONS = 50
OTHER_VERSION = "other"

# Dropped versions are remembered among dropped values of segments, under what no path can be.
_VERSIONS = ""


class Ingestion:
    """Takes batches of both logs of one model into its store, each in one transaction."""

    def __init__(
        self, monitor: Monitor, task: Task, schemas: VersionSchemas, store: Store, buckets: Buckets
    ) -> None:
        spec = monitor.spec
        self._schemas = schemas
        self._store = store
        self._buckets = buckets
        self.counting = Counting(monitor, schemas, store, buckets)
        self._scopes = ScopeValues(schemas, store)
        self._folding = Folding(schemas, store)
        store.segments.most = spec.maxSegmentValues
        store.segments.half_life = int(max(window.seconds for window in spec.windows) * MICROSECONDS)
        self._decoder = self._new_decoder()
        self._labels = LabelDecoder(spec.labels.fields, task) if spec.labels else None
        if spec.labels:
            store.pending.limit = spec.labels.maxPending
        self._wait = int(spec.labels.maxDelay.seconds * MICROSECONDS) if spec.labels else 0

    def close(self) -> None:
        """Release the parsers."""
        self._decoder.close()
        if self._labels is not None:
            self._labels.close()

    def predictions(self, batch: Batch, reader: SinkReader, cycle: CycleTime) -> None:
        """Take one batch of prediction records."""
        columns = self._decoded(batch, cycle)
        known = {version.name for version in self._store.versions.all().values()}
        new = [name for name in columns.version.names if name not in known]
        self._schemas.refresh(new[: max(0, MOST_VERSIONS - len(known))])
        if self._revision != self._schemas.revision:
            # A version has come with a reference of its own, whose categories were not asked for.
            columns = self._decoded(batch, cycle)
        with self._store.transaction():
            reader.commit(batch)
            self.counting.records(
                reader.name, columns.records, columns.rejected, batch.passed_over, columns.time, cycle
            )
            versions, names = self._versions(columns)
            self.counting.predictions(columns, versions, names)
            starts = self._buckets.start(columns.time, cycle.now, cycle.cuts)
            keys = BucketKeys(versions, columns.time, starts, self._scopes.read(columns))
            self.counting.mark_features(columns, versions, names)
            kept = starts >= self._buckets.expired(cycle.now)
            self._folding.fold_predictions(columns, self._known, keys, kept, names)
            if self._labels is not None:
                matches = self._wait_for_labels(columns, keys, cycle)
                self._outcomes(matches, cycle)

    def labels(self, batch: Batch, reader: SinkReader, cycle: CycleTime) -> None:
        """Take one batch of label records."""
        assert self._labels is not None
        columns = self._labels.decode(batch.lines, cycle.latest)
        with self._store.transaction():
            reader.commit(batch)
            matches = self._store.pending.label(columns.id, columns.label, columns.time, cycle.now)
            rejected = columns.rejected + Counter(
                {"duplicate": matches.duplicate, "sampled_out": matches.sampled_out}
            )
            known = columns.time[columns.time != NO_TIME]
            self.counting.records(reader.name, columns.records, rejected, batch.passed_over, known, None)
            self._store.counters.add("ml_labels_unmatched_total", (), matches.unmatched)
            self._outcomes(matches, cycle)

    def tidy(self, cycle: CycleTime) -> None:
        """Merge buckets that have grown old, drop what no window reaches any more."""
        with self._store.transaction():
            summaries = self._store.summaries
            expired = self._buckets.expired(cycle.now)
            versions = self._store.versions.all()
            for number, version in versions.items():
                for shape in self._schemas.of(version.name).shapes.values():
                    summaries.compact(
                        shape,
                        number,
                        lambda starts: self._buckets.start(starts, cycle.now, cycle.cuts),
                        expired,
                    )
            self._folding.exchange_segments()
            self._store.pending.expire(cycle.now - self._wait)
            self._store.combinations.expire(cycle.now - self._wait)
            for number in self._store.versions.forget(expired):
                summaries.drop_version(number)

    def _decoded(self, batch: Batch, cycle: CycleTime) -> PredictionColumns:
        if self._revision != self._schemas.revision:
            self._decoder.close()
            self._decoder = self._new_decoder()
        return self._decoder.decode(batch.lines, cycle.latest)

    def _versions(self, columns: PredictionColumns) -> tuple[Integers, dict[int, str]]:
        """Each row's version as the store numbers it, and names; past a number of versions, all others share one."""
        known = {version.name for version in self._store.versions.all().values()}
        numbers = np.zeros(len(columns.version.names), dtype=np.int64)
        names = {}
        dropped = []
        for code, name in enumerate(columns.version.names):
            if name not in known and len(known) >= MOST_VERSIONS:
                dropped.append(name)
                name = OTHER_VERSION
            known.add(name)
            times = columns.time[columns.version.codes == code]
            number = self._store.versions.number(name, int(times.min()), int(times.max()))
            numbers[code], names[number] = number, name
        new = self._store.segments.drop(_VERSIONS, dropped)
        self._store.counters.add("ml_series_dropped_total", ("too_many_versions",), new)
        return numbers[columns.version.codes], names

    def _new_decoder(self) -> PredictionDecoder:
        self._revision = self._schemas.revision
        requested = self._schemas.requested()
        self._known = requested.features
        return PredictionDecoder(requested)

    def _wait_for_labels(self, columns: PredictionColumns, keys: BucketKeys, cycle: CycleTime) -> Matches:
        outputs = columns.outputs
        given = outputs.given
        anonymous = given & (columns.id == 0)
        reason = ("predictions", "missing_id")
        self._store.counters.add("ml_sink_rejected_records_total", reason, int(np.count_nonzero(anonymous)))
        waiting = given & (columns.id != 0) & (columns.time >= cycle.now - self._wait)
        return self._store.pending.add(
            columns.id[waiting],
            columns.time[waiting],
            keys.version[waiting],
            self._scopes.combinations(keys.take(np.flatnonzero(waiting))),
            outputs.score[waiting],
            outputs.predicted[waiting],
            None if outputs.payload is None else outputs.payload[waiting],
            cycle.now,
        )

    def _outcomes(self, matches: Matches, cycle: CycleTime) -> None:
        starts = self._buckets.start(matches.time, cycle.now, cycle.cuts)
        versions = self._store.versions.all()
        known = np.isin(matches.version, list(versions))
        rows = np.flatnonzero(known & (starts >= self._buckets.expired(cycle.now)))
        if not len(rows):
            return
        delay = np.where(
            matches.label_time == NO_TIME, np.nan, (matches.label_time - matches.time) / MICROSECONDS
        )
        labelled = Labelled(
            score=matches.score,
            predicted=matches.predicted,
            payload=matches.payload,
            label=matches.label,
            delay=delay,
            weight=matches.weight,
        ).take(rows)
        keys = BucketKeys(
            matches.version[rows],
            matches.time[rows],
            starts[rows],
            self._scopes.of_pending(matches.scope[rows]),
        )
        names = {int(number): versions[int(number)].name for number in np.unique(keys.version)}
        self._folding.fold_outcomes(labelled, keys, names)
