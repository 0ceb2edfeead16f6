"""Private counts: what of the predictions is counted towards a release, and when it is released."""

from __future__ import annotations

import hashlib
import logging
from typing import Any

import numpy as np

from exporter.extras import needs
from exporter.fold.grouping import CycleTime
from exporter.fold.private_cells import PrivateCells
from exporter.fold.schema import TRAFFIC, Schema
from exporter.records.columns import PredictionColumns
from exporter.records.features import FeatureSet
from exporter.state import Store
from exporter.state.portable import BucketKey, Layout, Portable
from exporter.state.releases import Releases
from exporter.state.sent import Asked, Counted, Envelope, Sent
from exporter.summary.base import Integers
from exporter.summary.windows import MICROSECONDS
from mlslo.monitor import Spec

logger = logging.getLogger(__name__)

ALL_VERSIONS = "all"
"""Version under which all are sent: names of versions would disclose records."""


class PrivateCounts:
    """The private counts of one model, of all its predictions together.

    They are counted apart from all else. Whatever depends on other records (deliveries of one id, versions and segment
    values past a limit, buckets that merge) would let one record change more than its own cells.
    """

    def __init__(self, model: str, spec: Spec, schema: Schema, store: Store) -> None:
        """Raises MissingOpenDPError."""
        assert spec.privacy is not None
        self._model = model
        self._schema = schema
        self._store = store
        self._cells = PrivateCells.of(schema, graded=spec.predictions.fields.status is not None)
        self._noise = Laplace(len(self._cells.places), self._cells.l1, spec.privacy.epsilon)
        self._period = int(spec.privacy.period.seconds * MICROSECONDS)
        self._grace = int(spec.privacy.grace.seconds * MICROSECONDS)
        self._shape = schema.shapes[TRAFFIC]
        settings = f"{self._shape.digest} {self._cells.digest} {spec.privacy.model_dump_json()}"
        self._digest = hashlib.sha256(settings.encode()).hexdigest()[:16]
        self._releases = Releases(store.connection)
        self._late = 0
        # A release that was sent and then forgotten would be drawn again.
        store.outlast_power_loss()

    def start(self, cycle: CycleTime) -> None:
        """Begin, where that was not done before. In a transaction."""
        self._releases.begin(
            self._digest, lambda time: -(-time // self._period) * self._period, cycle.reached
        )

    def take(self, columns: PredictionColumns, known: FeatureSet) -> None:
        """Count usable predictions, in the transaction of their batch. ``known``: what their codes stand for."""
        timely = np.flatnonzero(columns.time >= self._releases.until)
        self._late += len(columns.time) - len(timely)
        if not len(timely):
            return
        rows = self._schema.prepare(columns, known)
        starts = columns.time - columns.time % self._period
        for start in np.unique(starts[timely]).tolist():
            mine = timely[starts[timely] == start]
            nowhere = np.zeros(len(mine), dtype=np.intp)
            (vector,) = self._schema.fold_traffic(rows.take(mine), nowhere, 1).stack_vectors()
            self._releases.add(start, self._cells.counts(vector))

    def release(self, cycle: CycleTime, expired: int) -> None:
        """Release each period that is over for as long as its records may be late; its end depends on the clock alone.

        ``expired``: what ended before is in no window.
        """
        with self._store.transaction():
            self._releases.skip(expired - expired % self._period)
            while self._releases.until + self._period + self._grace <= cycle.settled:
                self._releases.release(self._period, len(self._cells.places), self._noise.release)
        if self._late:
            logger.warning(
                "model %s: %d records came for periods that were released before, or are older than the state: they "
                "are in no private release",
                self._model,
                self._late,
            )
            self._late = 0

    def page(self, counted: Counted, asked: Asked) -> Sent:
        """Return the releases that ``asked`` lacks, and nothing else that was counted. In a transaction."""
        releases, until = self._releases.all(), self._releases.until
        digest, _, since = asked.since.partition("-")
        known = int(since) if digest == self._digest and since.isdecimal() else 0
        keys = {
            start: BucketKey(TRAFFIC, self._shape.digest, ALL_VERSIONS, "", "", start) for start in releases
        }
        portable = Portable(
            {(TRAFFIC, self._shape.digest): Layout.of(self._shape)},
            {
                keys[start]: (self._cells.places.astype(np.uint32), counts.astype(np.float64))
                for start, counts in releases.items()
                if start >= known
            },
            {ALL_VERSIONS: (min(releases), until)} if releases else {},
            unchanged=frozenset(key for start, key in keys.items() if start < known),
        )
        envelope = Envelope(
            model=counted.model,
            identity=self._store.marks.identity(),
            counted_by=counted.counted_by,
            at=counted.at,
            cursor=f"{self._digest}-{until}",
            more=None,
        )
        return Sent(envelope, portable)


class MissingOpenDPError(Exception):
    """The extra 'privacy' is not installed."""


class Laplace:
    """Noise on vectors of ``size`` counts, of which one record changes ``l1`` together at most."""

    def __init__(self, size: int, l1: int, epsilon: float) -> None:
        """Raises MissingOpenDPError, and ValueError where OpenDP does not certify ``epsilon``."""
        try:
            import opendp.prelude as dp
        except ImportError:
            raise MissingOpenDPError(f"'privacy' {needs('privacy')}") from None
        dp.enable_features("contrib")
        domain, metric = dp.vector_domain(dp.atom_domain(T="i64"), size=size), dp.l1_distance(T="i64")
        self.scale = l1 / epsilon
        make: Any = dp.m.make_laplace
        self._measurement = make(domain, metric, self.scale)
        # The quotient may be rounded down, and OpenDP rounds up.
        while self._measurement.map(l1) > epsilon:
            self.scale = float(np.nextafter(self.scale, np.inf))
            self._measurement = make(domain, metric, self.scale)
        if not 0 < self._measurement.map(l1) <= epsilon:
            raise ValueError(f"no noise is certified for epsilon {epsilon}")

    def release(self, counts: Integers) -> Integers:
        """Return ``counts`` with noise, once."""
        return np.array(self._measurement(counts.tolist()), dtype=np.int64)
