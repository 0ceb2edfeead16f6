"""A ranking model through the public commands: scikit-learn, plain formulas, and lists of every odd kind."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn import metrics

from tests.support.commands import exporter
from tests.support.logs import EPOCH, monitor, once, value, write_lines, write_monitor

pytestmark = pytest.mark.slow

FIELDS = {"timestamp": "ts", "id": "id", "version": "version", "prediction": "items", "score": "scores"}
CUTOFFS = (1, 5, 100)


def spec(**more: Any) -> dict[str, Any]:
    predictions = {
        "sink": {"file": {"path": "logs/predictions.jsonl"}},
        "fields": FIELDS,
        "cutoffs": list(CUTOFFS),
    }
    return monitor(**{"task": "ranking", "predictions": predictions, **more})


def write_predictions(folder: Path, answers: list[dict[str, Any]]) -> None:
    write_lines(
        folder / "logs/predictions.jsonl",
        ({"ts": EPOCH + i, "id": f"r{i}", "version": "v", **answer} for i, answer in enumerate(answers)),
    )


def write_labels(folder: Path, labels: list[Any]) -> None:
    write_lines(
        folder / "logs/labels.jsonl",
        ({"ts": EPOCH + 60 + i, "id": f"r{i}", "label": label} for i, label in enumerate(labels)),
    )


def plain(items: list[str], relevant: list[str], k: int) -> dict[str, float]:
    """By the textbook, one list at a time."""
    hits = [item in relevant for item in items[:k]]
    found = sum(hits)
    precisions = [sum(hits[: rank + 1]) / (rank + 1) for rank, hit in enumerate(hits) if hit]
    return {
        "map": sum(precisions) / min(k, len(relevant)),
        "recall_at": found / len(relevant),
        "precision_at": found / k,
    }


def test_metrics_agree_with_scikit_learn_and_the_textbook(tmp_path: Path) -> None:
    """Every item is shown; 120 of them, so that the last 20 are cut off. Labels come in a second run."""
    rng = np.random.default_rng(0)
    lists, size = 60, 120
    gains = np.where(rng.random((lists, size)) < 0.05, rng.integers(1, 5, (lists, size)), 0).astype(float)
    gains[:, 0] = 1.0
    # Rounded scores tie, within a list and over its end.
    scores = -np.sort(-np.round(rng.random((lists, size)) + gains / 8, 2), axis=1)
    names = [f"item {i}" for i in range(size)]
    order = [rng.permutation(size) for _ in range(lists)]
    shown = [[names[i] for i in order[row]] for row in range(lists)]
    write_predictions(
        tmp_path,
        [{"items": shown[row], "scores": scores[row].tolist()} for row in range(lists)],
    )
    (tmp_path / "logs/labels.jsonl").touch()
    path = write_monitor(tmp_path, spec())
    before = once(path, "--state-dir", tmp_path / "state")
    assert value(before, "ml_predictions_pending") == lists
    assert "ml_model_ndcg" not in before
    write_labels(
        tmp_path,
        [{names[i]: gains[row, i] for i in np.flatnonzero(gains[row])} for row in range(lists)],
    )
    gauges = once(path, "--state-dir", tmp_path / "state")
    assert value(gauges, "ml_label_coverage_ratio") == 1
    assert value(gauges, "ml_prediction_mean") == pytest.approx(scores[:, 0].mean())
    for k in CUTOFFS:
        # In the order shown the gains are those of the permuted items; scikit-learn averages ties too.
        found = [metrics.ndcg_score([gains[row][order[row]]], [scores[row]], k=k) for row in range(lists)]
        # Past the hundredth item nothing is kept: a tie over the end is cut.
        assert value(gauges, "ml_model_ndcg", k=str(k)) == pytest.approx(
            np.mean(found), abs=1e-9 if k < 100 else 0.005
        )
        expected = [
            plain(shown[row], [names[i] for i in np.flatnonzero(gains[row])], k) for row in range(lists)
        ]
        for name in ("map", "recall_at", "precision_at"):
            mean = np.mean([measures[name] for measures in expected])
            assert value(gauges, f"ml_model_{name}", k=str(k)) == pytest.approx(mean)


CASES: list[tuple[dict[str, Any], Any, dict[str, float] | None]] = [
    # answer, label, what becomes of it at k = 5 (None: refused)
    ({"items": ["a", "b"]}, ["b"], {"ndcg": 1 / np.log2(3), "map": 0.5, "recall_at": 1, "precision_at": 0.2}),
    # An item that is shown twice is found once.
    ({"items": ["a", "a"]}, ["a"], {"ndcg": 1, "map": 1, "recall_at": 1, "precision_at": 0.2}),
    # Ties share their mean gain.
    (
        {"items": ["a", "b"], "scores": [1, 1]},
        ["a"],
        {"ndcg": (1 + 1 / np.log2(3)) / 2, "map": 1, "recall_at": 1, "precision_at": 0.2},
    ),
    # Scores that single precision could not tell apart are no tie.
    (
        {"items": ["a", "b"], "scores": [0.123456789, 0.123456788]},
        ["a"],
        {"ndcg": 1, "map": 1, "recall_at": 1, "precision_at": 0.2},
    ),
    ({"items": [], "scores": []}, ["a"], {"ndcg": 0, "map": 0, "recall_at": 0, "precision_at": 0}),
    # Nothing was relevant: there is only precision.
    ({"items": ["a"]}, [], {"precision_at": 0}),
    # Numbers are items, with and without ".0".
    (
        {"items": [1, 2.0]},
        {"1": 0, "2": 3},
        {"ndcg": 1 / np.log2(3), "map": 0.5, "recall_at": 1, "precision_at": 0.2},
    ),
    (
        {"items": ["a"], "scores": [1e300]},
        {"a": 1e38},
        {"ndcg": 1, "map": 1, "recall_at": 1, "precision_at": 0.2},
    ),
    ({"items": ["a"], "scores": [1, 2]}, ["a"], None),
    ({"items": ["a"], "scores": ["x"]}, ["a"], None),
    ({"items": ["a"], "scores": [10**400]}, ["a"], None),
    ({"items": {"a": 1}}, ["a"], None),
    ({"items": "a"}, ["a"], None),
    ({"scores": [1]}, ["a"], None),
]
BAD_LABELS: list[Any] = [None, "a", 3, {"a": -1}, {"a": "x"}, {"a": 1e39}, {"a": 10**400}, {"a": True}]


def test_lists_of_every_odd_kind(tmp_path: Path) -> None:
    usable = [case for case in CASES if case[2] is not None]
    answers = [answer for answer, _, _ in (*usable, *[case for case in CASES if case[2] is None])]
    write_predictions(tmp_path, [*answers, {}, *({"items": ["a"]} for _ in BAD_LABELS)])
    labels = [label for _, label, _ in usable] + ["never"] * (len(CASES) - len(usable)) + [["a"], *BAD_LABELS]
    labels[len(usable) : len(CASES)] = [["a"]] * (len(CASES) - len(usable))
    write_labels(tmp_path, labels)
    path = write_monitor(tmp_path, spec())
    gauges = once(path)
    for name in ("ndcg", "map", "recall_at", "precision_at"):
        known = [wanted[name] for _, _, wanted in usable if wanted is not None and name in wanted]
        assert value(gauges, f"ml_model_{name}", k="5") == pytest.approx(np.mean(known))
    refused = len(CASES) - len(usable)
    assert (
        value(gauges, "ml_sink_rejected_records_total", sink="predictions", reason="invalid_score") == refused
    )
    assert value(gauges, "ml_sink_rejected_records_total", sink="labels", reason="invalid_label") == len(
        BAD_LABELS
    )
    # Of what was refused, and of the record without an answer.
    assert value(gauges, "ml_labels_unmatched_total") == refused + 1
    assert value(gauges, "ml_label_coverage_ratio") == pytest.approx(
        len(usable) / (len(usable) + len(BAD_LABELS))
    )
    assert value(gauges, "ml_predictions_pending") == len(BAD_LABELS)
    assert not any(name.startswith("ml_label_psi") for name in gauges)
    assert f"{refused} invalid_score" in exporter("check", path).stdout


def test_items_are_ids_however_they_are_written(tmp_path: Path) -> None:
    """And what a float cannot hold exactly is not taken for a neighbour."""
    large = 2**53
    write_predictions(
        tmp_path,
        [{"items": [shown, "other"]} for shown in (5, "5", 5.0, "5.0")] * 4
        + [{"items": [shown]} for shown in ("05", "5e0", large + 1, str(large + 1), 10**20)],
    )
    labels: list[Any] = [[form] for form in (5, "5", 5.0, "5.0") for _ in range(4)]
    write_labels(tmp_path, [*labels, [5], [5], [large], [float(large)], [1e20]])
    gauges = once(write_monitor(tmp_path, spec()))
    assert value(gauges, "ml_model_precision_at", k="1") == pytest.approx(16 / 21)


def test_keys_of_a_label_are_ids_too(tmp_path: Path) -> None:
    """As pandas writes an index of floats."""
    write_predictions(tmp_path, [{"items": [7, 8]}] * 5)
    write_labels(tmp_path, [{"7.0": 1.0}] * 5)
    assert value(once(write_monitor(tmp_path, spec())), "ml_model_ndcg", k="1") == 1
