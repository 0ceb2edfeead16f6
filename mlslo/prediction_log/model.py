"""A scikit-learn model that logs what it predicts."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

from mlslo.prediction_log.log import PredictionLog
from mlslo.prediction_log.request import CURRENT


class LoggedModel:
    """Wraps a model: ``predict`` and ``predict_proba`` answer as its own do, and write a record for each row.

    In a request that ``PredictionLogMiddleware`` sees, the rows are that request's, with its id, latency and status.
    All other attributes are the model's.

    Scores: of two classes the probability of the second, of more an object class -> probability, of a model without
    classes the predicted value.
    """

    def __init__(self, model: Any, log: PredictionLog, *, features: Sequence[str] | None = None) -> None:
        """``features``: names of the columns, where neither the rows nor the model know them."""
        self._model = model
        self._log = log
        self._features = None if features is None else list(features)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._model, name)

    def predict(self, rows: Any, *, ids: Sequence[str] | None = None) -> Any:
        """Return the model's predictions. ``ids``: of the rows, shape (rows,)."""
        started = time.perf_counter()
        found = self._model.predict(rows)
        values = _listed(found)
        key = "prediction" if hasattr(self._model, "classes_") else "score"
        self._write(rows, [{key: value} for value in values], ids, time.perf_counter() - started)
        return found

    def predict_proba(self, rows: Any, *, ids: Sequence[str] | None = None) -> Any:
        """Return the model's probabilities. ``ids``: of the rows, shape (rows,)."""
        started = time.perf_counter()
        found = self._model.predict_proba(rows)
        classes = [str(name) for name in _listed(self._model.classes_)]
        scores = [
            {"score": row[1] if len(classes) == 2 else dict(zip(classes, row, strict=True))}
            for row in _listed(found)
        ]
        self._write(rows, scores, ids, time.perf_counter() - started)
        return found

    def _write(
        self, rows: Any, outputs: list[dict[str, Any]], ids: Sequence[str] | None, latency: float
    ) -> None:
        names = self._names(rows)
        values = _listed(rows.to_numpy() if hasattr(rows, "to_numpy") else rows)
        found = []
        for position, (row, output) in enumerate(zip(values, outputs, strict=True)):
            record: dict[str, Any] = {**output, "features": dict(zip(names, row, strict=True))}
            if ids is not None:
                record["id"] = ids[position]
            found.append(record)
        request = CURRENT.get()
        if request is None:
            for record in found:
                self._log.write(latency_seconds=latency, **record)
        elif len(request.rows) == len(found):
            # The same rows: ``predict`` after ``predict_proba``.
            for known, record in zip(request.rows, found, strict=True):
                known.update(record)
        else:
            request.rows += found

    def _names(self, rows: Any) -> list[str]:
        names = getattr(rows, "columns", self._features)
        if names is None:
            names = getattr(self._model, "feature_names_in_", None)
        if names is None:
            names = [f"x{position}" for position in range(len(rows[0]))]
        return [str(name) for name in names]


def _listed(values: Any) -> list[Any]:
    """Return an array as lists; lists as they are."""
    found: list[Any] = values.tolist() if hasattr(values, "tolist") else list(values)
    return found
