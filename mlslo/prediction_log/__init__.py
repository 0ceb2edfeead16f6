"""Prediction logs that ``mlslo-exporter`` reads, written by the model server. Needs nothing but Python.

From outside: ``PredictionLog`` writes records, ``LoggedModel`` wraps a scikit-learn model, ``PredictionLogMiddleware``
an ASGI application. The records are described in docs/logging.md, and by docs/schemas/prediction-record.json.
"""

from mlslo.prediction_log.asgi import PredictionLogMiddleware
from mlslo.prediction_log.log import PredictionLog
from mlslo.prediction_log.model import LoggedModel
from mlslo.prediction_log.request import annotate

__all__ = ["LoggedModel", "PredictionLog", "PredictionLogMiddleware", "annotate"]
