"""Predictions that are delivered twice count once."""

from __future__ import annotations

import logging

import numpy as np

from exporter.records.columns import PredictionColumns
from exporter.records.ids import LOOKED_AT, delivery_hashes, joined_hashes, repetition
from exporter.state import Store
from exporter.summary.base import Integers
from mlslo.monitor import Spec

logger = logging.getLogger(__name__)


class Deliveries:
    """The deliveries of one model's predictions. Without ids every record is one of its own.

    ``spec``: as the user wrote it.
    """

    def __init__(self, model: str, spec: Spec, store: Store) -> None:
        self._model = model
        self._store = store
        self._field = spec.predictions.fields.id
        self._hashes = delivery_hashes if spec.predictions.join is None else joined_hashes
        # The first ids, until it is clear whether they repeat.
        self._looked_at: Integers | None = np.empty(0, dtype=np.int64)

    def first(self, columns: PredictionColumns) -> PredictionColumns:
        """Return the records that are delivered for the first time; others are counted as ``duplicate``.

        Those of the same batch and those that were remembered are compared, inside the transaction of the batch.
        """
        identified = np.flatnonzero(columns.id)
        if self._field is None or not len(identified):
            return columns
        self._doubt(self._field, columns.id[identified])
        hashes = self._hashes(columns)[identified]
        repeated = self._store.delivered.take(columns.time[identified], hashes)
        if not repeated.any():
            return columns
        rows = np.zeros(len(columns.id), dtype=bool)
        rows[identified[repeated]] = True
        return columns.without(rows, "duplicate")

    def _doubt(self, field: str, ids: Integers) -> None:
        """Say once where the ids that come first cannot be those of requests."""
        if self._looked_at is None:
            return
        first = np.concatenate([self._looked_at, ids[:LOOKED_AT]])
        doubted = repetition(first, field)
        self._looked_at = first if doubted is None and len(first) < LOOKED_AT else None
        if doubted is not None:
            logger.warning("model %s: %s", self._model, doubted)
