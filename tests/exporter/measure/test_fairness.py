"""Fairness through the command: groups against pandas and scikit-learn, with floors, late labels and samples."""

from __future__ import annotations

import json
from collections.abc import Iterable
from contextlib import closing
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import confusion_matrix

from exporter.daemon.models import load_all
from exporter.measure.exposition import render
from tests.support.logs import AT, Gauges, monitor, once, parse, record, value, write_lines, write_monitor

pytestmark = pytest.mark.slow

NOW = datetime.fromisoformat(AT).timestamp()
FLOOR = 40
ATTRIBUTES: list[Any] = ["gender", "features.age", ["gender", "features.age"], "country"]


def people(rows: int, seed: int = 0) -> pd.DataFrame:
    """Men are selected more often; for the old the model is worse; of group n none is positive; z is small."""
    rng = np.random.default_rng(seed)
    gender = rng.choice(["f", "m", "n", "z", ""], rows, p=[0.42, 0.4, 0.1, 0.02, 0.06])
    age = rng.choice(["old", "young"], rows)
    truth = (rng.random(rows) < 0.4) & (gender != "n")
    signal = np.where(truth, 0.8, -0.8) * np.where(age == "old", 0.6, 1.4) + np.where(gender == "m", 0.5, 0)
    score = 1 / (1 + np.exp(-(signal + rng.normal(0, 1, rows))))
    return pd.DataFrame(
        {
            "id": [f"p{seed}-{row}" for row in range(rows)],
            "gender": gender,
            "age": age,
            "country": rng.choice(["DE", "FR"], rows),
            "score": score,
            "predicted": (score >= 0.5).astype(int),
            "label": truth.astype(int),
            "labelled": rng.random(rows) < 0.8,
        }
    )


def log(frame: pd.DataFrame) -> Iterable[dict[str, Any]]:
    for row, item in enumerate(frame.to_dict("records")):
        features = {"age": item["age"], **({"gender": item["gender"]} if item["gender"] else {})}
        yield record(
            row,
            id=item["id"],
            at=60 + row / 2,
            score=item["score"],
            prediction=item["predicted"],
            features=features,
            country=item["country"],
        )


def told(frame: pd.DataFrame) -> Iterable[dict[str, Any]]:
    for item in frame[frame.labelled].to_dict("records"):
        yield {"id": item["id"], "label": item["label"], "ts": NOW}


def spec(**changes: Any) -> dict[str, Any]:
    return monitor(
        features={"gender": {"type": "categorical"}, "age": {"type": "categorical"}},
        segments=["country"],
        fairness={"attributes": ATTRIBUTES, "minSamples": FLOOR},
        **changes,
    )


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> tuple[pd.DataFrame, list[Gauges]]:
    """Predictions, then half of the labels, then the others: three processes over one state."""
    folder = tmp_path_factory.mktemp("fairness")
    frame = people(3000)
    path = write_monitor(folder, spec())
    write_lines(folder / "logs/predictions.jsonl", log(frame))
    gauges = [once(path, "--state-dir", folder / "state")]
    for half in (frame[:1500], frame[1500:]):
        write_lines(folder / "logs/labels.jsonl", told(half))
        gauges.append(once(path, "--state-dir", folder / "state"))
    return frame, gauges


def groups(frame: pd.DataFrame, attribute: str) -> dict[str, pd.DataFrame]:
    named = frame.assign(gender=frame.gender.replace("", "missing"))
    columns = [path.removeprefix("features.") for path in attribute.split(",")]
    return {",".join(names): members for names, members in named.groupby(columns)}


def calibration_error(members: pd.DataFrame) -> float:
    """15 bins of equal width, (low, high], 0 in the first."""
    bins = np.clip(np.ceil(members.score * 15), 1, 15)
    gaps = members.groupby(bins).apply(
        lambda found: len(found) * abs(found.score.mean() - found.label.mean())
    )
    return float(gaps.sum() / len(members))


