"""`mlslo-exporter once`: a log goes in, gauges come out, and they are right."""

from __future__ import annotations

import subprocess
from pathlib import Path

import numpy as np
import pytest
from sklearn import metrics

from tests.exporter.statistics.test_oracles import plain_ece, plain_psi, plain_reliability
from tests.support.commands import exporter
from tests.support.logs import AT, EPOCH, monitor, once, record, value, write_lines, write_monitor
from tests.support.tools import tool


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, np.ndarray]]:
    """An hour of a calibrated model that drifts, with its reference and labels."""
    folder = tmp_path_factory.mktemp("recorded")
    rng = np.random.default_rng(11)
    rows, reference_rows = 6000, 9000
    data = {
        "at": np.sort(rng.uniform(0, 3600, rows)),
        "amount": rng.lognormal(0.4, 1, rows),
        "balance": np.where(rng.random(rows) < 0.05, np.nan, rng.normal(100, 15, rows)),
        "country": rng.choice(["DE", "FR", "IT", "XX"], rows, p=[0.5, 0.3, 0.1, 0.1]),
        "status": np.where(rng.random(rows) < 0.02, 503, 200),
        "latency": rng.lognormal(3, 0.7, rows),
    }
    score = 1 / (1 + np.exp(4 - data["amount"]))
    data |= {
        "score": score,
        "label": (rng.random(rows) < score).astype(int),
        "labelled": rng.random(rows) < 0.7,
    }
    write_lines(
        folder / "logs/predictions.jsonl",
        (
            record(
                i,
                at=data["at"][i],
                status=int(data["status"][i]),
                latency_ms=data["latency"][i],
                score=score[i],
                prediction=int(score[i] >= 0.5),
                features={
                    "amount": data["amount"][i],
                    "balance": None if np.isnan(data["balance"][i]) else data["balance"][i],
                    "country": str(data["country"][i]),
                },
            )
            for i in range(rows)
        ),
    )
    write_lines(
        folder / "logs/labels.jsonl",
        (
            {"id": f"r{i}", "label": int(data["label"][i]), "ts": EPOCH + data["at"][i] + 600}
            for i in np.flatnonzero(data["labelled"])
        ),
    )
    reference = {
        "amount_reference": rng.lognormal(0, 1, reference_rows),
        "balance_reference": rng.normal(100, 15, reference_rows),
        "country_reference": rng.choice(["DE", "FR", "IT"], reference_rows, p=[0.6, 0.3, 0.1]),
    }
    write_lines(
        folder / "training.jsonl",
        (
            {
                "score": 1 / (1 + np.exp(4 - amount)),
                "features": {"amount": amount, "balance": balance, "country": str(country)},
            }
            for amount, balance, country in zip(*reference.values(), strict=True)
        ),
    )
    write_monitor(folder, monitor(references={"training": {"static": "training.json"}}, minSamples=200))
    exporter(
        "baseline",
        folder / "monitor.yaml",
        "--data",
        folder / "training.jsonl",
        "--out",
        folder / "training.json",
    )
    return folder, data | reference


def test_service_gauges(recorded: tuple[Path, dict[str, np.ndarray]]) -> None:
    folder, data = recorded
    gauges = once(folder / "monitor.yaml")
    rows = len(data["at"])
    assert value(gauges, "ml_predictions_total", model="m", version="v1") == rows
    errors = np.count_nonzero(data["status"] == 503)
    assert value(gauges, "ml_prediction_errors_total", code="503") == errors
    assert value(gauges, "ml_predictions_per_second", window="1h") == pytest.approx(rows / 3600)
    assert value(gauges, "ml_prediction_error_ratio", window="1h") == pytest.approx(errors / rows)
    seconds = data["latency"] / 1000
    for quantile in ("0.5", "0.9", "0.95", "0.99"):
        exact = np.quantile(seconds, float(quantile))
        assert value(gauges, "ml_prediction_latency_quantile_seconds", quantile=quantile) == pytest.approx(
            exact, rel=0.02
        )
    for bound in ("0.005", "0.25", "0.5", "10.0"):
        within = np.count_nonzero(seconds <= float(bound))
        assert value(gauges, "ml_prediction_latency_seconds_bucket", le=bound) == within
    assert value(gauges, "ml_prediction_latency_seconds_count") == rows
    assert value(gauges, "ml_prediction_latency_seconds_sum") == pytest.approx(seconds.sum())


