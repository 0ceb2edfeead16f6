"""Direct loss estimation: scikit-learn's own predictions, realised errors under a shift, the command."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.ensemble import HistGradientBoostingRegressor

from exporter.references import reference_file
from exporter.references.baseline import loss_fitting
from tests.support import logs
from tests.support.commands import exporter

REASON = "ml_gauge_withheld"


def drawn(rng: np.random.Generator, rows: int, least: float = 0.0) -> list[dict[str, Any]]:
    """Rows of a model whose error grows with one feature, and is larger in one country."""
    spread, other = rng.uniform(least, 2, rows), rng.normal(size=rows)
    country = rng.choice(["DE", "FR", "PL"], rows)
    score = 10 + 3 * other
    label = score + rng.normal(size=rows) * (0.25 + spread + (country == "FR"))
    return [
        {
            "score": float(score[n]),
            "label": float(label[n]),
            "features": {
                # Now and then a value is missing, or a category unheard of.
                "spread": None if n % 50 == 7 else float(spread[n]),
                "other": float(other[n]),
                "country": "XX" if n % 97 == 5 and least else str(country[n]),
            },
        }
        for n in range(rows)
    ]


@pytest.mark.slow
def test_trees_are_scikit_learns() -> None:
    rng = np.random.default_rng(20261130)
    inputs = rng.normal(size=(3000, 4))
    inputs[rng.random(inputs.shape) < 0.05] = np.nan
    losses = np.abs(rng.normal(size=3000) * (1 + (np.nan_to_num(inputs[:, 0], nan=2.0) > 0.5)))
    boosted = loss_fitting._boosted(inputs, losses)
    model = HistGradientBoostingRegressor(
        max_iter=25,
        max_leaf_nodes=8,
        learning_rate=0.2,
        min_samples_leaf=20,
        early_stopping=False,
        random_state=0,
    ).fit(inputs, losses)
    unseen = rng.normal(size=(2000, 4)) * 3
    unseen[rng.random(unseen.shape) < 0.2] = np.nan
    for columns in (inputs, unseen, np.full((1, 4), np.nan), np.empty((0, 4))):
        expected = model.predict(columns) if len(columns) else np.empty(0)
        assert boosted.predict(columns) == pytest.approx(np.maximum(expected, 0.0))


def built(folder: Path, rows: list[dict[str, Any]], *arguments: str, **changes: Any) -> tuple[Path, Any]:
    path = logs.write_monitor(folder, logs.monitor(task="regression", **changes))
    data = logs.write_lines(folder / "data.jsonl", rows)
    done = exporter("baseline", path, "--data", data, *arguments, "--out", folder / "r.json", check=False)
    return path, done


def reasons(gauges: logs.Gauges) -> dict[str, str]:
    return {
        labels["gauge"]: labels["reason"]
        for labels, _ in gauges.get(REASON, [])
        if labels["gauge"] in ("ml_model_estimated_mae", "ml_model_estimated_rmse")
    }


@pytest.mark.slow
def test_the_command_estimates_the_error_under_a_shift(tmp_path: Path) -> None:
    rng = np.random.default_rng(20261130)
    training = drawn(rng, 4000)
    _, done = built(tmp_path, training, "--fit-loss-estimator")
    assert done.returncode == 0, done.stderr
    text = (tmp_path / "r.json").read_text()
    assert list(json.loads(text)["lossEstimator"]["features"]) == ["country", "other", "spread"]
    # The same again, to the last byte, from what was read.
    assert reference_file.dump("m", reference_file.load(tmp_path / "r.json")) == text

    shifted = drawn(rng, 3000, least=1.2)
    records = [
        logs.record(n, at=n, score=row["score"], prediction=None, features=row["features"])
        for n, row in enumerate(shifted)
    ]
    logs.write_lines(tmp_path / "logs/predictions.jsonl", records)
    logs.write_lines(tmp_path / "logs/labels.jsonl", [])
    spec: dict[str, Any] = {
        "references": {"training": {"static": "r.json"}},
        "segments": ["features.country"],
    }
    path = logs.write_monitor(tmp_path, logs.monitor(task="regression", **spec))
    gauges = logs.once(path)

    def errors(rows: list[dict[str, Any]]) -> np.ndarray:
        return np.array([row["score"] - row["label"] for row in rows])

    before, now = np.abs(errors(training)).mean(), np.abs(errors(shifted)).mean()
    mae, rmse = (logs.value(gauges, f"ml_model_estimated_{name}") for name in ("mae", "rmse"))
    assert now > 1.25 * before
    assert mae == pytest.approx(now, rel=0.05)
    assert rmse == pytest.approx(np.sqrt((errors(shifted) ** 2).mean()), rel=0.05)
    french = [row for row in shifted if row["features"]["country"] == "FR"]
    found = logs.value(gauges, "ml_model_estimated_mae", segment_value="FR")
    assert found == pytest.approx(np.abs(errors(french)).mean(), rel=0.08)
    assert not reasons(gauges)

    # What the fold sums is what the estimator says of each row.
    estimator = reference_file.load(tmp_path / "r.json").loss_estimator
    assert estimator is not None
    codes = {name: float(place) for place, name in enumerate(estimator.features["country"])}
    columns = np.array(
        [
            [
                codes.get(row["features"]["country"], np.nan),
                row["features"]["other"],
                np.nan if row["features"]["spread"] is None else row["features"]["spread"],
                row["score"],
            ]
            for row in shifted
        ]
    )
    assert mae == pytest.approx(estimator.estimate(columns)[0].mean())

    for row in records:
        del row["features"]["spread"]
    (tmp_path / "logs/predictions.jsonl").unlink()
    logs.write_lines(tmp_path / "logs/predictions.jsonl", records)
    assert set(reasons(logs.once(path)).values()) == {"features_missing"}


def test_without_an_estimator_it_is_withheld(tmp_path: Path) -> None:
    rows = drawn(np.random.default_rng(1), 100)
    _, done = built(tmp_path, rows)
    assert done.returncode == 0, done.stderr
    text = (tmp_path / "r.json").read_text()
    assert "lossEstimator" not in text
    logs.write_lines(tmp_path / "logs/predictions.jsonl", [logs.record(n, at=n) for n in range(10)])
    logs.write_lines(tmp_path / "logs/labels.jsonl", [])
    # Of which the reference has no rows; that is no reason, since one of all traffic would do.
    spec = {"references": {"training": {"static": "r.json"}}, "segments": ["features.country"]}
    gauges = logs.once(logs.write_monitor(tmp_path, logs.monitor(task="regression", **spec)))
    assert "ml_model_estimated_mae" not in gauges
    assert set(reasons(gauges).values()) == {"no_loss_estimator"}


@pytest.mark.parametrize(
    ("rows", "changes", "said"),
    [
        (100, {}, "the data has 100 labelled predictions, expected 200 or more"),
        (300, {"task": "binary"}, "--fit-loss-estimator is for regressions, this model's task is binary"),
        (300, {"labels": None}, "--fit-loss-estimator: the data has no label"),
    ],
)
def test_what_cannot_be_fitted_is_said(tmp_path: Path, rows: int, changes: dict[str, Any], said: str) -> None:
    data = logs.write_lines(tmp_path / "data.jsonl", drawn(np.random.default_rng(1), rows))
    path = logs.write_monitor(tmp_path, logs.monitor(**{"task": "regression", **changes}))
    out = tmp_path / "r.json"
    done = exporter("baseline", path, "--data", data, "--fit-loss-estimator", "--out", out, check=False)
    assert done.returncode == 2
    assert said in done.stderr
    assert not out.exists()


def test_without_scikit_learn_the_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sklearn.ensemble", None)
    _, done = built(tmp_path, drawn(np.random.default_rng(1), 300), "--fit-loss-estimator")
    assert done.returncode == 2
    assert "needs the extra 'loss'" in done.stderr
