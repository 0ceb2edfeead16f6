"""The wrapper of scikit-learn's models answers as the model does, and logs each row."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.sparse import csr_matrix
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.tree import DecisionTreeClassifier

from mlslo.prediction_log import LoggedModel, PredictionLog

_ROWS = [[0.0, 1.0], [2.0, 0.5], [3.0, 3.0], [4.0, 1.5]]


def _logged(
    tmp_path: Path, model: Any, method: str, rows: Any, **options: Any
) -> tuple[Any, list[dict[str, Any]]]:
    log = PredictionLog(tmp_path / "log.jsonl")
    answer = getattr(LoggedModel(model, log, features=options.pop("features", None)), method)(rows, **options)
    log.close()
    return answer, [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]


def test_two_classes_log_the_probability_of_the_second(tmp_path: Path) -> None:
    model = LogisticRegression().fit(pd.DataFrame(_ROWS, columns=["a", "b"]), [0, 0, 1, 1])
    rows = pd.DataFrame({"a": [1, 2], "b": [0.5, 0.25]})
    answer, records = _logged(tmp_path, model, "predict_proba", rows, ids=["x", "y"])
    assert (answer == model.predict_proba(rows)).all()
    assert [record["id"] for record in records] == ["x", "y"]
    assert [record["score"] for record in records] == answer[:, 1].tolist()
    assert [record["features"] for record in records] == [{"a": 1, "b": 0.5}, {"a": 2, "b": 0.25}]
    assert records[0]["latency_ms"] > 0


def test_several_classes_log_a_probability_each(tmp_path: Path) -> None:
    model = LogisticRegression().fit(_ROWS, ["cat", "cat", "dog", "eel"])
    answer, records = _logged(tmp_path, model, "predict_proba", np.array(_ROWS[:1]))
    assert records[0]["score"] == dict(zip(["cat", "dog", "eel"], answer[0].tolist(), strict=True))
    assert records[0]["features"] == {"x0": 0.0, "x1": 1.0}


def test_classes_are_predictions_and_values_are_scores(tmp_path: Path) -> None:
    _, records = _logged(
        tmp_path,
        LogisticRegression().fit(_ROWS, ["no", "no", "yes", "yes"]),
        "predict",
        _ROWS,
        features=["a", "b"],
    )
    assert [record["prediction"] for record in records] == ["no", "no", "yes", "yes"]
    assert records[1]["features"] == {"a": 2.0, "b": 0.5}
    (tmp_path / "log.jsonl").unlink()
    answer, records = _logged(tmp_path, LinearRegression().fit(_ROWS, [1, 2, 3, 4]), "predict", _ROWS)
    assert [record["score"] for record in records] == answer.tolist()


def test_columns_of_several_types_keep_them(tmp_path: Path) -> None:
    class Model:
        classes_ = np.array([0, 1])

        def predict_proba(self, rows: pd.DataFrame) -> Any:
            return np.full((len(rows), 2), 0.5)

    rows = pd.DataFrame({"amount": [1.5, None], "country": ["CH", "DE"], "count": [1, 2]})
    _, records = _logged(tmp_path, Model(), "predict_proba", rows)
    assert records[0]["features"] == {"amount": 1.5, "country": "CH", "count": 1}
    assert records[1]["features"]["country"] == "DE"


def test_texts_and_sparse_rows_are_logged(tmp_path: Path) -> None:
    texts = ["good", "bad, and long", "good too", "bad"]
    model = make_pipeline(CountVectorizer(), LogisticRegression()).fit(texts, [1, 0, 1, 0])
    answer, records = _logged(tmp_path, model, "predict", texts)
    assert answer.tolist() == [1, 0, 1, 0]
    assert [record["features"] for record in records] == [{"x0": text} for text in texts]
    (tmp_path / "log.jsonl").unlink()
    sparse = csr_matrix(_ROWS)
    _, records = _logged(tmp_path, LogisticRegression().fit(sparse, [0, 0, 1, 1]), "predict_proba", sparse)
    assert [list(record["features"].values()) for record in records] == _ROWS


def test_what_cannot_be_logged_is_answered_all_the_same(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Two outputs have a list of probabilities each; names are of other columns; there are too few ids."""
    log = PredictionLog(tmp_path / "log.jsonl")
    two = DecisionTreeClassifier().fit(_ROWS, [[0, 1], [0, 0], [1, 1], [1, 0]])
    assert len(LoggedModel(two, log).predict_proba(_ROWS)) == 2
    one = LogisticRegression().fit(_ROWS, [0, 0, 1, 1])
    assert len(LoggedModel(one, log, features=["a"]).predict(_ROWS)) == 4
    assert len(LoggedModel(one, log).predict(_ROWS, ids=["x"])) == 4
    log.close()
    assert (log.written, log.dropped) == (0, 10)
    assert "10 records" not in caplog.text
    assert "rows cannot be written: " in caplog.text


def test_everything_else_is_the_model(tmp_path: Path) -> None:
    log = PredictionLog(tmp_path / "log.jsonl")
    model = LogisticRegression().fit(_ROWS, [0, 0, 1, 1])
    logged = LoggedModel(model, log)
    assert logged.n_features_in_ == 2
    with pytest.raises(AttributeError):
        _ = logged.no_such_attribute
    with pytest.raises(ValueError, match="X has 1 features"):
        logged.predict([[1.0]])
    log.close()
    assert not (tmp_path / "log.jsonl").exists()
