"""One cycle of one model over a fleet: ask its exporters, merge what they have counted, measure."""

from __future__ import annotations

import logging
import math
import sqlite3
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, replace
from itertools import zip_longest
from typing import Protocol

from exporter.daemon.cycle import CycleError, windows_at
from exporter.daemon.fleet_sum import FleetSum
from exporter.daemon.models import Model
from exporter.daemon.snapshots import Snapshots
from exporter.fold.field_presence import FieldPresence
from exporter.fold.grouping import CycleTime
from exporter.fold.ingestion import MOST_VERSIONS
from exporter.fold.private_cells import PrivateCells
from exporter.fold.version_schemas import DIGEST, VersionSchemas
from exporter.measure.exposition import Series, Snapshot
from exporter.records.reshaping import plain
from exporter.references.configured import HistoryWindows
from exporter.state import Store, StoreError
from exporter.state.parts import Exporter, Parts
from exporter.state.portable import BucketKey, Layout
from exporter.state.sent import Asked, Sent
from exporter.statistics.laplace_noise import noise_bound
from exporter.summary.windows import CLOCK_SKEW, MICROSECONDS, Buckets
from exporter.tasks import task_of

logger = logging.getLogger(__name__)

STATES = ("merged", "unreachable", "refused", "other_schema", "damaged", "duplicate", "departed")
"""States of exporters: the label ``state`` of ml_fleet_exporters."""
MOST_EXPORTERS = 500
TAIL = 0.01
"""Probability that noise is more than the margin of rows that gauges of noisy counts need."""

_AT_ONCE = 16
_DISCOVERY = "discovery"
_MOST_LINES = 10
"""Of exporters that are missing, on the status page."""
_OF_PROCESSES = "ml_state_"
"""Counters that each process has of its own."""
_OF_WHAT_WAITS = (
    "ml_predictions_pending",
    "ml_label_sampling_ratio",
    "ml_skew_pending",
    "ml_skew_sampling_ratio",
)
"""Gauges of what waits for labels, or for offline features, which stays in the exporters."""
_SOON = 1.0
"""Seconds for an exporter that did not answer the last time: many that are gone must not delay the others."""


class AskError(Exception):
    """An exporter that could not be asked, with its ``state`` and the reason."""

    def __init__(self, state: str, reason: str) -> None:
        super().__init__(reason)
        self.state = state


class Fleet(Protocol):
    """Exporters, as they are found and asked."""

    def instances(self) -> Sequence[str]:
        """Return the addresses of all exporters there are now. Raises AskError where they cannot be found."""

    def ask(
        self, instance: str, model: str, asked: Asked, tag: str, timeout: float | None
    ) -> tuple[Sent, str] | None:
        """Return a page and its tag; None where nothing has changed since ``tag``. Raises AskError.

        ``timeout``: seconds, or None for the usual time.
        """


@dataclass
class _Reader:
    """Stand-in for a sink's reader, of all exporters. ``up``: whether any has told of the sink."""

    up: bool
    lag_unit: str = "bytes"

    def lag(self) -> int | None:
        return None

    def own_metrics(self) -> Iterable[tuple[str, Mapping[str, str], float]]:
        return ()