def rates(members: pd.DataFrame) -> dict[str, float]:
    """Of the labelled members; what rests on fewer than FLOOR rows is not there."""
    known = members[members.labelled]
    found = {}
    (tn, fp), (fn, tp) = confusion_matrix(known.label, known.predicted, labels=[0, 1])
    if tp + fn >= FLOOR:
        found["true_positive_rate"] = tp / (tp + fn)
    if fp + tn >= FLOOR:
        found["false_positive_rate"] = fp / (fp + tn)
    if len(known) >= FLOOR:
        found["calibration_error"] = calibration_error(known)
    if len(members) >= FLOOR:
        found["selection_rate"] = members.predicted.mean()
    return found


@pytest.mark.parametrize("attribute", ["gender", "features.age", "gender,features.age", "country"])
def test_every_group_as_pandas_sees_it(attribute: str, measured: tuple[pd.DataFrame, list[Gauges]]) -> None:
    frame, (before, _, after) = measured
    expected = {group: rates(members) for group, members in groups(frame, attribute).items()}
    for name in ("selection_rate", "true_positive_rate", "false_positive_rate", "calibration_error"):
        found = {
            known["group"]: number
            for known, number in after[f"ml_fairness_{name}"]
            if known["attribute"] == attribute
        }
        assert found == pytest.approx(
            {group: known[name] for group, known in expected.items() if name in known}
        )
    selected = [known["selection_rate"] for known in expected.values() if "selection_rate" in known]
    parity = value(after, "ml_fairness_demographic_parity_ratio", attribute=attribute)
    assert parity == pytest.approx(min(selected) / max(selected))
    spread = []
    for name in ("true_positive_rate", "false_positive_rate"):
        known_rates = [known[name] for known in expected.values() if name in known]
        spread.append(max(known_rates) - min(known_rates))
    odds = value(after, "ml_fairness_equalized_odds_difference", attribute=attribute)
    assert odds == pytest.approx(max(spread))
    # What needs no label was there from the first; what needs them was not.
    assert value(before, "ml_fairness_demographic_parity_ratio", attribute=attribute) == parity
    assert value(before, "ml_fairness_equalized_odds_difference", attribute=attribute) is None


def test_a_group_under_its_floor_is_withheld(measured: tuple[pd.DataFrame, list[Gauges]]) -> None:
    frame, (_, _, after) = measured
    small = frame[(frame.gender == "z") & frame.labelled]
    assert 0 < (small.label == 1).sum() < FLOOR
    assert 0 < (small.label == 0).sum() < FLOOR
    assert value(after, "ml_fairness_true_positive_rate", attribute="gender", group="z") is None
    assert value(after, "ml_fairness_false_positive_rate", attribute="gender", group="z") is None
    # None of n is positive: its false-positive rate counts, a difference of true-positive rates does not.
    assert value(after, "ml_fairness_true_positive_rate", attribute="gender", group="n") is None
    assert value(after, "ml_fairness_false_positive_rate", attribute="gender", group="n") is not None
    withheld = value(
        after, "ml_gauge_withheld", gauge="ml_fairness_true_positive_rate", reason="too_few_samples"
    )
    few = sum(
        "true_positive_rate" not in rates(members)
        for attribute in ("gender", "features.age", "gender,features.age", "country")
        for members in groups(frame, attribute).values()
        if members.labelled.any()
    )
    assert withheld == few


def test_labels_that_have_not_come_are_no_verdict(tmp_path: Path) -> None:
    """With minCoverage a group whose labels lag is withheld; the others are compared."""
    frame = people(2000, seed=3)
    frame["labelled"] = ~((frame.gender == "m") & (np.arange(2000) % 4 > 0))
    labels = {"sink": {"file": {"path": "logs/labels*.jsonl"}}, "fields": {"id": "id", "label": "label"}}
    path = write_monitor(tmp_path, spec(labels={**labels, "minCoverage": 0.5}))
    write_lines(tmp_path / "logs/predictions.jsonl", log(frame))
    write_lines(tmp_path / "logs/labels.jsonl", told(frame))
    gauges = once(path)
    found = {
        known["group"]: number
        for known, number in gauges["ml_fairness_true_positive_rate"]
        if known["attribute"] == "gender"
    }
    members = groups(frame, "gender")
    assert found == pytest.approx(
        {name: rates(members[name])["true_positive_rate"] for name in ("f", "missing")}
    )
    odds = value(gauges, "ml_fairness_equalized_odds_difference", attribute="gender")
    kept = [rates(members[name]) for name in members if name != "m"]
    assert odds == pytest.approx(
        max(
            max(known) - min(known)
            for name in ("true_positive_rate", "false_positive_rate")
            if (known := [found[name] for found in kept if name in found])
        )
    )
    assert value(
        gauges, "ml_gauge_withheld", gauge="ml_fairness_calibration_error", reason="labels_incomplete"
    )


