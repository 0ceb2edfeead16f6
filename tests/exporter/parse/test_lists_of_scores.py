"""Lists of probabilities in a log: the figures are those of the same probabilities as numbers and objects."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.support.figures import FIELDS, LABEL_FIELDS, Record, assert_close, content, figures, labels, plain
from tests.support.logs import Gauges

pytestmark = pytest.mark.slow


def with_labels(records: list[Record]) -> list[Record]:
    """Training data, from which performance can be estimated."""
    return [{**record, "label": number % 2} for number, record in enumerate(records)]


def of_two_classes() -> tuple[list[Record], list[Record]]:
    """Predictions with the probability of the positive class, and labels."""
    flat = [
        {**record, "prediction": None, "score": round(record.get("score") or 0.25, 3)}
        if number % 9 > 3
        else {**record, "prediction": 1}
        for number, record in enumerate(plain())
    ]
    return flat, [label for label in labels() if label["label"] != "x"]


@pytest.fixture(scope="module")
def one_probability(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Gauges]:
    """Figures of the plain log, by what else ``predictions`` has, as JSON."""

    @cache
    def measure(predictions: str) -> Gauges:
        flat, labelled = of_two_classes()
        made = content(FIELDS, LABEL_FIELDS)
        made["spec"]["predictions"] |= json.loads(predictions)
        found = figures(tmp_path_factory.mktemp("flat"), flat, labelled, made, with_labels(flat))
        assert found["ml_model_accuracy"]
        assert found["ml_model_estimated_accuracy"]
        return found

    return measure


def of_class(record: Record, *, positive: int) -> Record:
    """The probability of the positive class at its position in a list of both."""
    score = record.get("score")
    if not isinstance(score, float):
        return record
    return {**record, "score": [1 - score, score] if positive else [score, 1 - score]}


@pytest.mark.parametrize(
    ("predictions", "positive", "path"),
    [
        ({}, 1, "score"),
        ({"classes": ["0", "1"]}, 1, "score"),
        ({"classes": ["1", "0"]}, 0, "score"),
        ({"classes": ["Yes", "no"]}, 0, "score"),
        ({"positiveClass": "1"}, 1, "score"),
        ({"positiveClass": "1", "classes": ["1", "0"]}, 0, "score"),
        ({}, 1, "out.0.score"),
        ({}, 1, "out.score"),
    ],
)
def test_lists_of_two_probabilities(
    predictions: Record, positive: int, path: str, tmp_path: Path, one_probability: Callable[[str], Gauges]
) -> None:
    """One row of predict_proba, or a list of that one row."""
    flat, labelled = of_two_classes()
    lists = [of_class(record, positive=positive) for record in flat]
    lists = [
        {**record, "score": [record["score"]]}
        if number % 5 == 0 and isinstance(record.get("score"), list)
        else record
        for number, record in enumerate(lists)
    ]
    if path == "out.0.score":
        lists = [{**record, "out": [{"score": record.get("score")}]} for record in lists]
    if path == "out.score":
        lists = [{**record, "out": {"score": record.get("score")}} for record in lists]
    made = content({**FIELDS, "score": path}, LABEL_FIELDS)
    made["spec"]["predictions"] |= predictions
    found = figures(tmp_path, lists, labelled, made, with_labels(lists))
    assert_close(found, one_probability(json.dumps(predictions)))


CLASSES = ["low", "3", "high"]


def of_three_classes(share: float) -> tuple[list[Record], list[Record]]:
    """The same predictions with objects of probabilities, and ``share`` of them with lists."""
    rng = np.random.default_rng(3)
    flat, lists = [], []
    for number, record in enumerate(plain()):
        probabilities = [round(float(part), 5) for part in rng.dirichlet([2.0, 1.0, 3.0])]
        scores: Any = dict(zip(CLASSES, probabilities, strict=True))
        listed: Any = probabilities
        if number % 10 == 0:
            listed = [probabilities]
        if number % 10 == 1:
            scores, listed = {"low": 0.5, "3": 0.0, "high": 0.0}, [0.5, 0.0, 0.0]
        if number % 20 == 2:
            scores, listed = {"low": "x"}, probabilities[:2]
        if number % 20 == 4:
            scores, listed = None, None
        base = {**record, "prediction": None}
        flat.append({**base, "score": scores})
        lists.append({**base, "score": listed if rng.random() < share else scores})
    return flat, lists


def of_classes(folder: Path, records: list[Record], path: str) -> Gauges:
    truth = [{**label, "label": CLASSES[number % 3]} for number, label in enumerate(labels())]
    made = content({**FIELDS, "score": path}, LABEL_FIELDS, task="multiclass")
    made["spec"]["predictions"]["classes"] = CLASSES
    training = [{**record, "label": CLASSES[number % 3]} for number, record in enumerate(records)]
    return figures(folder, records, truth, made, training)


@pytest.fixture(scope="module")
def objects(tmp_path_factory: pytest.TempPathFactory) -> Gauges:
    found = of_classes(tmp_path_factory.mktemp("objects"), of_three_classes(1.0)[0], "score")
    assert found["ml_model_accuracy"]
    assert found["ml_model_estimated_accuracy"]
    return found


@pytest.mark.parametrize("path", ["score", "out.0.score"])
@pytest.mark.parametrize("share", [1.0, 0.1])
def test_lists_of_the_probabilities_of_all_classes(
    share: float, path: str, tmp_path: Path, objects: Gauges
) -> None:
    """In the order of ``classes``; objects may be among them, and lists that are none."""
    _, lists = of_three_classes(share)
    if path != "score":
        lists = [{**record, "out": [{"score": record["score"]}]} for record in lists]
    assert_close(of_classes(tmp_path, lists, path), objects)