class FleetCycle:
    """The merged state of one model's exporters, and the routine of measuring it."""

    def __init__(self, model: Model, store: Store, fleet: Fleet) -> None:
        """Raises InputError where the references contradict the file, StoreError where the state is not of a fleet."""
        if store.positions.load("predictions"):
            raise StoreError(
                f"{store.path}: the state of an exporter; give the aggregator a --state-dir of its own"
            )
        self._monitor = monitor = plain(model.monitor)
        for name, reference in monitor.spec.references.items():
            if reference.first is not None:
                message = (
                    "each exporter of a fleet builds its own; expected a static reference, which all have"
                )
                raise monitor.document.error(("spec", "references", name, "first"), message, key=True)
        self._store = store
        self._fleet = fleet
        task = task_of(monitor.spec, model.references)
        self._schemas = VersionSchemas(monitor, task, model.references)
        self._history = HistoryWindows(monitor.spec.references)
        spans = [window.seconds for window in monitor.spec.windows]
        self._buckets = Buckets([*spans, *self._history.spans])
        self._presence = FieldPresence(monitor, store, self._buckets)
        self._snapshots = Snapshots(monitor, task, self._schemas, store, self._presence)
        self._digest = self._schemas.digest(self._buckets, self._presence.shape)
        store.segments.most = monitor.spec.maxSegmentValues
        store.segments.half_life = int(max(spans) * MICROSECONDS)
        self._parts = Parts(store.connection)
        self._sum = FleetSum(store, self._parts, self._schemas, self._buckets, self._presence, self._digest)
        self._instances: Sequence[str] = ()
        # Of each instance: the tag of its last answer, its state, and what was said of it.
        self._tags: dict[str, str] = {}
        self._states: dict[str, str] = {}
        self._said: dict[str, str] = {}
        self._trouble: Sequence[str] = ()
        self._failed = False

    def close(self) -> None:
        """Release the store."""
        self._store.close()

    def trouble(self) -> Sequence[str]:
        """Return which exporters are missing and why, a line each. From any thread."""
        return self._trouble

    def page(self, asked: Asked) -> Sent:  # noqa: ARG002 - of the protocol
        """Refuse: what was merged is not sent on."""
        raise CycleError("an aggregator sends no summaries")

    def run(
        self,
        *,
        at: float | None = None,
        as_of: bool = False,  # noqa: ARG002 - of the protocol
        final: bool = False,  # noqa: ARG002 - of the protocol
        stopped: Callable[[], bool] = lambda: False,
    ) -> Snapshot | None:
        """Ask all exporters, merge, and measure the windows that end ``at`` (Unix seconds; now, where None).

        ``stopped`` is asked after each page. Raises CycleError where the store fails.
        """
        started = time.monotonic()
        try:
            if self._failed:
                self._parts.reload()
                self._sum.begin_anew()
            self._failed = True
            changed = self._ask_all(stopped)
            if stopped():
                self._failed = True
                return None
            end = int((time.time() if at is None else at) * MICROSECONDS)
            with self._store.transaction():
                self._sum.run(changed, CycleTime(end, end + CLOCK_SKEW, end, end))
            merged = "merged" in self._states.values()
            spec = self._monitor.spec
            if spec.privacy is not None:
                self._snapshots.measure_noisy(self._margin(end))
            logs = {"predictions": spec.predictions, "labels": spec.labels, "skew": spec.skew}
            sinks = [name for name, log in logs.items() if log is not None]
            windows = windows_at(self._monitor, self._history, end)
            snapshot = self._snapshots.take(windows, {name: _Reader(merged) for name in sinks}, started)
        except (StoreError, sqlite3.Error) as error:
            cause = self._store.explained(error) if isinstance(error, sqlite3.Error) else error
            raise CycleError(str(cause)) from cause
        self._failed = False
        return self._completed(snapshot)

    def _margin(self, end: int) -> int:
        """Return how many rows noise alone may seem to be, in all releases that the longest window holds."""
        spec = self._monitor.spec
        assert spec.privacy is not None
        cells = PrivateCells.of(self._schemas.of(""), graded=spec.predictions.fields.status is not None)
        longest = max(window.seconds for window in spec.windows)
        number = self._parts.number(end - int(longest * MICROSECONDS))
        bound = noise_bound(number, cells.l1 / spec.privacy.epsilon, TAIL / cells.widest)
        return math.ceil(cells.widest * bound)

    def _ask_all(self, stopped: Callable[[], bool]) -> set[BucketKey]:
        """Take what all exporters have counted since they were asked last; return the buckets that this changes."""
        try:
            self._instances = self._fleet.instances()[:MOST_EXPORTERS]
            self._say(_DISCOVERY, "")
        except AskError as error:
            self._say(_DISCOVERY, f"{error}; the exporters that were found before are asked")
        changed: set[BucketKey] = set()
        states: dict[str, str] = {}
        taken: dict[int, str] = {}
        with ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="fleet") as pool:
            asking: dict[Future[tuple[Sent, str] | None], tuple[str, Asked, str]] = {}

            def ask(instance: str, asked: Asked, cursor: str, tag: str = "") -> None:
                soon = _SOON if self._states.get(instance) == "unreachable" else None
                future = pool.submit(self._fleet.ask, instance, self._monitor.model, asked, tag, soon)
                asking[future] = instance, asked, cursor

            for instance in self._instances:
                known = self._last_of(instance)
                ask(
                    instance,
                    Asked("" if known is None else known.cursor),
                    "",
                    "" if known is None or not known.cursor else self._tags.get(instance, ""),
                )
            while asking and not stopped():
                done, _ = wait(asking, return_when=FIRST_COMPLETED)
                for future in done:
                    instance, asked, cursor = asking.pop(future)
                    try:
                        answer = future.result()
                        if answer is not None:
                            sent, tag = answer
                            cursor = cursor or sent.envelope.cursor
                            self._check(sent, instance, taken)
                            known = self._parts.exporters.get(sent.envelope.identity)
                            if asked.since and (known is None or known.cursor != asked.since):
                                # Another state answers than was asked: it has all to tell.
                                ask(instance, Asked(), "")
                                continue
                            changed |= self._take(instance, sent, cursor)
                            if sent.envelope.more is not None:
                                ask(instance, Asked(asked.since, sent.envelope.more), cursor)
                                continue
                            self._tags[instance] = tag
                        states[instance] = "merged"
                        self._say(instance, "")
                    except AskError as error:
                        states[instance] = error.state
                        kept = "; its last counts stay in the sums" if self._last_of(instance) else ""
                        self._say(instance, f"{error.state.replace('_', ' ')}: {error}{kept}")
            pool.shutdown(wait=True, cancel_futures=True)
        self._states = states
        self._tags = {instance: tag for instance, tag in self._tags.items() if instance in states}
        self._said = {of: what for of, what in self._said.items() if what and of in (_DISCOVERY, *states)}
        lines = [f"{of}: {what}." for of, what in self._said.items()]
        more = len(lines) - _MOST_LINES
        self._trouble = (
            lines if more <= 0 else [*lines[:_MOST_LINES], f"And {more} more; the log names them."]
        )
        return changed

    def _last_of(self, instance: str) -> Exporter | None:
        """Return the exporter that answered last at an address."""
        there = (one for one in self._parts.exporters.values() if one.instance == instance)
        return max(there, key=lambda one: one.at, default=None)

    def _check(self, sent: Sent, instance: str, taken: dict[int, str]) -> None:
        """Raises AskError where what was sent cannot be added to the rest. ``taken``: state -> where it was."""
        known = self._parts.exporters.get(sent.envelope.identity)
        if (
            known is not None
            and known.instance in self._instances
            and self._states.get(known.instance) == "merged"
        ):
            # Where one state answers at two addresses, it stays with the one.
            taken.setdefault(known.identity, known.instance)
        if (holder := taken.setdefault(sent.envelope.identity, instance)) != instance:
            raise AskError("duplicate", f"its state is that of {holder}, which is counted already")
        if sent.envelope.model != self._monitor.model:
            raise AskError("damaged", f"of model '{sent.envelope.model}'")
        if sent.envelope.counted_by != self._digest:
            pieces = zip_longest(DIGEST, sent.envelope.counted_by.split("-"), self._digest.split("-"))
            differing = [name for name, its, own in pieces if name and its != own]
            raise AskError(
                "other_schema",
                f"its {', '.join(differing or DIGEST)} are not the aggregator's; give both one monitor file and equal "
                "reference files",
            )
        layouts = {
            (shape.kind, shape.digest): Layout.of(shape)
            for schema in self._schemas.all()
            for shape in (*schema.shapes.values(), self._presence.shape)
        }
        if len(sent.portable.versions) > MOST_VERSIONS + 1:
            raise AskError("damaged", f"more than {MOST_VERSIONS} versions")
        for key, layout in sent.portable.layouts.items():
            if layouts.get(key, layout) != layout:
                raise AskError("damaged", "its summaries do not merge as their digest says")

    def _take(self, instance: str, sent: Sent, cursor: str) -> set[BucketKey]:
        identity = sent.envelope.identity
        known = self._parts.exporters.get(identity)
        replaced = []
        if known is None or not known.known.versions:
            replaced = [old for old in self._parts.exporters.values() if _counts_again(sent, instance, old)]
        complete = sent.envelope.more is None
        kept = cursor if complete else "" if known is None else known.cursor
        with self._store.transaction():
            changed, grown = self._parts.take(instance, sent, kept, replaced)
            for (name, labels), amount in grown.items():
                if not name.startswith(_OF_PROCESSES):
                    self._store.counters.add(name, labels, amount)
        for old in replaced:
            logger.info(
                "model %s: %s has a new state, and has counted its log again: it replaces the old one",
                self._monitor.model,
                old.instance,
            )
        return changed

    def _completed(self, snapshot: Snapshot) -> Snapshot:
        """Add what is known of the exporters; leave out what an aggregator does not know."""
        model, exporters = self._monitor.model, self._parts.exporters
        number = Counter(self._states.values())
        for identity in self._parts.counting():
            instance = exporters[identity].instance
            last = self._last_of(instance)
            number["departed"] += instance not in self._states or (
                last is not None and last.identity != identity
            )
        newest: dict[tuple[str, ...], float] = {}
        for exporter in exporters.values():
            if exporter.instance in self._states:
                key = (model, exporter.instance)
                newest[key] = max(exporter.at, newest.get(key, 0.0))
        own: Series = {
            "ml_fleet_exporters": {(model, state): float(number[state]) for state in STATES},
            "ml_fleet_exporter_last_summaries_timestamp_seconds": newest,
        }
        series = {name: found for name, found in snapshot.series.items() if name not in _OF_WHAT_WAITS}
        return replace(snapshot, series={**series, **own})

    def _say(self, of: str, what: str) -> None:
        """Log what is wrong with an exporter once, and that it is well again."""
        before = self._said.get(of, "")
        if what == before:
            return
        self._said[of] = what
        if what:
            logger.warning("model %s: %s: %s", self._monitor.model, of, what)
        else:
            logger.info("model %s: %s: well again", self._monitor.model, of)


def _counts_again(sent: Sent, instance: str, old: Exporter) -> bool:
    """Return whether a new state has begun where ``old`` had counted already, at the same address: a log read again."""
    if old.instance != instance or old.identity == sent.envelope.identity or old.seen is None:
        return False
    began = [first for first, _ in sent.portable.versions.values()]
    return bool(began) and min(began) <= old.seen
