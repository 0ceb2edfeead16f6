"""One batch of records: decode, fold, commit."""

from __future__ import annotations

from collections import Counter

import numpy as np

from exporter.fold.counting import Counting
from exporter.fold.folding import Folding
from exporter.fold.grouping import Integers, Moment, Place
from exporter.fold.segments import ScopeValues
from exporter.fold.version_schemas import Layouts
from exporter.records import NO_TIME, LabelDecoder, PredictionColumns, PredictionDecoder
from exporter.sinks import Batch
from exporter.sinks.reader import SinkReader
from exporter.state import Matches, Store
from exporter.summary.windows import MICROSECONDS, Buckets
from exporter.tasks.task import Labelled, Task
from mlslo.monitor import Monitor

MOST_VERSIONS = 50
OTHER_VERSION = "other"

# Dropped versions are remembered among dropped values of segments, under what no path can be.
_VERSIONS = ""


class Intake:
    """Takes batches of both logs of one model into its store, each in one transaction."""

    def __init__(
        self, monitor: Monitor, task: Task, layouts: Layouts, store: Store, buckets: Buckets
    ) -> None:
        spec = monitor.spec
        self._layouts = layouts
        self._store = store
        self._buckets = buckets
        self._counting = Counting(monitor, layouts, store, buckets)
        self._scopes = ScopeValues(layouts, store)
        self._folding = Folding(layouts, store)
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

    def predictions(self, batch: Batch, reader: SinkReader, moment: Moment) -> None:
        """Take one batch of prediction records."""
        if self._revision != self._layouts.revision:
            self._decoder.close()
            self._decoder = self._new_decoder()
        columns = self._decoder.decode(batch.lines, moment.latest, batch.file)
        self._layouts.refresh(self._new_versions(columns))
        if self._revision != self._layouts.revision:
            # A version has come with a reference of its own, whose categories were not asked for.
            self._decoder.close()
            self._decoder = self._new_decoder()
            columns = self._decoder.decode(batch.lines, moment.latest, batch.file)
        with self._store.transaction():
            reader.commit(batch)
            self._counting.records(
                reader.name, columns.records, columns.rejected, batch.too_long, columns.time, moment
            )
            versions, names = self._versions(columns)
            self._counting.predictions(columns, versions, names)
            starts = self._buckets.start(columns.time, moment.now, moment.cuts)
            place = Place(versions, columns.time, starts, self._scopes.read(columns))
            self._counting.mark_features(columns, versions, names)
            kept = starts >= self._buckets.expired(moment.now)
            self._folding.predictions(columns, self._known, place, kept, names)
            if self._labels is not None:
                matches = self._wait_for_labels(columns, place, moment)
                self._outcomes(matches, moment)

    def labels(self, batch: Batch, reader: SinkReader, moment: Moment) -> None:
        """Take one batch of label records."""
        if self._labels is None:
            return
        columns = self._labels.decode(batch.lines, moment.latest, batch.file)
        with self._store.transaction():
            reader.commit(batch)
            matches = self._store.pending.label(columns.id, columns.label, columns.time, moment.now)
            rejected = columns.rejected + Counter(
                {"duplicate": matches.duplicate, "sampled_out": matches.sampled_out}
            )
            known = columns.time[columns.time != NO_TIME]
            self._counting.records(reader.name, columns.records, rejected, batch.too_long, known, None)
            self._store.counters.add("ml_labels_unmatched_total", (), matches.unmatched)
            self._outcomes(matches, moment)

    def tidy(self, moment: Moment) -> None:
        """Merge buckets that have grown old, drop what no window reaches any more."""
        with self._store.transaction():
            summaries = self._store.summaries
            expired = self._buckets.expired(moment.now)
            versions = self._store.versions.all()
            for number, version in versions.items():
                for shape in self._layouts.of(version.name).shapes.values():
                    summaries.compact(
                        shape,
                        number,
                        lambda starts: self._buckets.start(starts, moment.now, moment.cuts),
                        expired,
                    )
            self._folding.exchange_segments()
            self._store.pending.expire(moment.now - self._wait)
            self._store.combinations.expire(moment.now - self._wait)
            for number in self._store.versions.forget(expired):
                summaries.drop_version(number)

    def start_counters(self, sinks: list[str]) -> None:
        """Make counters known at 0, so that their first increase is seen as one."""
        self._counting.start(sinks)

    def _new_versions(self, columns: PredictionColumns) -> list[str]:
        """Versions that have never predicted before, but for those that will share a name."""
        known = {version.name for version in self._store.versions.all().values()}
        new = [name for name in columns.version.names if name not in known]
        return new[: max(0, MOST_VERSIONS - len(known))]

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
        self._revision = self._layouts.revision
        wanted = self._layouts.wanted()
        self._known = wanted.features
        return PredictionDecoder(wanted)

    def _wait_for_labels(self, columns: PredictionColumns, place: Place, moment: Moment) -> Matches:
        answers = columns.answers
        given = answers.given
        anonymous = given & (columns.id == 0)
        reason = ("predictions", "missing_id")
        self._store.counters.add("ml_sink_rejected_records_total", reason, int(np.count_nonzero(anonymous)))
        waiting = given & (columns.id != 0) & (columns.time >= moment.now - self._wait)
        return self._store.pending.add(
            columns.id[waiting],
            columns.time[waiting],
            place.version[waiting],
            self._scopes.combinations(place.take(np.flatnonzero(waiting))),
            answers.score[waiting],
            answers.predicted[waiting],
            None if answers.payload is None else answers.payload[waiting],
            moment.now,
        )

    def _outcomes(self, matches: Matches, moment: Moment) -> None:
        starts = self._buckets.start(matches.time, moment.now, moment.cuts)
        versions = self._store.versions.all()
        known = np.isin(matches.version, list(versions))
        rows = np.flatnonzero(known & (starts >= self._buckets.expired(moment.now)))
        if not len(rows):
            return
        delay = np.where(
            matches.label_time == NO_TIME, np.nan, (matches.label_time - matches.time) / MICROSECONDS
        )
        labelled = Labelled(
            score=matches.score,
            predicted=matches.predicted,
            payload=matches.payload if matches.payload is not None else np.full(len(matches.time), None),
            label=matches.label,
            delay=delay,
            weight=matches.weight,
        ).take(rows)
        place = Place(
            matches.version[rows], matches.time[rows], starts[rows], self._scopes.waited(matches.scope[rows])
        )
        names = {int(number): versions[int(number)].name for number in np.unique(place.version)}
        self._folding.outcomes(labelled, place, names)
