"""Counters of what was read, and marks of what was last seen."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np

from exporter.fold.grouping import CycleTime
from exporter.fold.version_schemas import VersionSchemas
from exporter.records.columns import ERROR, NO_RESPONSE, REASONS, PredictionColumns
from exporter.records.features import present
from exporter.records.latency import ENOUGH, doubt
from exporter.state import Store, last_seen
from exporter.summary.base import Floats, Integers
from exporter.summary.sums import sums
from exporter.summary.windows import Buckets
from mlslo.monitor import Spec

logger = logging.getLogger(__name__)

LATENCY_SUM = "ml_prediction_latency_seconds_sum"
"""Counter of all latencies: by version; and by version and limb of their exact sum, of which it is the total."""


class Counting:
    """The counters of one model. ``spec``: as the user wrote it."""

    def __init__(
        self, model: str, spec: Spec, schemas: VersionSchemas, store: Store, buckets: Buckets
    ) -> None:
        self._model = model
        self._spec = spec
        self._schemas = schemas
        self._store = store
        self._finest = buckets.finest
        self._labelled = spec.labels is not None
        self._timed = spec.predictions.fields.latency is not None
        # The first latencies, until their unit has been looked at.
        self._looked_at: Floats | None = np.empty(0) if self._timed else None
        self._latency_bounds = np.array([bucket.seconds for bucket in spec.latencyBuckets])

    def start(self, sinks: Mapping[str, Sequence[str]]) -> None:
        """Make counters known at 0, so that their first increase is seen as one.

        ``sinks``: name -> reasons of its own for which it rejects records.
        """
        counters = self._store.counters
        for sink, own in sinks.items():
            counters.add("ml_sink_records_total", (sink,), 0)
            counters.add("ml_sink_late_records_total", (sink,), 0)
            for reason in (*REASONS[sink], *own):
                counters.add("ml_sink_rejected_records_total", (sink, reason), 0)
        if self._labelled:
            counters.add("ml_labels_unmatched_total", (), 0)
            counters.add("ml_labels_revised_total", (), 0)
        if "skew" in sinks:
            for side in ("served", "offline"):
                counters.add("ml_skew_unmatched_total", (side,), 0)
        counters.add("ml_series_dropped_total", ("too_many_versions",), 0)
        if self._schemas.segments or self._schemas.attributes:
            counters.add("ml_series_dropped_total", ("too_many_segment_values",), 0)

    def records(
        self,
        sink: str,
        records: int,
        rejected: Counter[str],
        passed_over: Counter[str],
        times: Integers,
        cycle: CycleTime,
        *,
        may_be_late: bool,
    ) -> None:
        """Count what a batch of ``sink`` held.

        ``passed_over``: records that were never decoded, by reason. ``may_be_late``: labels always come afterwards.
        """
        counters = self._store.counters
        counters.add("ml_sink_records_total", (sink,), records + passed_over.total())
        for reason, number in (rejected + passed_over).items():
            counters.add("ml_sink_rejected_records_total", (sink, reason), number)
        if len(times):
            self._store.marks.rise(f"{sink} event", int(times.max()), cycle.latest)
        if may_be_late and cycle.measured is not None:
            measured = cycle.measured - cycle.measured % self._finest
            counters.add("ml_sink_late_records_total", (sink,), int(np.count_nonzero(times < measured)))

    def predictions(self, columns: PredictionColumns, versions: Integers, names: dict[int, str]) -> None:
        """Count usable predictions, errors and latencies by version."""
        counters = self._store.counters
        self._doubt_unit(columns.latency)
        for number, name in names.items():
            mine = versions == number
            counters.add("ml_predictions_total", (name,), int(np.count_nonzero(mine)))
            codes, errors = np.unique(columns.status[mine & (columns.status >= ERROR)], return_counts=True)
            for code, number_of_errors in zip(codes, errors, strict=True):
                counters.add("ml_prediction_errors_total", (name, error_code(code)), int(number_of_errors))
            if self._timed:
                self._count_latency(columns.latency[mine], name)

    def mark_features(
        self, columns: PredictionColumns, versions: Integers, names: dict[int, str], cycle: CycleTime
    ) -> None:
        """Remember when each feature was last there."""
        for number, name in names.items():
            schema = self._schemas.of(name)
            mine = versions == number
            for feature, kind in schema.kinds.items():
                view = kind.primary(feature)
                if view in schema.binnings and (there := mine & present(columns.features[view])).any():
                    self._store.marks.rise(
                        last_seen(name, feature), int(columns.time[there].max()), cycle.latest
                    )

    def _doubt_unit(self, latency: Floats) -> None:
        """Say once where the latencies that come first cannot be in the unit that the file says."""
        if self._looked_at is None:
            return
        first = np.concatenate([self._looked_at, latency[latency >= 0]])
        if len(first) < ENOUGH:
            self._looked_at = first
            return
        self._looked_at = None
        if (doubted := doubt(first, self._spec)) is not None:
            logger.warning("model %s: %s", self._model, doubted)

    def _count_latency(self, latency: Floats, version: str) -> None:
        counters = self._store.counters
        usable = latency[latency >= 0]
        cells = np.searchsorted(self._latency_bounds, usable, side="left")
        counts = np.bincount(cells, minlength=len(self._latency_bounds) + 1)
        for bound, number in zip([*self._latency_bounds.tolist(), float("inf")], counts, strict=True):
            counters.add("ml_prediction_latency_seconds_bucket", (version, repr(bound)), int(number))
        # Limb by limb, with what one of them counts as a label: exact, in whatever order and batches records come.
        limbs = sums(np.zeros(len(usable), dtype=np.intp), 1, usable)[0]
        counters.add(LATENCY_SUM, (version,), 0)
        for limb in np.flatnonzero(limbs).tolist():
            counters.add(LATENCY_SUM, (version, str(limb)), float(limbs[limb]))


def error_code(status: int) -> str:
    """Return the label ``code`` of an error."""
    return "no_response" if status == NO_RESPONSE else str(status) if status < 600 else "other"