def test_data_gauges(recorded: tuple[Path, dict[str, np.ndarray]]) -> None:
    folder, data = recorded
    gauges = once(folder / "monitor.yaml")
    for feature in ("amount", "balance"):
        current = data[feature][~np.isnan(data[feature])]
        psi = value(gauges, "ml_feature_psi", feature=feature, reference="training", window="1h")
        assert psi == pytest.approx(plain_psi(current, data[f"{feature}_reference"]), abs=1e-9)
    missing = np.mean(np.isnan(data["balance"]))
    assert value(gauges, "ml_feature_missing_ratio", feature="balance") == pytest.approx(missing)
    assert value(gauges, "ml_feature_missing_ratio", feature="amount") == 0
    assert value(gauges, "ml_feature_missing_ratio_reference", feature="balance", reference="training") == 0
    new = np.mean(data["country"] == "XX")
    assert value(
        gauges, "ml_feature_new_category_ratio", feature="country", reference="training"
    ) == pytest.approx(new)
    categories = ["DE", "FR", "IT", "XX"]
    p, q = (
        np.maximum([np.mean(data[name] == category) for category in categories], 1e-4)
        for name in ("country", "country_reference")
    )
    psi = float(np.sum((p - q) * np.log(p / q)))
    assert value(gauges, "ml_feature_psi", feature="country") == pytest.approx(psi, abs=1e-9)
    assert value(gauges, "ml_feature_ks_statistic", feature="country") is None


def test_prediction_gauges(recorded: tuple[Path, dict[str, np.ndarray]]) -> None:
    folder, data = recorded
    gauges = once(folder / "monitor.yaml")
    assert value(gauges, "ml_prediction_mean", window="1h") == pytest.approx(data["score"].mean())
    positive = np.mean(data["score"] >= 0.5)
    assert value(gauges, "ml_prediction_class_ratio", **{"class": "1"}) == pytest.approx(positive)
    assert value(gauges, "ml_prediction_class_ratio", **{"class": "0"}) == pytest.approx(1 - positive)
    assert value(gauges, "ml_prediction_top_value_ratio") == pytest.approx(1 / len(data["score"]), abs=0.003)
    reference = 1 / (1 + np.exp(4 - data["amount_reference"]))
    assert value(gauges, "ml_prediction_psi", reference="training") == pytest.approx(
        plain_psi(data["score"], reference), abs=1e-9
    )


def test_outcome_gauges(recorded: tuple[Path, dict[str, np.ndarray]]) -> None:
    folder, data = recorded
    gauges = once(folder / "monitor.yaml")
    score, label = data["score"][data["labelled"]], data["label"][data["labelled"]]
    predicted = score >= 0.5
    bins = plain_reliability(score, label)
    expected = {
        "ml_model_auc_roc": (metrics.roc_auc_score(label, score), 0.001),
        "ml_model_auc_pr": (metrics.average_precision_score(label, score), 0.003),
        "ml_model_accuracy": (metrics.accuracy_score(label, predicted), 1e-9),
        "ml_model_precision": (metrics.precision_score(label, predicted), 1e-9),
        "ml_model_recall": (metrics.recall_score(label, predicted), 1e-9),
        "ml_model_f1": (metrics.f1_score(label, predicted), 1e-9),
        "ml_model_log_loss": (metrics.log_loss(label, score), 1e-9),
        "ml_model_brier_score": (metrics.brier_score_loss(label, score), 1e-9),
        "ml_calibration_error": (plain_ece(score, label), 1e-9),
        "ml_label_coverage_ratio": (data["labelled"].mean(), 1e-9),
        "ml_label_positive_ratio": (label.mean(), 1e-9),
        "ml_calibration_max_error": (
            max(abs(confidence - observed) for confidence, observed in bins.values()),
            1e-9,
        ),
    }
    for name, (exact, tolerance) in expected.items():
        assert value(gauges, name, window="1h", version="v1") == pytest.approx(exact, abs=tolerance), name
    matrix = metrics.confusion_matrix(label, predicted, normalize="all")
    for actual in (0, 1):
        for guess in (0, 1):
            cell = value(gauges, "ml_model_confusion_ratio", actual=str(actual), predicted=str(guess))
            assert cell == pytest.approx(matrix[actual, guess])
    assert len(gauges["ml_calibration_bin_confidence"]) == len(bins)
    for upper, (confidence, observed) in bins.items():
        assert value(gauges, "ml_calibration_bin_confidence", bin=upper) == pytest.approx(confidence)
        assert value(gauges, "ml_calibration_bin_observed_ratio", bin=upper) == pytest.approx(observed)
    assert value(gauges, "ml_label_delay_seconds", quantile="0.5") == pytest.approx(600, rel=0.01)
    assert value(gauges, "ml_labels_unmatched_total") == 0


