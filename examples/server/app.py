"""A model server: scikit-learn behind FastAPI, with a prediction log that mlslo-exporter reads.

    .venv/bin/uvicorn examples.server.app:app --port 8000

The log is written to ``$PREDICTION_LOG`` (by default logs/predictions.jsonl beside this file).
"""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
from fastapi import FastAPI, HTTPException
from pydantic import BaseModel, Field
from sklearn.datasets import load_breast_cancer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from mlslo.prediction_log import LoggedModel, PredictionLog, PredictionLogMiddleware

NAMES = ["mean radius", "mean texture", "mean smoothness", "mean symmetry"]


class Tumours(BaseModel):
    """Measurements to predict from, a row a tumour: the means of radius, texture, smoothness and symmetry."""

    rows: list[list[float]] = Field(min_length=1, max_length=1000)


class Prediction(BaseModel):
    """P(benign) of each row."""

    scores: list[float]


def _trained() -> LoggedModel:
    data = load_breast_cancer()
    columns = [list(data.feature_names).index(name) for name in NAMES]
    model = make_pipeline(StandardScaler(), LogisticRegression())
    model.fit(data.data[:, columns], data.target)
    return LoggedModel(model, log, features=NAMES)


log = PredictionLog(
    os.environ.get("PREDICTION_LOG", Path(__file__).parent / "logs" / "predictions.jsonl"), version="1.0.0"
)
model = _trained()
app = FastAPI(title="Breast cancer")
app.add_middleware(PredictionLogMiddleware, log=log)


@app.post("/predict")
def predict(tumours: Tumours) -> Prediction:
    """Return P(benign) of each row; each becomes a record of the log, with this request's latency and status."""
    if any(len(row) != len(NAMES) for row in tumours.rows):
        raise HTTPException(422, f"expected {len(NAMES)} numbers a row: {', '.join(NAMES)}")
    return Prediction(scores=model.predict_proba(np.array(tumours.rows))[:, 1].tolist())
