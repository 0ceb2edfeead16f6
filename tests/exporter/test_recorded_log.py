"""The recorded log of a real classifier: what the exporter measures is what the field's libraries measure."""

from __future__ import annotations

import json
import shutil
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from sklearn import metrics

from tests.exporter.statistics.test_oracles import plain_ece, plain_psi
from tests.support.commands import exporter
from tests.support.logs import Gauges, once, value
from tests.support.paths import DIABETES as EXAMPLE

pytestmark = pytest.mark.slow

MOMENTS = ("2025-01-06T07:45:00Z", "2025-01-06T09:25:00Z", "2025-01-06T10:10:00Z")
WINDOW = timedelta(minutes=30)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    copy = tmp_path_factory.mktemp("recorded") / "diabetes"
    shutil.copytree(EXAMPLE, copy)
    reference = copy / "references" / "validation.json"
    exporter("baseline", copy / "monitor.yaml", "--data", copy / "reference-data.jsonl", "--out", reference)
    return copy


def read(path: Path) -> pd.DataFrame:
    """A plain reading of a log, as one would in a notebook."""
    records: list[dict[str, Any]] = [json.loads(line) for line in path.read_text().splitlines()]
    frame = pd.json_normalize(records)
    if "ts" in frame:
        frame["ts"] = pd.to_datetime(frame["ts"])
    return frame


@pytest.fixture(scope="module", params=MOMENTS)
def moment(request: pytest.FixtureRequest, folder: Path) -> tuple[Gauges, pd.DataFrame]:
    """The gauges as of a moment, and the predictions of its window joined to their labels."""
    predictions, labels = read(folder / "logs/predictions.jsonl"), read(folder / "logs/labels.jsonl")
    end = datetime.fromisoformat(request.param)
    inside = predictions[(predictions["ts"] >= end - WINDOW) & (predictions["ts"] < end)]
    joined = inside.merge(labels.rename(columns={"ts": "label_ts"}), on="request_id", how="left")
    return once(folder / "monitor.yaml", at=request.param), joined


def of(gauges: Gauges, name: str, version: str, **labels: str) -> float | None:
    return value(gauges, name, window="30m", version=version, **labels)


def test_outcomes_agree_with_scikit_learn(moment: tuple[Gauges, pd.DataFrame]) -> None:
    gauges, frame = moment
    compared = 0
    for version, rows in frame.groupby("model_version"):
        labelled = rows.dropna(subset=["label", "score"])
        if len(labelled) < 200:
            assert of(gauges, "ml_model_auc_roc", str(version)) is None
            continue
        compared += 1
        label, score = labelled["label"].to_numpy(dtype=int), labelled["score"].to_numpy(dtype=float)
        predicted = labelled["prediction"].to_numpy(dtype=int)
        expected: dict[str, tuple[float, float]] = {
            "ml_model_auc_roc": (metrics.roc_auc_score(label, score), 0.001),
            "ml_model_auc_pr": (metrics.average_precision_score(label, score), 0.003),
            "ml_model_log_loss": (metrics.log_loss(label, score), 0.01),
            "ml_model_brier_score": (metrics.brier_score_loss(label, score), 0.001),
            "ml_model_accuracy": (metrics.accuracy_score(label, predicted), 0.001),
            "ml_model_recall": (metrics.recall_score(label, predicted), 0.001),
            "ml_calibration_error": (plain_ece(score, label), 0.001),
        }
        if predicted.any():
            expected["ml_model_precision"] = (metrics.precision_score(label, predicted), 0.001)
            expected["ml_model_f1"] = (metrics.f1_score(label, predicted), 0.001)
        for name, (exact, tolerance) in expected.items():
            assert of(gauges, name, str(version)) == pytest.approx(exact, abs=tolerance), name
    assert compared


def test_drift_agrees_with_numpy_and_scipy(moment: tuple[Gauges, pd.DataFrame], folder: Path) -> None:
    gauges, frame = moment
    reference = read(folder / "reference-data.jsonl")
    compared = 0
    for version, rows in frame.groupby("model_version"):
        for column in [name for name in reference if name.startswith("features.")]:
            feature = column.removeprefix("features.")
            current, past = rows[column].dropna(), reference[column].dropna()
            psi = of(gauges, "ml_feature_psi", str(version), feature=feature)
            if len(current) < 200:
                assert psi is None
                continue
            compared += 1
            if past.dtype.kind not in "fi":
                assert psi == pytest.approx(categorical_psi(current, past), abs=1e-9), feature
                continue
            now, then = current.to_numpy(dtype=float), past.to_numpy(dtype=float)
            assert psi == pytest.approx(plain_psi(now, then), abs=1e-9), feature
            exact = stats.ks_2samp(now, then).statistic
            measured = of(gauges, "ml_feature_ks_statistic", str(version), feature=feature)
            assert measured is not None
            assert -1e-9 <= exact - measured <= 1 / 100, feature
    assert compared


def categorical_psi(current: pd.Series[str], reference: pd.Series[str]) -> float:
    known = sorted(reference.unique())
    p, q = (
        np.maximum([np.mean(values == category) for category in known] + [np.mean(~values.isin(known))], 1e-4)
        for values in (current, reference)
    )
    return float(np.sum((p - q) * np.log(p / q)))


def test_service_agrees_with_a_plain_reading(moment: tuple[Gauges, pd.DataFrame]) -> None:
    gauges, frame = moment
    for version, rows in frame.groupby("model_version"):
        assert of(gauges, "ml_monitor_samples", str(version)) == len(rows)
        assert of(gauges, "ml_predictions_per_second", str(version)) == pytest.approx(
            len(rows) / WINDOW.total_seconds()
        )
        if len(rows) >= 200:
            errors = float(np.mean(rows["status"] >= 400))
            assert of(gauges, "ml_prediction_error_ratio", str(version)) == pytest.approx(errors)
