"""A model of numbers through the public commands, against scikit-learn; constants, zeros and enormous values."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn import metrics
from sklearn.datasets import load_diabetes
from sklearn.linear_model import LinearRegression
from sklearn.model_selection import cross_val_predict

from tests.support.commands import exporter
from tests.support.logs import EPOCH, Gauges, monitor, once, value, write_lines, write_monitor

pytestmark = pytest.mark.slow

TRAINED = 200
ZEROS = 5
FIELDS = {"timestamp": "ts", "id": "id", "version": "version", "prediction": "out.value"}


def spec(**more: Any) -> dict[str, Any]:
    predictions = {"sink": {"file": {"path": "logs/predictions.jsonl"}}, "fields": FIELDS}
    return monitor(**{"task": "regression", "predictions": predictions, **more})


def write(folder: Path, predicted: Any, labels: Any, version: str = "v", *, at: float = 0.0) -> None:
    write_lines(
        folder / "logs/predictions.jsonl",
        (
            {"ts": EPOCH + at + i, "id": f"{version}{i}", "version": version, "out": {"value": number}}
            for i, number in enumerate(predicted)
        ),
    )
    write_lines(
        folder / "logs/labels.jsonl",
        ({"ts": EPOCH + at + i + 5, "id": f"{version}{i}", "label": label} for i, label in enumerate(labels)),
    )


@pytest.fixture(scope="module")
def diabetes() -> tuple[Any, Any]:
    data = load_diabetes()
    return cross_val_predict(LinearRegression(), data.data, data.target, cv=3), data.target


@pytest.fixture(scope="module")
def gauges(diabetes: tuple[Any, Any], tmp_path_factory: pytest.TempPathFactory) -> Gauges:
    """The labels of the reference are lower; five labels of the window are 0."""
    folder = tmp_path_factory.mktemp("diabetes")
    predicted, target = diabetes
    write_lines(
        folder / "train.jsonl",
        (
            {"out": {"value": float(x)}, "label": float(y) * 0.8}
            for x, y in zip(predicted[:TRAINED], target, strict=False)
        ),
    )
    labels = np.where(np.arange(len(target)) < TRAINED + ZEROS, 0.0, target)[TRAINED:]
    write(folder, predicted[TRAINED:].tolist(), labels.tolist())
    path = write_monitor(folder, spec(references={"training": {"static": "reference.json"}}))
    exporter("baseline", path, "--data", folder / "train.jsonl", "--out", folder / "reference.json")
    assert f"{predicted[TRAINED]:.6g}" in exporter("check", path).stdout
    return once(path)


def test_outcomes_agree_with_scikit_learn(gauges: Gauges, diabetes: tuple[Any, Any]) -> None:
    predicted, labels = diabetes[0][TRAINED:], diabetes[1][TRAINED:].copy()
    labels[:ZEROS] = 0
    assert value(gauges, "ml_model_mae") == pytest.approx(metrics.mean_absolute_error(labels, predicted))
    assert value(gauges, "ml_model_rmse") == pytest.approx(metrics.root_mean_squared_error(labels, predicted))
    assert value(gauges, "ml_model_r2") == pytest.approx(metrics.r2_score(labels, predicted))
    mape = metrics.mean_absolute_percentage_error(labels[ZEROS:], predicted[ZEROS:])
    assert value(gauges, "ml_model_mape") == pytest.approx(mape)
    assert value(gauges, "ml_model_mean_error") == pytest.approx((predicted - labels).mean())
    assert value(gauges, "ml_label_mean") == pytest.approx(labels.mean())
    assert value(gauges, "ml_prediction_mean") == pytest.approx(predicted.mean())
    assert value(gauges, "ml_prediction_stddev") == pytest.approx(predicted.std())
    assert value(gauges, "ml_label_delay_seconds", quantile="0.5") == pytest.approx(5, rel=0.01)
    assert "ml_model_accuracy_by_delay" not in gauges


def test_labels_drift_over_the_deciles_of_the_reference(gauges: Gauges, diabetes: tuple[Any, Any]) -> None:
    trained = diabetes[1][:TRAINED] * 0.8
    labels = diabetes[1][TRAINED:].copy()
    labels[:ZEROS] = 0
    edges = np.quantile(trained, np.arange(1, 10) / 10)
    shares = [
        np.maximum(np.bincount(np.searchsorted(edges, x, side="left"), minlength=10) / len(x), 1e-4)
        for x in (labels, trained)
    ]
    expected = float(np.sum((shares[0] - shares[1]) * np.log(shares[0] / shares[1])))
    assert value(gauges, "ml_label_psi", reference="training") == pytest.approx(expected)
    level = value(gauges, "ml_label_drift_noise_level", reference="training", statistic="psi")
    assert level is not None
    assert expected > level > 0


def test_what_is_not_defined_is_withheld(tmp_path: Path) -> None:
    """Each version is a case of its own."""
    rng = np.random.default_rng(0)
    rows = 40
    noise = rng.normal(size=rows)
    cases: dict[str, tuple[list[float], list[float]]] = {
        "constant": ([2.0] * rows, [3.0] * rows),
        "zeros": (noise.tolist(), [0.0] * rows),
        "some zeros": (noise.tolist(), [0.0] * 25 + [2.0] * 15),
        "huge": (noise.tolist(), (noise * 1e300).tolist()),
        "enormous": ([-1.7e308] * rows, [1.7e308] * rows),
        "outlier": (noise.tolist(), [*noise[1:].tolist(), 1e12]),
        "far away": ((1e9 + noise).tolist(), (1e9 + 0.5 * noise).tolist()),
        "two": ([1.0, 2.0], [1.0, 3.0]),
    }
    for version, (predicted, labels) in cases.items():
        write(tmp_path, predicted, labels, version)
    gauges = once(write_monitor(tmp_path, spec(minSamples=20)))
    assert all(np.isfinite(number) for series in gauges.values() for _, number in series)

    def of(version: str) -> dict[str, float | str]:
        found: dict[str, float | str] = {}
        for name in ("mae", "rmse", "mape", "r2", "mean_error"):
            metric = f"ml_model_{name}"
            number = value(gauges, metric, version=version)
            reasons = [
                labels["reason"]
                for labels, _ in gauges["ml_gauge_withheld"]
                if labels["version"] == version and labels["gauge"] == metric
            ]
            assert (number is None) == bool(reasons)
            found[name] = reasons[0] if number is None else number
        return found

    assert of("constant") == {
        "mae": 1,
        "rmse": 1,
        "mape": pytest.approx(1 / 3),
        "r2": "undefined",
        "mean_error": -1,
    }
    assert of("zeros")["mape"] == "too_few_samples"
    assert of("zeros")["r2"] == "undefined"
    # 15 labels are not 0, and 20 are asked for.
    assert of("some zeros")["mape"] == "too_few_samples"
    assert isinstance(of("some zeros")["r2"], float)
    assert of("huge")["rmse"] == "undefined"
    assert of("huge")["mae"] == pytest.approx(np.mean(np.abs(noise - noise * 1e300)))
    assert set(of("enormous").values()) == {"undefined"}
    far, truth = map(np.array, cases["outlier"])
    assert of("outlier")["rmse"] == pytest.approx(metrics.root_mean_squared_error(truth, far))
    assert of("outlier")["r2"] == pytest.approx(metrics.r2_score(truth, far))
    # Without a reference sums are taken about 0, and nothing of this spread would be left.
    assert of("far away")["r2"] == "undefined"
    assert of("far away")["mae"] == pytest.approx(np.mean(np.abs(0.5 * noise)), rel=1e-6)
    assert set(of("two").values()) == {"too_few_samples"}


def test_a_reference_saves_the_spread_of_labels_far_from_zero(tmp_path: Path) -> None:
    noise = np.random.default_rng(1).normal(size=300)
    predicted, labels = 1e9 + noise, 1e9 + noise + 0.1 * noise[::-1]
    write_lines(tmp_path / "train.jsonl", ({"out": {"value": x}} for x in predicted.tolist()))
    write(tmp_path, predicted.tolist(), labels.tolist())
    path = write_monitor(tmp_path, spec(references={"training": {"static": "reference.json"}}))
    exporter("baseline", path, "--data", tmp_path / "train.jsonl", "--out", tmp_path / "reference.json")
    gauges = once(path)
    assert value(gauges, "ml_model_r2") == pytest.approx(metrics.r2_score(labels, predicted), abs=1e-6)
    withheld = {
        labels["gauge"]: labels["reason"]
        for labels, _ in gauges["ml_gauge_withheld"]
        if labels["gauge"] == "ml_label_psi"
    }
    assert withheld == {"ml_label_psi": "reference_without_labels"}


def test_few_labels_are_no_fair_sample(tmp_path: Path) -> None:
    noise = np.random.default_rng(2).normal(size=100)
    write(tmp_path, noise.tolist(), noise[:60].tolist())
    labels = {
        "sink": {"file": {"path": "logs/labels.jsonl"}},
        "fields": {"id": "id", "label": "label", "timestamp": "ts"},
    }
    gauges = once(write_monitor(tmp_path, spec(labels={**labels, "minCoverage": 0.7})))
    assert value(gauges, "ml_label_coverage_ratio") == pytest.approx(0.6)
    for name in ("ml_model_mae", "ml_model_r2", "ml_label_mean"):
        assert name not in gauges
        assert value(gauges, "ml_gauge_withheld", gauge=name, reason="labels_incomplete") == 1
    assert "ml_label_delay_seconds" in gauges
    gauges = once(write_monitor(tmp_path, spec(labels={**labels, "minCoverage": 0.6})))
    assert value(gauges, "ml_model_mae") == 0
