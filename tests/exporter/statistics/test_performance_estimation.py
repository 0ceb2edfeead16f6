"""Estimated performance: isotonic calibration and plain per-row CBPE as oracles, and the truth under a shift."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn import metrics
from sklearn.datasets import load_breast_cancer
from sklearn.isotonic import IsotonicRegression
from sklearn.naive_bayes import GaussianNB

from exporter.fold.class_calibration import ClassCalibration
from exporter.references.reference import Calibration, Reference
from exporter.statistics import multiclass_estimation
from exporter.statistics import performance_estimation as estimation
from exporter.statistics.performance_estimation import Calibrated, Expected
from exporter.summary.base import Floats
from exporter.summary.outcomes import ClassScoresSummary
from exporter.tasks.task import Outputs
from tests.support import logs
from tests.support.bounds import estimated_accuracy_bound, estimated_auc_roc_bound
from tests.support.commands import exporter
from tests.support.references import quantile_edges
from tests.support.summaries import empty_of

RNG = np.random.default_rng(5)


def sigmoid(values: Floats) -> Floats:
    return np.asarray(1 / (1 + np.exp(-values)))


def simulated(rows: int, mean: float, deviation: float) -> tuple[Floats, Floats]:
    """Scores of an overconfident model, and labels whose chance depends on the input alone."""
    inputs = RNG.normal(mean, deviation, rows)
    return sigmoid(3 * inputs - 1), (RNG.random(rows) < sigmoid(1.5 * inputs - 1)).astype(float)


def breast_cancer() -> tuple[Floats, Floats]:
    """One feature alone, so that the model is wrong often enough."""
    data = load_breast_cancer()
    feature = data.data[:, 1:2]
    return GaussianNB().fit(feature, data.target).predict_proba(feature)[:, 1], data.target.astype(float)


def summary(scores: Floats, edges: Floats, predicted: Floats | None = None) -> ClassScoresSummary:
    classes = (scores >= 0.5 if predicted is None else predicted).astype(np.intp)
    return ClassScoresSummary.fold(edges, scores, classes, np.zeros(len(scores), dtype=np.intp), 1)[0]


def by_bin(scores: Floats, labels: Floats) -> tuple[Floats, Floats, Floats]:
    """As a reference has them: edges, rows, positives; a label may be NaN."""
    edges, _ = quantile_edges(scores)
    cells = np.searchsorted(edges, scores, side="left")
    size = len(edges) + 1
    rows, positives = (
        np.bincount(cells[mine], minlength=size).astype(float) for mine in (labels >= 0, labels > 0)
    )
    return edges, rows, positives


def calibrated(scores: Floats, labels: Floats) -> Calibrated:
    found = estimation.calibrate(*by_bin(scores, labels))
    assert found is not None
    return found


def chances(curve: Calibrated, scores: Floats) -> Floats:
    return np.asarray(curve.probabilities[np.searchsorted(curve.edges, scores, side="left")])


RARE = RNG.random(30_000) < 0.001
SAMPLES = {
    "breast cancer": breast_cancer(),
    "simulated": simulated(5000, 0.0, 1.0),
    "rare": (np.where(RARE, RNG.beta(1, 200, 30_000), RNG.beta(0.5, 2000, 30_000)), RARE * 1.0),
    "heavy ties": (np.repeat([0.1, 0.1, 0.6, 0.9], 500), np.tile([0.0, 1, 0, 1, 1], 400)),
    "two values": (np.tile([0.0, 1.0], 100), (np.arange(200) % 3 == 0) * 1.0),
    "constant": (np.full(50, 0.7), (np.arange(50) % 2) * 1.0),
    "the wrong way round": (np.linspace(0, 1, 400), (np.linspace(0, 1, 400) < 0.5) * 1.0),
}


@pytest.mark.parametrize("name", SAMPLES)
def test_calibration_is_scikit_learns_isotonic_regression(name: str) -> None:
    edges, rows, positives = by_bin(*SAMPLES[name])
    curve = estimation.calibrate(edges, rows, positives)
    assert curve is not None
    known = rows > 0
    oracle = IsotonicRegression().fit_transform(
        np.flatnonzero(known), positives[known] / rows[known], sample_weight=rows[known]
    )
    assert curve.probabilities[known] == pytest.approx(oracle)
    assert np.all(np.diff(curve.probabilities) >= 0)


def test_two_bins_keep_their_own_probabilities() -> None:
    """Scores of two values have a single edge, which is the middle of both bins."""
    found = estimation.calibrate(np.array([0.5]), np.array([100.0, 100.0]), np.array([10.0, 80.0]))
    assert found is not None
    assert found.probabilities.tolist() == [0.1, 0.8]
    unlabelled = estimation.calibrate(np.array([0.5]), np.array([0.0, 100.0]), np.array([0.0, 80.0]))
    assert unlabelled is not None
    assert unlabelled.probabilities.tolist() == [0.8, 0.8]


def test_bins_without_labels_lie_between_their_neighbours() -> None:
    edges = np.linspace(0.05, 0.95, 19)
    rows = np.zeros(20)
    rows[[3, 4, 9, 15]] = [10, 40, 25, 8]
    positives = np.zeros(20)
    positives[[3, 4, 9, 15]] = [4, 2, 5, 8]
    curve = estimation.calibrate(edges, rows, positives)
    assert curve is not None
    middles = np.concatenate([[0.05], (edges[:-1] + edges[1:]) / 2, [0.95]])
    known = rows > 0
    oracle = IsotonicRegression(out_of_bounds="clip").fit(
        middles[known], (positives / np.maximum(rows, 1))[known], sample_weight=rows[known]
    )
    assert curve.probabilities == pytest.approx(oracle.predict(middles))
    assert curve.probabilities[0] == curve.probabilities[4] == pytest.approx(6 / 50)
    assert curve.probabilities[-1] == 1.0


@pytest.mark.parametrize("name", SAMPLES)
def test_counting_by_bin_is_cbpe_of_each_row(name: str) -> None:
    """Exact, whatever the order of the scores in a bin, for the same calibration."""
    scores, labels = SAMPLES[name]
    curve = calibrated(scores, labels)
    current = np.clip(RNG.choice(scores, 700) + RNG.normal(0, 0.05, 700), 0, 1)
    chance, predicted = chances(curve, current), current >= 0.5
    # A layout's edges hold those of other references as well.
    edges = np.union1d(curve.edges, [0.123, 0.5, 0.777])
    expected = estimation.expect(summary(current, edges), curve)
    true, false = chance[predicted].sum(), (1 - chance)[predicted].sum()
    missed = chance[~predicted].sum()
    assert estimation.estimated_accuracy(expected) == pytest.approx(
        np.where(predicted, chance, 1 - chance).mean()
    )
    if predicted.any() and chance.any():
        assert estimation.estimated_precision(expected) == pytest.approx(true / (true + false))
        assert estimation.estimated_f1(expected) == pytest.approx(2 * true / (2 * true + false + missed))
    if chance.any():
        assert estimation.estimated_recall(expected) == pytest.approx(true / (true + missed))
        # Each row is a positive by its chance, and a negative by the rest.
        area = metrics.roc_auc_score(
            np.repeat([1, 0], 700), np.tile(current, 2), sample_weight=np.concatenate([chance, 1 - chance])
        )
        assert estimation.estimated_auc_roc(expected) == pytest.approx(area)


def test_a_covariate_shift_moves_the_estimate_as_it_moves_the_truth() -> None:
    curve = calibrated(*simulated(100_000, 0.0, 1.0))
    for mean, deviation in ((0.0, 1.0), (0.8, 0.7), (-1.0, 1.2), (0.3, 0.3)):
        scores, labels = simulated(50_000, mean, deviation)
        expected, predicted = estimation.expect(summary(scores, curve.edges), curve), scores >= 0.5
        realised = (
            (estimation.estimated_accuracy(expected), metrics.accuracy_score(labels, predicted)),
            (estimation.estimated_precision(expected), metrics.precision_score(labels, predicted)),
            (estimation.estimated_recall(expected), metrics.recall_score(labels, predicted)),
            (estimation.estimated_f1(expected), metrics.f1_score(labels, predicted)),
            (estimation.estimated_auc_roc(expected), metrics.roc_auc_score(labels, scores)),
        )
        for estimate, truth in realised:
            assert estimate == pytest.approx(truth, abs=0.02), (mean, deviation)
    accuracies = [
        estimation.estimated_accuracy(estimation.expect(summary(scores, curve.edges), curve))
        for scores in (simulated(20_000, 0.0, 1.0)[0], simulated(20_000, 0.3, 0.3)[0])
    ]
    assert accuracies[0] is not None
    assert accuracies[1] is not None
    # The shift towards the boundary is worth seeing: it is not lost in the tolerance.
    assert accuracies[0] - accuracies[1] > 0.1


def test_real_data_resampled_by_its_input() -> None:
    scores, labels = breast_cancer()
    order = RNG.permutation(len(scores))
    train, rest = order[:285], order[285:]
    curve = calibrated(scores[train], labels[train])
    weights = np.exp(-2 * scores[rest])
    shifted = RNG.choice(rest, 4000, p=weights / weights.sum())
    expected = estimation.expect(summary(scores[shifted], curve.edges), curve)
    truth = metrics.accuracy_score(labels[shifted], scores[shifted] >= 0.5)
    # 285 labels: three standard errors are 0.075.
    assert estimation.estimated_accuracy(expected) == pytest.approx(truth, abs=0.075)
    same = estimation.expect(summary(scores[train], curve.edges), curve)
    assert estimation.estimated_accuracy(same) == pytest.approx(
        metrics.accuracy_score(labels[train], scores[train] >= 0.5), abs=0.02
    )


@pytest.mark.parametrize("name", SAMPLES)
def test_auc_is_within_its_bound_whatever_the_order_in_the_bins(name: str) -> None:
    scores, labels = SAMPLES[name]
    edges, rows, positives = by_bin(scores, labels)
    counted = Expected(np.stack([rows - positives, 0 * rows]), np.stack([positives, 0 * rows]))
    estimate = estimation.estimated_auc_roc(counted)
    assert estimate == pytest.approx(
        metrics.roc_auc_score(labels, scores), abs=estimated_auc_roc_bound(counted) + 1e-12
    )
    assert len(edges) + 1 == len(rows)


def test_accuracy_is_within_its_bound_where_a_bin_is_wide() -> None:
    """Rare positives: the upper half of the scores is in one bin, and the shift moves rows inside it."""
    scores = RNG.beta(0.3, 40, 400_000)
    labels = (RNG.random(400_000) < scores).astype(float)
    curve = calibrated(scores, labels)
    shifted = RNG.beta(2, 8, 50_000)
    current = summary(shifted, curve.edges)
    estimate = estimation.estimated_accuracy(estimation.expect(current, curve))
    truth = np.where(shifted >= 0.5, shifted, 1 - shifted).mean()
    bound = estimated_accuracy_bound(current, curve)
    assert estimate is not None
    # The bound is needed here, holds, and is small where nothing shifted.
    assert 0.01 < abs(estimate - truth) <= bound
    assert estimated_accuracy_bound(summary(scores, curve.edges), curve) < 0.02


def test_what_is_undefined_is_none() -> None:
    edges = np.array([0.25, 0.5, 0.75])
    assert estimation.calibrate(edges, np.zeros(4), np.zeros(4)) is None
    none = estimation.expect(
        empty_of(ClassScoresSummary, edges), Calibrated(edges, np.array([0.0, 0.1, 0.5, 1.0]))
    )
    negative = estimation.expect(summary(np.full(9, 0.1), edges), Calibrated(edges, np.zeros(4)))
    for expected in (none, negative):
        assert estimation.estimated_precision(expected) is None
        assert estimation.estimated_recall(expected) is None
        assert estimation.estimated_f1(expected) is None
        assert estimation.estimated_auc_roc(expected) is None
        assert estimated_auc_roc_bound(expected) == 0.0
    assert estimation.estimated_accuracy(none) is None
    assert (
        estimated_accuracy_bound(empty_of(ClassScoresSummary, edges), Calibrated(edges, np.zeros(4))) == 0.0
    )
    assert estimation.estimated_accuracy(negative) == 1.0
    # No edge at all: every score is in one bin.
    one = estimation.calibrate(np.empty(0), np.array([8.0]), np.array([2.0]))
    assert one is not None
    assert one.probabilities.tolist() == [0.25]


ESTIMATES = ("accuracy", "precision", "recall", "f1", "auc_roc")


def withheld(gauges: logs.Gauges, gauge: str) -> dict[str, float]:
    return {
        labels["reason"]: number
        for labels, number in gauges.get("ml_gauge_withheld", [])
        if labels["gauge"] == gauge
    }


def written(folder: Path, records: list[dict[str, Any]], baselines: dict[str, list[dict[str, Any]]]) -> Path:
    """A monitor over ``records`` and references built of ``baselines``."""
    logs.write_lines(folder / "logs" / "predictions.jsonl", records)
    logs.write_lines(folder / "logs" / "labels.jsonl", [])
    references = {name: {"static": f"{name}.json"} for name in baselines}
    path = logs.write_monitor(folder, logs.monitor(minSamples=50))
    for name, rows in baselines.items():
        data = logs.write_lines(folder / f"{name}.jsonl", rows)
        exporter("baseline", path, "--data", data, "--out", folder / f"{name}.json")
    return logs.write_monitor(
        folder,
        logs.monitor(
            references=references,
            minSamples=50,
            segments=["features.country"],
            metrics={"segments": ["prediction", "outcome"]},
        ),
    )


@pytest.mark.slow
def test_the_command_estimates_from_the_first_reference_with_labels(tmp_path: Path) -> None:
    scores, labels = simulated(3000, 0.0, 1.0)
    rows: list[dict[str, Any]] = [
        {"score": score, "label": int(label), "features": {"amount": 1.0, "country": "DE"}}
        for score, label in zip(scores.tolist(), labels, strict=True)
    ]
    for row in rows[::3]:
        del row["label"]
    unlabelled = [{"score": row["score"], "features": row["features"]} for row in rows[:500]]
    current, _ = simulated(600, 0.5, 0.5)
    records = [
        logs.record(
            number,
            at=number,
            score=score,
            prediction=int(score >= 0.4),
            features={"amount": 1.0, "country": "DE" if number % 10 else "FR"},
        )
        for number, score in enumerate(current.tolist())
    ]
    path = written(tmp_path, records, {"earlier": unlabelled, "training": rows})
    gauges = logs.once(path)

    kept = np.arange(3000) % 3 > 0
    curve = calibrated(scores, np.where(kept, labels, np.nan))
    for segment, mine in (("", np.ones(600, bool)), ("DE", np.arange(600) % 10 > 0)):
        chance, predicted = chances(curve, current[mine]), current[mine] >= 0.4
        accuracy = np.where(predicted, chance, 1 - chance).mean()
        found = logs.value(gauges, "ml_model_estimated_accuracy", segment_value=segment)
        assert found == pytest.approx(accuracy)
        recall = chance[predicted].sum() / chance.sum()
        found = logs.value(gauges, "ml_model_estimated_recall", segment_value=segment)
        assert found == pytest.approx(recall)
    for name in ESTIMATES:
        assert logs.value(gauges, f"ml_model_estimated_{name}", segment_value="FR") is not None
        assert not withheld(gauges, f"ml_model_estimated_{name}")

    # Without the one that has labels there is nothing to calibrate on.
    logs.write_monitor(tmp_path, logs.monitor(references={"earlier": {"static": "earlier.json"}}))
    gauges = logs.once(path)
    for name in ESTIMATES:
        assert f"ml_model_estimated_{name}" not in gauges
        assert withheld(gauges, f"ml_model_estimated_{name}") == {"reference_without_labels": 1}

    # Two thousand labels are fewer than wanted.
    references = {"training": {"static": "training.json"}}
    logs.write_monitor(tmp_path, logs.monitor(references=references, minSamples=2001))
    gauges = logs.once(path)
    assert withheld(gauges, "ml_model_estimated_f1") == {"reference_too_small": 1}


@pytest.mark.slow
def test_the_command_estimates_several_classes(tmp_path: Path) -> None:
    names = ("cat", "dog", "fish")

    def drawn(rows: int, spread: float) -> tuple[Floats, Floats]:
        """Probabilities that are right, and labels drawn from them."""
        logits = RNG.normal(0, spread, (rows, 3))
        probabilities = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
        labels = (probabilities.cumsum(axis=1) < RNG.random((rows, 1))).sum(axis=1)
        return probabilities, np.minimum(labels, 2)

    probabilities, labels = drawn(6000, 2.0)
    data = [
        {"score": dict(zip(names, row, strict=True)), "label": names[label]}
        for row, label in zip(probabilities.tolist(), labels.tolist(), strict=True)
    ]
    current, truth = drawn(3000, 1.0)
    # A policy overrules the likeliest class now and then.
    predicted = np.where(np.arange(3000) % 4, current.argmax(axis=1), 2)
    records = [
        logs.record(number, at=number, score=dict(zip(names, row, strict=True)), prediction=names[code])
        for number, (row, code) in enumerate(zip(current.tolist(), predicted, strict=True))
    ]
    logs.write_lines(tmp_path / "logs" / "predictions.jsonl", records)
    logs.write_lines(tmp_path / "logs" / "labels.jsonl", [])
    content = json.loads(json.dumps(logs.monitor(task="multiclass")))
    del content["spec"]["predictions"]["fields"]["features"]
    path = logs.write_monitor(tmp_path, content)
    exporter(
        "baseline",
        path,
        "--data",
        logs.write_lines(tmp_path / "data.jsonl", data),
        "--out",
        tmp_path / "r.json",
    )
    content["spec"]["references"] = {"training": {"static": "r.json"}}
    gauges = logs.once(logs.write_monitor(tmp_path, content))

    curves = [calibrated(probabilities[:, code], (labels == code) * 1.0) for code in range(3)]
    chance = np.stack([chances(curves[code], current[:, code]) for code in range(3)], axis=1)
    chance /= chance.sum(axis=1, keepdims=True)
    found = logs.value(gauges, "ml_model_estimated_accuracy")
    assert found == pytest.approx(chance[np.arange(3000), predicted].mean(), abs=1e-5)
    assert found == pytest.approx((predicted == truth).mean(), abs=0.03)
    for average in ("macro", "weighted"):
        plain = by_row(current, chance, predicted, average)
        for name in ESTIMATES[1:]:
            found = logs.value(gauges, f"ml_model_estimated_{name}", average=average)
            assert found == pytest.approx(plain[name], abs=0.01 if name == "auc_roc" else 1e-5), name
    for name in ESTIMATES:
        assert not withheld(gauges, f"ml_model_estimated_{name}")

    # Without labels there is nothing to calibrate on.
    for row in data:
        del row["label"]
    unlabelled = logs.write_lines(tmp_path / "unlabelled.jsonl", data)
    content["spec"]["references"] = {"training": {"static": "unlabelled.json"}}
    exporter("baseline", path, "--data", unlabelled, "--out", tmp_path / "unlabelled.json")
    gauges = logs.once(logs.write_monitor(tmp_path, content))
    for name in ESTIMATES:
        assert f"ml_model_estimated_{name}" not in gauges
        assert withheld(gauges, f"ml_model_estimated_{name}") == {"reference_without_labels": 1}


def by_row(probabilities: Floats, chance: Floats, predicted: Floats, average: str) -> dict[str, float]:
    """NannyML's CBPE of several classes, row by row: of each class against the rest, then their mean."""
    found: dict[str, list[float]] = {name: [] for name in ESTIMATES[1:]}
    for code in range(chance.shape[1]):
        positive, mine = chance[:, code], predicted == code
        true, wrong, missed = positive[mine].sum(), (1 - positive)[mine].sum(), positive[~mine].sum()
        found["precision"].append(true / (true + wrong))
        found["recall"].append(true / (true + missed))
        found["f1"].append(2 * true / (2 * true + wrong + missed))
        # Each row is a positive with its chance, and a negative with the rest.
        found["auc_roc"].append(
            metrics.roc_auc_score(
                np.repeat([1, 0], len(positive)),
                np.tile(probabilities[:, code], 2),
                sample_weight=np.concatenate([positive, 1 - positive]),
            )
        )
    weights = None if average == "macro" else chance.sum(axis=0)
    return {name: float(np.average(values, weights=weights)) for name, values in found.items()}


