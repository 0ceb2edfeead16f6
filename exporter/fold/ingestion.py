"""One batch of records: decode, fold, commit."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from exporter.fold.counting import Counting
from exporter.fold.deliveries import Deliveries
from exporter.fold.exemplars import Exemplars
from exporter.fold.field_presence import FieldPresence
from exporter.fold.folding import Folding
from exporter.fold.grouping import BucketKeys, CycleTime, ScopeValues
from exporter.fold.missing_fields import MissingFields
from exporter.fold.private_counts import PrivateCounts
from exporter.fold.skew import SkewComparison
from exporter.fold.version_schemas import VersionSchemas
from exporter.parse.json_lines import Buffer
from exporter.parse.typed_rows import TypedRows
from exporter.records.accounts.mapped_fields import of_labels, of_offline, of_predictions
from exporter.records.columns import ERROR, NO_TIME, LabelColumns, PredictionColumns
from exporter.records.labels import LabelDecoder
from exporter.records.offline import OfflineDecoder
from exporter.records.predictions import PredictionDecoder
from exporter.records.reshaping import Reshaped, Reshaping, Sample
from exporter.sinks import Batch, SinkReader
from exporter.state import Matches, Store
from exporter.summary.base import Integers
from exporter.summary.windows import MICROSECONDS, Buckets
from exporter.tasks.task import Corrected, Labelled, Task
from mlslo.monitor import Monitor, Spec

MOST_VERSIONS = 50
OTHER_VERSION = "other"

# Dropped versions are remembered among dropped values of segments, under what no path can be.
_VERSIONS = ""
FOLDED = "folded until"
"""Mark of the time of the latest records that a fold of the past has counted, whatever sink they were in."""
_DROPPED = "outcomes dropped"
"""Mark of the time before which buckets were dropped."""


class Ingestion:
    """Takes batches of all logs of one model into its store, each in one transaction.

    ``monitor``: the file, as it is for plain records. ``reshapings``: what makes them so, by sink. ``written``: as the
    user wrote it. ``exemplars``: where they are kept. ``private``: what is counted towards releases.
    """

    def __init__(
        self,
        monitor: Monitor,
        task: Task,
        schemas: VersionSchemas,
        store: Store,
        buckets: Buckets,
        reshapings: Mapping[str, Reshaping],
        written: Spec,
        exemplars: Exemplars | None = None,
        private: PrivateCounts | None = None,
    ) -> None:
        spec = monitor.spec
        self._exemplars = exemplars
        self._private = private
        self._spec = written
        self._task = task
        self._reshapings = reshapings
        self._schemas = schemas
        self._store = store
        self._buckets = buckets
        self.counting = Counting(monitor.model, written, schemas, store, buckets)
        self.presence = FieldPresence(monitor, store, buckets)
        self._missing = {
            sink: MissingFields(monitor.model, sink) for sink in ("predictions", "labels", "skew")
        }
        self._deliveries = Deliveries(monitor.model, written, store)
        self._scopes = ScopeValues(schemas, store)
        self._folding = Folding(schemas, store)
        self._counted = store.marks.get(FOLDED)
        store.segments.most = spec.maxSegmentValues
        store.segments.half_life = int(max(window.seconds for window in spec.windows) * MICROSECONDS)
        if spec.labels:
            store.pending.limit = spec.labels.maxPending
            store.pending.revisable = spec.labels.revisions == "last"
            scopes = {("segment", name) for name in schemas.segments}
            with store.transaction():
                store.pending.fold_over(scopes | {("attribute", name) for name in schemas.attributes})
        # Ids of predictions that a cycle as of an earlier time leaves out.
        self._later: list[Integers] = []
        self._wait = int(spec.labels.maxDelay.seconds * MICROSECONDS) if spec.labels else 0
        self._skew = SkewComparison(spec.skew, store, buckets, self._folding) if spec.skew else None
        self._offline_settings = spec.skew
        self._offline: OfflineDecoder | None = None
        self._offline_features: Mapping[str, str] = {}
        # What waits needs its combination of segment values, or its columns, for as long.
        self._kept = max(self._wait, self._skew.wait if self._skew else 0)
        # Last: a store that fails leaves nothing open.
        self._decoder = self._new_decoder()
        try:
            self._labels = LabelDecoder(spec.labels, task) if spec.labels else None
        except BaseException:
            self._decoder.close()
            raise

    def close(self) -> None:
        """Release the parsers."""
        self._decoder.close()
        if self._labels is not None:
            self._labels.close()
        if self._offline is not None:
            self._offline.close()

    def predictions(self, batch: Batch, reader: SinkReader, cycle: CycleTime) -> None:
        """Take one batch of prediction records."""
        if batch.is_empty:
            with self._store.transaction():
                reader.commit(batch)
            return
        with self._store.transaction():
            reader.commit(batch)
            portions = self._reshapings["predictions"].portions(
                batch.content, cycle.now, arrived=cycle.arrived
            )
            first = next(portions)
            columns = self._take(first, batch.passed_over, reader.name, cycle)
            for portion in portions:
                self._take(portion, Counter(), reader.name, cycle)
        self._look_at_predictions(first.sample, columns)

    def unanswered(self, reader: SinkReader, cycle: CycleTime) -> None:
        """Count requests that have waited too long for their response."""
        reshaping = self._reshapings["predictions"]
        while reshaping.joins:
            with self._store.transaction():
                reshaped = reshaping.expired(cycle.settled)
                if reshaped is None:
                    return
                self._take(reshaped, Counter(), reader.name, cycle)

    def _take(
        self, reshaped: Reshaped, passed_over: Counter[str], sink: str, cycle: CycleTime
    ) -> PredictionColumns:
        """Take plain records, in a transaction."""
        columns = self._decoded(reshaped.lines, cycle)
        known = {version.name for version in self._store.versions.all().values()}
        new = [name for name in columns.version.names if name not in known]
        self._schemas.refresh(new[: max(0, MOST_VERSIONS - len(known))])
        if self._revision != self._schemas.revision:
            # A version has come with a reference of its own, whose categories were not asked for.
            columns = self._decoded(reshaped.lines, cycle)
        if self._private is not None:
            # Before anything is left out for the sake of other records.
            self._private.take(columns, self._known)
        if self._counted is not None:
            columns = columns.since(self._counted)
        if cycle.known is not None:
            self._later.append(columns.id[columns.time > cycle.known])
            columns = columns.until(cycle.known)
        columns = self._deliveries.first(columns)
        records = columns.records + reshaped.records
        rejected = columns.rejected + reshaped.rejected
        self.counting.records(sink, records, rejected, passed_over, columns.time, cycle, may_be_late=True)
        versions, names = self._versions(columns)
        self.counting.predictions(columns, versions, names)
        if self._exemplars is not None:
            self._exemplars.take(reshaped.lines, columns, versions, names, self._decoder)
        starts = self._buckets.start(columns.time, cycle.now, cycle.cuts)
        keys = BucketKeys(versions, columns.time, starts, self._scopes.read(columns))
        self.counting.mark_features(columns, versions, names, cycle)
        self.presence.predictions(columns, self._known, starts, cycle)
        kept = starts >= self._buckets.expired(cycle.settled)
        self._folding.fold_predictions(columns, self._known, keys, kept, names)
        if self._skew is not None:
            self._skew.served(columns, versions, self._requested.compared, cycle)
        if self._labels is not None:
            matches = self._wait_for_labels(columns, keys, cycle)
            self._outcomes(matches, cycle)
        return columns

    def labels(self, batch: Batch, reader: SinkReader, cycle: CycleTime) -> None:
        """Take one batch of label records."""
        assert self._labels is not None
        if batch.is_empty:
            with self._store.transaction():
                reader.commit(batch)
            return
        with self._store.transaction():
            reader.commit(batch)
            portions = self._reshapings["labels"].portions(batch.content, cycle.now, arrived=cycle.arrived)
            first = next(portions)
            columns = self._take_labels(first, batch.passed_over, reader.name, cycle)
            for portion in portions:
                self._take_labels(portion, Counter(), reader.name, cycle)
        assert self._spec.labels is not None
        mapped = of_labels(columns, self._spec.labels.fields, self._task, self._spec.task)
        self._missing["labels"].look(first.sample, mapped, columns.records)

    def _take_labels(
        self, reshaped: Reshaped, passed_over: Counter[str], sink: str, cycle: CycleTime
    ) -> LabelColumns:
        """Take plain label records, in a transaction."""
        assert self._labels is not None
        columns = self._labels.decode(reshaped.lines, cycle.latest)
        if self._counted is not None:
            # One that does not say when it came is known by its prediction.
            later = (columns.time == NO_TIME) | (columns.time > self._counted)
            columns = columns.having(np.flatnonzero(later))
        if cycle.known is not None:
            columns = columns.until(cycle.known)
            # A label that does not say when it came is taken to have come with its prediction.
            early = (columns.time == NO_TIME) & np.isin(columns.id, np.concatenate([*self._later, [0]]))
            columns = columns.having(np.flatnonzero(~early))
        matches = self._store.pending.label(columns.id, columns.label, columns.time, cycle.reached)
        if cycle.known is not None:
            # Predictions that are older by now waited when their labels came, if those were in time.
            matches = matches.within(self._wait)
        rejected = columns.rejected + reshaped.rejected
        rejected += Counter(
            {reason: getattr(matches, reason) for reason in ("duplicate", "too_late", "sampled_out")}
        )
        known = columns.time[columns.time != NO_TIME]
        records = columns.records + reshaped.records
        self.counting.records(sink, records, rejected, passed_over, known, cycle, may_be_late=False)
        self._store.counters.add("ml_labels_unmatched_total", (), matches.unmatched)
        self.presence.labels(columns, cycle)
        self._store.counters.add("ml_labels_revised_total", (), matches.revised)
        self._outcomes(matches, cycle)
        if matches.corrections is not None:
            self._outcomes(matches.corrections, cycle)
        return columns

    def offline(self, batch: Batch, reader: SinkReader, cycle: CycleTime) -> None:
        """Take one batch of offline features."""
        assert self._skew is not None
        with self._store.transaction():
            reader.commit(batch)
            passed_over = batch.passed_over
            for portion in self._reshapings["skew"].portions(batch.content, cycle.now, arrived=cycle.arrived):
                columns = self._offline_decoder().decode(portion.lines, cycle.latest)
                if cycle.known is not None:
                    columns = columns.until(cycle.known)
                rejected = columns.rejected + portion.rejected
                rejected += self._skew.offline(columns, self._requested.compared, cycle)
                known = columns.time[columns.time != NO_TIME]
                records = columns.records + portion.records
                self.counting.records(
                    reader.name, records, rejected, passed_over, known, cycle, may_be_late=False
                )
                passed_over = Counter()
                assert self._spec.skew is not None
                mapped = of_offline(columns, self._spec.skew, self._requested.compared)
                self._missing["skew"].look(portion.sample, mapped, columns.records)

    def tidy(self, cycle: CycleTime) -> None:
        """Merge buckets that have grown old, drop what no window reaches any more, say what fields are missing."""
        for missing in self._missing.values():
            missing.end_of_cycle()
        with self._store.transaction():
            summaries = self._store.summaries
            expired = self._buckets.expired(cycle.settled)
            self._store.marks.rise(_DROPPED, expired)
            versions = self._store.versions.all()
            for number, version in versions.items():
                for shape in self._schemas.of(version.name).shapes.values():
                    summaries.compact(
                        shape,
                        number,
                        lambda starts: self._buckets.start(starts, cycle.settled, cycle.cuts),
                        expired,
                    )
            self.presence.compact(cycle)
            self._folding.exchange_segments()
            self._store.pending.expire(cycle.settled - self._wait)
            if self._skew is not None:
                self._skew.expire(cycle)
            self._store.combinations.expire(cycle.settled - self._kept)
            for number in self._store.versions.forget(expired):
                summaries.drop_version(number)

    def _look_at_predictions(self, sample: Sample, columns: PredictionColumns) -> None:
        """Errors may have neither an output nor a feature; records without a time are not decoded any further."""
        untyped = [name for name in self._schemas.of("").untyped if name not in self._known.kinds]
        requested = replace(self._requested, fields=self._spec.predictions.fields)
        preset = self._spec.predictions.preset
        mapped = of_predictions(columns, requested, self._spec.task, untyped, preset)
        usable = int(np.count_nonzero(columns.status < ERROR)) if len(columns.time) else columns.records
        self._missing["predictions"].look(sample, mapped, usable)

    def _decoded(self, lines: Buffer | TypedRows, cycle: CycleTime) -> PredictionColumns:
        if self._revision != self._schemas.revision:
            self._decoder.close()
            self._decoder = self._new_decoder()
        return self._decoder.decode(lines, cycle.latest)

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
        self._requested = self._schemas.requested()
        self._known = self._requested.features
        return PredictionDecoder(self._requested)

    def _offline_decoder(self) -> OfflineDecoder:
        """Return what decodes the features that are compared now."""
        assert self._offline_settings is not None
        compared = self._requested.compared
        if self._offline is None or self._offline_features != compared:
            if self._offline is not None:
                self._offline.close()
            self._offline_features = compared
            self._offline = OfflineDecoder(self._offline_settings, compared)
        return self._offline

    def _wait_for_labels(self, columns: PredictionColumns, keys: BucketKeys, cycle: CycleTime) -> Matches:
        outputs = columns.outputs
        given = outputs.given
        anonymous = given & (columns.id == 0)
        reason = ("predictions", "missing_id")
        self._store.counters.add("ml_sink_rejected_records_total", reason, int(np.count_nonzero(anonymous)))
        waiting = given & (columns.id != 0)
        if cycle.known is None:
            waiting &= columns.time >= cycle.settled - self._wait
        return self._store.pending.add(
            columns.id[waiting],
            columns.time[waiting],
            keys.version[waiting],
            self._scopes.combinations(keys.take(np.flatnonzero(waiting))),
            outputs.score[waiting],
            outputs.predicted[waiting],
            None if outputs.payload is None else outputs.payload[waiting],
            cycle.reached,
        )

    def _outcomes(self, matches: Matches, cycle: CycleTime) -> None:
        starts = self._buckets.start(matches.time, cycle.now, cycle.cuts)
        versions = self._store.versions.all()
        known = np.isin(matches.version, list(versions))
        first = self._buckets.expired(cycle.settled)
        if matches.replaced is not None:
            # Longer windows than before may reach outcomes that are dropped already.
            first = max(first, self._store.marks.get(_DROPPED) or first)
        rows = np.flatnonzero(known & (starts >= first))
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
        )
        if matches.replaced is not None:
            labelled = Corrected.of(labelled, matches.replaced)
        labelled = labelled.take(rows)
        keys = BucketKeys(
            matches.version[rows],
            matches.time[rows],
            starts[rows],
            self._scopes.of_pending(matches.scope[rows]),
        )
        names = {int(number): versions[int(number)].name for number in np.unique(keys.version)}
        self._folding.fold_outcomes(labelled, keys, names)
