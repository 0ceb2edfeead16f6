"""References built from a version's first time in production."""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np

from exporter.fold.grouping import CycleTime
from exporter.fold.version_schemas import VersionSchemas
from exporter.records.predictions import LineDecoder, Lines
from exporter.records.reshaping import plain, reshapings
from exporter.references.reference import Reference
from exporter.references.reference_file import dump, parse
from exporter.sinks import SinkReader
from exporter.state import Store
from exporter.state.samples import MOST_RECORDS, Sampled
from exporter.state.sampling import hash_of
from exporter.summary.windows import CLOCK_SKEW, MICROSECONDS
from mlslo.monitor import Feature, Monitor
from mlslo.yamlfile import InputError

logger = logging.getLogger(__name__)

_NEWEST = "first references event"
# A first time lies in two; the others are for what precedes it: trials, and clocks that were wrong.
_MOST_SLOTS = 6
_MOST_VERSIONS = 50


class FirstReferences:
    """Samples the first records of each version, and builds a reference of them when its first time is over.

    It reads the prediction log by itself, ahead of the ingestion and with positions of its own: a backlog is counted
    over the bins of the reference that it begins with. The first time of a version begins with its earliest record,
    unless fewer than ``minSamples`` follow within it: then they are passed over (a trial, a wrong clock), and it begins
    with the next; of more than are kept, the earliest kept one counts. Records that are logged after it was over are
    not in it.
    """

    def __init__(self, monitor: Monitor, schemas: VersionSchemas, store: Store) -> None:
        """``monitor``: as it was written. Raises StoreError where the state is damaged."""
        self._reshaping = reshapings(monitor, store, "first references ")["predictions"]
        self._monitor = monitor = plain(monitor)
        spec = monitor.spec
        self._schemas = schemas
        self._store = store
        self._lengths = {
            name: int(item.first.seconds * MICROSECONDS)
            for name, item in spec.references.items()
            if item.first is not None
        }
        self._least = min(spec.minSamples, MOST_RECORDS)
        self._reader = SinkReader("first references", monitor, spec.predictions.sink.whole(), store)
        self._adopted: set[Sampled] = set()
        self._failed: set[Sampled] = set()
        self._built_references = store.samples.built()
        with store.transaction():
            for name, length in self._lengths.items():
                store.samples.reslot(name, length)
            for sampled in store.samples.sampled():
                if sampled.reference not in self._lengths or sampled in self._built_references:
                    store.samples.drop(sampled)
        self._sampled = store.samples.sampled()
        for version in store.versions.all().values():
            self._adopt(version.name)
        self._decoder = LineDecoder(spec.predictions)

    def close(self) -> None:
        """Release files and parser."""
        self._decoder.close()
        self._reader.close()

    def reset(self) -> None:
        """Go back to what is committed, after a transaction that failed."""
        self._reader.reset()
        self._sampled = self._store.samples.sampled()

    def update(self, cycle: CycleTime, *, final: bool, stopped: Callable[[], bool]) -> None:
        """Read what is new, and build the references whose time is over."""
        for batch in self._reader.batches(final=final, stopped=stopped):
            versions: set[str] = set()
            with self._store.transaction():
                self._reader.commit(batch)
                for portion in self._reshaping.portions(batch.lines, cycle.now, arrived=cycle.arrived):
                    lines = self._decoder.decode(portion.lines, cycle.latest)
                    if cycle.known is not None:
                        rows = np.flatnonzero(lines.time <= cycle.known)
                        lines = Lines(lines.time[rows], lines.version[rows].compact(), lines.text[rows])
                    self._take(lines, cycle.latest)
                    versions.update(lines.version.names)
            for version in sorted(versions):
                self._adopt(version)
        # What cannot be read yet may belong to a first time that the clock says is over.
        if self._reader.up and not stopped():
            self._drop_unanswered(cycle.settled)
            newest = max(self._store.marks.get(_NEWEST) or 0, cycle.settled - CLOCK_SKEW)
            for sampled, began in sorted(self._sampled.items()):
                if newest >= began + self._lengths[sampled.reference] and sampled not in self._failed:
                    self._finish(sampled, newest)

    def _drop_unanswered(self, now: int) -> None:
        """Drop requests that have waited too long for their response, which would wait for ever."""
        while self._reshaping.joins:
            with self._store.transaction():
                if self._reshaping.expired(now) is None:
                    return

    def _take(self, lines: Lines, latest: int) -> None:
        if len(lines.time):
            self._store.marks.rise(_NEWEST, int(lines.time.max()), latest)
        for code, version in enumerate(lines.version.names):
            pending = [name for name in self._lengths if (version, name) not in self._built_references]
            sampled = {item.version for item in self._sampled}
            if not pending or (version not in sampled and len(sampled) >= _MOST_VERSIONS):
                continue
            rows = np.flatnonzero(lines.version.codes == code)
            texts = [text.encode() for text in lines.text[rows]]
            hashes = [hash_of(text) for text in texts]
            times = lines.time[rows]
            for name in pending:
                self._sample(Sampled(version, name), times, hashes, texts)

    def _sample(self, sampled: Sampled, times: np.ndarray, hashes: list[int], texts: list[bytes]) -> None:
        samples = self._store.samples
        slots = times // self._lengths[sampled.reference]
        for slot in np.unique(slots).tolist():
            rows = np.flatnonzero(slots == slot).tolist()
            samples.add(sampled, slot, ((hashes[row], int(times[row]), texts[row]) for row in rows))
        earliest = int(times.min())
        self._sampled[sampled] = min(self._sampled.get(sampled, earliest), earliest)
        if len(samples.slots(sampled)) > _MOST_SLOTS:
            self._begin(sampled, int(samples.times(sampled)[0][-1]))
            beyond = samples.slots(sampled)[_MOST_SLOTS:]
            if beyond:
                samples.drop(sampled, from_slot=beyond[0])

    def _begin(self, sampled: Sampled, newest: int) -> int | None:
        """Return when the first time began, where it is over as of ``newest``; what is passed over is dropped."""
        length = self._lengths[sampled.reference]
        times, copies = self._store.samples.times(sampled)
        position = 0
        while position < len(times) and newest >= times[position] + length:
            stop = int(np.searchsorted(times, times[position] + length))
            if copies[position:stop].sum() >= self._least:
                break
            position = stop
        if position:
            self._store.samples.drop(sampled, before=int(times[position - 1]) + 1)
            del self._sampled[sampled]
        if position == len(times):
            return None
        self._sampled[sampled] = began = int(times[position])
        return began if newest >= began + length else None

    def _finish(self, sampled: Sampled, newest: int) -> None:
        with self._store.transaction():
            began = self._begin(sampled, newest)
        if began is None:
            return
        try:
            reference = self._build(sampled, began)
        except InputError as error:
            # Its records stay: the monitor file may be what must change.
            self._failed.add(sampled)
            logger.warning("model %s: %s cannot be made: %s", self._monitor.model, _named(sampled), error)
            return
        with self._store.transaction():
            self._store.samples.keep(sampled, dump(self._monitor.model, reference))
        del self._sampled[sampled]
        self._built_references = self._store.samples.built()
        logger.info(
            "model %s: %s is made of %d records", self._monitor.model, _named(sampled), reference.rows
        )
        self._adopt(sampled.version)

    def _build(self, sampled: Sampled, began: int) -> Reference:
        """Build as ``mlslo-exporter baseline`` does; as old as the end of the first time."""
        from exporter.references.baseline import build

        end = began + self._lengths[sampled.reference]
        known = {name: kind.name for schema in self._schemas.all() for name, kind in schema.kinds.items()}
        with tempfile.TemporaryDirectory(prefix="mlslo-first-") as folder:
            path = Path(folder) / "records.jsonl"
            path.write_bytes(b"\n".join([*self._store.samples.lines(sampled, began, end), b""]))
            reference = build(self._monitor, [path]).reference
            otherwise = {
                name: known[name] for name, kind in reference.kinds.items() if known.get(name, kind) != kind
            }
            if otherwise:
                # A feature is of one kind in all references and versions.
                reference = build(_declaring(self._monitor, otherwise), [path]).reference
        return replace(reference, created=end / MICROSECONDS)

    def _adopt(self, version: str) -> None:
        """Give a version's schema the references that are built."""
        found = {}
        for name in self._lengths:
            sampled = Sampled(version, name)
            if sampled in self._built_references and sampled not in self._adopted:
                self._adopted.add(sampled)
                try:
                    found[name] = parse(self._store.samples.reference(sampled), Path(name))
                except InputError as error:
                    raise self._store.damaged(f"{_named(sampled)}: {error}") from None
        if found:
            self._schemas.adopt(version, found)


def _named(sampled: Sampled) -> str:
    return f"reference '{sampled.reference}' of version '{sampled.version}'"


def _declaring(monitor: Monitor, kinds: dict[str, str]) -> Monitor:
    """Return the monitor file with the kinds of some features declared."""
    features = dict(monitor.spec.features)
    for name, kind in kinds.items():
        features[name] = Feature.model_validate({"type": kind})
    spec = monitor.spec.model_copy(update={"features": features})
    return Monitor(monitor.document, monitor.file.model_copy(update={"spec": spec}))