def test_groups_and_segments_of_a_sample_of_what_waits(tmp_path: Path) -> None:
    """Past maxPending a sample waits; rates of groups and of segments stay within four standard errors."""
    frame = people(12_000, seed=5)
    frame["labelled"] = True
    labels = {"sink": {"file": {"path": "logs/labels*.jsonl"}}, "fields": {"id": "id", "label": "label"}}
    path = write_monitor(tmp_path, spec(labels={**labels, "maxPending": 3000}, windows=["2h"]))
    write_lines(
        tmp_path / "logs/predictions.jsonl",
        ({**item, "ts": item["ts"] - 3400} for item in log(frame)),
    )
    waiting = once(path, "--state-dir", tmp_path / "state")
    pending, ratio = (
        value(waiting, f"ml_{name}") for name in ("predictions_pending", "label_sampling_ratio")
    )
    assert pending is not None
    assert ratio in (0.25, 0.125)
    assert pending <= 3000
    assert pending == pytest.approx(12_000 * ratio, abs=4 * np.sqrt(12_000 * ratio))
    write_lines(tmp_path / "logs/labels.jsonl", told(frame))
    (model,) = load_all([path])
    with closing(model.open(tmp_path / "state")) as cycle:
        snapshot = cycle.run(at=NOW, final=True)
    assert snapshot is not None
    gauges = parse(render([snapshot], {}).decode())
    rejected = value(gauges, "ml_sink_rejected_records_total", sink="labels", reason="sampled_out")
    assert rejected == 12_000 - pending
    assert value(gauges, "ml_predictions_pending") == 0
    assert value(gauges, "ml_labels_unmatched_total") == 0
    for group, members in groups(frame, "gender").items():
        for name in ("true_positive_rate", "false_positive_rate"):
            found = value(gauges, f"ml_fairness_{name}", attribute="gender", group=group)
            rows = members[members.label == (name == "true_positive_rate")]
            if found is not None:
                truth = rows.predicted.mean()
                error = np.sqrt(truth * (1 - truth) / (len(rows) * ratio))
                assert found == pytest.approx(truth, abs=4 * error)
                assert len(rows) * ratio > FLOOR / 2
    for country, members in frame.groupby("country"):
        known = {"segment": "country", "segment_value": str(country)}
        accuracy = (members.predicted == members.label).mean()
        error = np.sqrt(accuracy * (1 - accuracy) / (len(members) * ratio))
        assert value(gauges, "ml_model_accuracy", **known) == pytest.approx(accuracy, abs=4 * error)
        coverage = value(gauges, "ml_label_coverage_ratio", **known)
        assert coverage == pytest.approx(1, abs=4 * np.sqrt((1 / ratio - 1) / len(members)))


def test_more_than_two_classes_are_not_compared(tmp_path: Path) -> None:
    write_lines(
        tmp_path / "logs/predictions.jsonl",
        [
            record(row, at=row, score=None, prediction="abc"[row % 3], gender="fm"[row % 2])
            for row in range(60)
        ],
    )
    content = monitor(task="multiclass", fairness={"attributes": ["gender"]}, labels=None)
    content["spec"]["predictions"]["classes"] = ["a", "b", "c"]
    del content["spec"]["predictions"]["fields"]["score"]
    gauges = once(write_monitor(tmp_path, json.loads(json.dumps(content))))
    for name in ("demographic_parity_ratio", "equalized_odds_difference"):
        assert value(gauges, "ml_gauge_withheld", gauge=f"ml_fairness_{name}", reason="not_binary") == 1
    assert not any(name.startswith("ml_fairness") for name in gauges)