def classes_drawn(
    rng: np.random.Generator, rows: int, classes: int, sharpness: Floats | float
) -> tuple[Floats, Floats]:
    """Probabilities of a model that is too sure of itself, and labels drawn from the right ones."""
    logits = rng.normal(0, 1, (rows, classes)) * sharpness - np.linspace(0, 1, classes)
    right = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    said = np.exp(1.7 * logits) / np.exp(1.7 * logits).sum(axis=1, keepdims=True)
    labels = (right.cumsum(axis=1) < rng.random((rows, 1))).sum(axis=1)
    return said, np.minimum(labels, classes - 1)


def reference_of(probabilities: Floats, labels: Floats) -> Reference:
    names = map(str, range(probabilities.shape[1]))
    known = {
        name: Calibration(*by_bin(probabilities[:, code], (labels == code) * 1.0))
        for code, name in enumerate(names)
    }
    return Reference(0.0, "", len(labels), {}, class_calibration=known)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("classes", "sharpness", "near"), [(3, 0.6, 0.03), (3, 2.0, 0.03), (8, 0.7, 0.03), (40, 1.5, 0.1)]
)
def test_estimates_of_several_classes_are_those_of_the_rows_and_near_the_truth(
    classes: int, sharpness: float, near: float
) -> None:
    """Inputs that are harder, or easier, than those of the reference: a covariate shift.

    Of many classes each has few labels to be calibrated by, and CBPE is as rough as that, row by row too.
    """
    rng = np.random.default_rng(20261130)
    probabilities, labels = classes_drawn(rng, 40_000, classes, rng.uniform(0.5, 3, (40_000, 1)))
    current, truth = classes_drawn(rng, 20_000, classes, sharpness)
    names = tuple(map(str, range(classes)))
    calibration = ClassCalibration.of([reference_of(probabilities, labels)], names)
    assert calibration is not None
    predicted = current.argmax(axis=1)
    outputs = Outputs.unknown(20_000, predicted=predicted, probabilities=current)
    parts = [calibration.fold(outputs.take(slice(start, start + 5000)), np.zeros(5000, dtype=np.intp), 1)[0]
             for start in range(0, 20_000, 5000)]  # fmt: skip
    whole = calibration.fold(outputs, np.zeros(20_000, dtype=np.intp), 1)[0]
    merged = parts[2] + parts[0] + parts[3] + parts[1]
    assert np.array_equal(merged.vector(), whole.vector())

    chance = np.stack(
        [chances(curve, current[:, code]) for code, curve in enumerate(calibration.curves)], axis=1
    )
    chance /= chance.sum(axis=1, keepdims=True)
    accuracy = multiclass_estimation.estimated_accuracy(whole)
    assert accuracy == pytest.approx(chance[np.arange(20_000), predicted].mean(), abs=1e-5)
    assert accuracy == pytest.approx((predicted == truth).mean(), abs=near)
    binary = np.eye(classes)[truth]
    for average in ("macro", "weighted"):
        plain = by_row(current, chance, predicted, average)
        precision, recall, f1, _ = metrics.precision_recall_fscore_support(
            truth, predicted, average=average, zero_division=np.nan
        )
        real = {
            "precision": precision,
            "recall": recall,
            "f1": f1,
            "auc_roc": metrics.roc_auc_score(binary, current, average=average),
        }
        for name in ESTIMATES[1:]:
            found = getattr(multiclass_estimation, f"estimated_{name}")(whole, average)
            assert found == pytest.approx(plain[name], abs=0.002 if name == "auc_roc" else 1e-4), name
            assert found == pytest.approx(real[name], abs=near), (name, average)


def test_of_no_rows_of_several_classes_nothing_is_estimated() -> None:
    rng = np.random.default_rng(1)
    calibration = ClassCalibration.of([reference_of(*classes_drawn(rng, 100, 3, 1.0))], ("0", "1", "2"))
    assert calibration is not None
    nothing = calibration.fold(Outputs.unknown(0), np.empty(0, dtype=np.intp), 1)[0]
    assert multiclass_estimation.estimated_accuracy(nothing) is None
    assert multiclass_estimation.estimated_auc_roc(nothing, "macro") is None
    # Rows without a probability, or without a class, do not count.
    outputs = Outputs.unknown(
        3,
        predicted=np.array([0, -1, 1]),
        probabilities=np.array([[0.5, 0.3, 0.2], [0.5, 0.3, 0.2], [np.nan] * 3]),
    )
    assert calibration.fold(outputs, np.zeros(3, dtype=np.intp), 1)[0].predicted.tolist() == [1, 0, 0]
