"""A scikit-learn model that logs what it predicts."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
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
        key = "prediction" if hasattr(self._model, "classes_") else "score"
        latency = time.perf_counter() - started
        self._log_rows(rows, found, lambda value: {key: value}, ids, latency)
        return found

    def predict_proba(self, rows: Any, *, ids: Sequence[str] | None = None) -> Any:
        """Return the model's probabilities. ``ids``: of the rows, shape (rows,)."""
        started = time.perf_counter()
        found = self._model.predict_proba(rows)
        self._log_rows(rows, found, self._score, ids, time.perf_counter() - started)
        return found

    def _score(self, row: Sequence[float]) -> dict[str, Any]:
        classes = [str(name) for name in _listed(self._model.classes_)]
        return {"score": row[1] if len(classes) == 2 else dict(zip(classes, row, strict=True))}

    def _log_rows(
        self,
        rows: Any,
        answer: Any,
        output: Callable[[Any], dict[str, Any]],
        ids: Sequence[str] | None,
        latency: float,
    ) -> None:
        """Write a record for each row. Raises nothing: the model has answered, whatever becomes of its log."""
        try:
            self._write(self._records(rows, map(output, _listed(answer)), ids), latency)
        except Exception as error:
            number = len(answer) if hasattr(answer, "__len__") else 1
            self._log.drop(number, f"rows cannot be written: {type(error).__name__}: {error}")

    def _records(
        self, rows: Any, outputs: Iterable[dict[str, Any]], ids: Sequence[str] | None
    ) -> list[dict[str, Any]]:
        values = _rows(rows)
        names = self._names(rows, len(values[0]) if values else 0)
        found = []
        for position, (row, output) in enumerate(zip(values, outputs, strict=True)):
            record: dict[str, Any] = {**output, "features": dict(zip(names, row, strict=True))}
            if ids is not None:
                record["id"] = ids[position]
            found.append(record)
        return found

    def _write(self, found: list[dict[str, Any]], latency: float) -> None:
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

    def _names(self, rows: Any, number: int) -> list[str]:
        names = getattr(rows, "columns", self._features)
        if names is None:
            names = getattr(self._model, "feature_names_in_", None)
        if names is None:
            names = [f"x{position}" for position in range(number)]
        return [str(name) for name in names]


def _rows(rows: Any) -> list[list[Any]]:
    """Return the values of each row; of a text, or another single value, that one."""
    if hasattr(rows, "toarray"):
        # scipy's sparse matrices.
        rows = rows.toarray()
    values = _listed(rows.to_numpy() if hasattr(rows, "to_numpy") else rows)
    several = (list, tuple)
    return [
        list(row) if isinstance(row, several) else _listed(row) if hasattr(row, "tolist") else [row]
        for row in values
    ]


def _listed(values: Any) -> list[Any]:
    """Return an array as lists; lists as they are."""
    found: list[Any] = values.tolist() if hasattr(values, "tolist") else list(values)
    return found