def test_a_window_is_exact_as_of_any_moment(recorded: tuple[Path, dict[str, np.ndarray]]) -> None:
    folder, data = recorded
    content = monitor(windows=["7m", "13s", "1h"], references=None)
    path = folder / "windows.yaml"
    write_monitor(folder, content).rename(path)
    write_monitor(folder, monitor(references={"training": {"static": "training.json"}}, minSamples=200))
    gauges = once(path, at="2026-01-10T00:41:27Z")
    end = 41 * 60 + 27
    for window, length in (("7m", 420), ("13s", 13), ("1h", 3600)):
        inside = np.count_nonzero((data["at"] >= end - length) & (data["at"] < end))
        assert value(gauges, "ml_monitor_samples", window=window) == inside
        assert value(gauges, "ml_predictions_per_second", window=window) == pytest.approx(inside / length)


def test_the_page_passes_the_linter_but_for_one_name(recorded: tuple[Path, dict[str, np.ndarray]]) -> None:
    """`ml_gauge_withheld` is the contract's name; promtool dislikes the word gauge in it, and nothing else."""

    folder, _ = recorded
    page = exporter("once", folder / "monitor.yaml", "--at", AT).stdout
    done = subprocess.run(
        [tool("promtool"), "check", "metrics"], input=page, capture_output=True, text=True, check=False
    )
    complaints = [
        line for line in (done.stderr + done.stdout).splitlines() if "ml_gauge_withheld" not in line
    ]
    assert complaints == []


def test_the_recorded_order_does_not_matter(
    recorded: tuple[Path, dict[str, np.ndarray]], tmp_path: Path
) -> None:
    folder, _ = recorded
    lines = (folder / "logs/predictions.jsonl").read_text().splitlines()
    np.random.default_rng(1).shuffle(lines)
    half = len(lines) // 2
    write_lines(tmp_path / "logs/predictions-a.jsonl", lines[:half])
    write_lines(tmp_path / "logs/predictions-b.jsonl", lines[half:])
    write_lines(
        tmp_path / "logs/labels.jsonl", reversed((folder / "logs/labels.jsonl").read_text().splitlines())
    )
    (tmp_path / "training.json").write_text((folder / "training.json").read_text())
    path = write_monitor(
        tmp_path, monitor(references={"training": {"static": "training.json"}}, minSamples=200)
    )
    ordered, shuffled = once(folder / "monitor.yaml"), once(path)
    for name in ("ml_feature_psi", "ml_model_auc_roc", "ml_model_log_loss", "ml_monitor_samples"):
        assert [number for _, number in shuffled[name]] == pytest.approx(
            [number for _, number in ordered[name]]
        )


def test_output_is_the_same_for_the_same_input(recorded: tuple[Path, dict[str, np.ndarray]]) -> None:
    folder, _ = recorded
    pages = [exporter("once", folder / "monitor.yaml", "--at", AT).stdout for _ in range(2)]
    of_the_clock = ("ml_monitor_last_success_timestamp_seconds", "ml_monitor_cycle_duration_seconds")
    one, other = ([line for line in page.splitlines() if not line.startswith(of_the_clock)] for page in pages)
    assert one == other
