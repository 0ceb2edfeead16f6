"""A multilabel model through the public commands, against scikit-learn; and what its log can hold beside that."""

from __future__ import annotations

import csv
import json
import shutil
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
from sklearn import metrics

from exporter.daemon.models import load_all
from exporter.measure.exposition import render
from exporter.tasks.multilabel import MultilabelTask
from mlslo.monitor import load
from tests.support.commands import exporter
from tests.support.logs import EPOCH, Gauges, monitor, once, parse, value, write_lines, write_monitor

pytestmark = pytest.mark.slow

NAMES = ["news", "sport", "tech", "10"]
ROWS = 600


class Log(NamedTuple):
    """A model whose scores are logged in two ways, its sets in four, and its labels in three."""

    path: Path
    gauges: Gauges
    predicted: np.ndarray
    labels: np.ndarray
    scores: np.ndarray
    countries: np.ndarray


def names_of(row: np.ndarray) -> list[str]:
    return [name for name, member in zip(NAMES, row, strict=True) if member]


def written(row: np.ndarray, form: int) -> Any:
    """A set in one of the ways in which it can be logged."""
    return (
        names_of(row),
        {name: bool(member) for name, member in zip(NAMES, row, strict=True)},
        row.astype(int).tolist(),
        json.dumps(names_of(row)),
    )[form % 4]


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Log:
    folder = tmp_path_factory.mktemp("multilabel")
    rng = np.random.default_rng(5)
    scores = np.round(rng.random((ROWS, len(NAMES))), 3)
    labels = rng.random((ROWS, len(NAMES))) < scores * [1, 0.7, 0.5, 0.3]
    # The threshold is the model's own, but for some sets that are not logged.
    predicted = scores >= 0.4
    derived = np.arange(ROWS) % 5 == 0
    predicted[derived] = scores[derived] >= 0.5
    countries = rng.choice(["DE", "FR"], ROWS)
    records = [
        {
            "ts": EPOCH + 5 * i,
            "id": f"r{i}",
            "score": scores[i].tolist() if i % 2 else dict(zip(NAMES, scores[i].tolist(), strict=True)),
            "prediction": None if derived[i] else written(predicted[i], i),
            "features": {"amount": float(i), "country": str(countries[i])},
        }
        for i in range(ROWS)
    ]
    write_lines(folder / "logs/predictions.jsonl", records)
    write_lines(
        folder / "logs/labels.jsonl",
        ({"id": f"r{i}", "label": written(labels[i], i + 1), "ts": EPOCH + 5 * i + 90} for i in range(ROWS)),
    )
    write_lines(
        folder / "train.jsonl",
        ({**record, "label": written(labels[i], i + 1)} for i, record in enumerate(records) if i % 3 == 0),
    )
    path = write_monitor(folder, content())
    done = exporter("baseline", path, "--data", folder / "train.jsonl", "--out", folder / "reference.json")
    assert "(predicted)" in done.stdout
    assert "withheld" not in done.stderr
    return Log(path, once(path), predicted, labels, scores, countries)


def content(**more: Any) -> dict[str, Any]:
    spec: dict[str, Any] = {
        "task": "multilabel",
        "predictions": {
            "sink": {"file": {"path": "logs/predictions.jsonl"}},
            "classes": NAMES,
            "fields": {
                "timestamp": "ts",
                "id": "id",
                "score": "score",
                "prediction": "prediction",
                "features": "features",
            },
        },
        "segments": ["features.country"],
        "fairness": {"attributes": ["features.country"]},
        "references": {
            "training": {"static": "reference.json"},
            "past": {"sliding": "30m", "offset": "30m"},
        },
        "features": {"amount": {"type": "numeric"}, "country": {"type": "categorical"}},
    }
    return monitor(**{**spec, **more})


def test_every_outcome_is_that_of_scikit_learn(log: Log) -> None:
    of: dict[str, Any] = {"y_true": log.labels, "y_pred": log.predicted}
    near = pytest.approx
    assert value(log.gauges, "ml_model_accuracy") == near(metrics.accuracy_score(**of), abs=1e-12)
    assert value(log.gauges, "ml_model_hamming_loss") == near(metrics.hamming_loss(**of), abs=1e-12)
    for name, oracle in (
        ("precision", metrics.precision_score),
        ("recall", metrics.recall_score),
        ("f1", metrics.f1_score),
    ):
        metric = f"ml_model_{name}"
        for average in ("micro", "macro", "weighted", "samples"):
            exact = oracle(**of, average=average, zero_division=np.nan)
            found = value(log.gauges, metric, average=average, **{"class": ""})
            assert found == near(exact, abs=1e-12), (name, average)
        for class_name, exact in zip(NAMES, oracle(**of, average=None), strict=True):
            found = value(log.gauges, metric, average="", **{"class": class_name})
            assert found == near(exact, abs=1e-12), (name, class_name)
    for metric, oracle in (
        ("ml_model_auc_roc", metrics.roc_auc_score),
        ("ml_model_auc_pr", metrics.average_precision_score),
    ):
        for average in ("micro", "macro", "weighted"):
            exact = oracle(log.labels, log.scores, average=average)
            found = value(log.gauges, metric, average=average, **{"class": ""})
            assert found == near(exact, abs=0.01), (metric, average)
        for class_name, exact in zip(NAMES, oracle(log.labels, log.scores, average=None), strict=True):
            found = value(log.gauges, metric, average="", **{"class": class_name})
            assert found == near(exact, abs=0.02), (metric, class_name)


def test_sets_of_predictions_and_labels_are_described(log: Log) -> None:
    for prefix, sets in (("ml_prediction", log.predicted), ("ml_label", log.labels)):
        for name, share in zip(NAMES, sets.mean(axis=0), strict=True):
            assert value(log.gauges, f"{prefix}_class_ratio", **{"class": name}) == pytest.approx(share)
        assert value(log.gauges, f"{prefix}_cardinality") == pytest.approx(sets.sum(axis=1).mean())
        for reference in ("training", "past"):
            found = value(log.gauges, f"{prefix}_psi", reference=reference)
            assert found is not None
            assert 0 <= found < 0.05
        now, then = mix(sets), mix(sets[::3])
        assert value(log.gauges, f"{prefix}_psi", reference="training") == pytest.approx(
            psi(now, then), rel=1e-4
        )
    assert value(log.gauges, "ml_label_coverage_ratio") == 1
    right = (log.predicted == log.labels).all(axis=1)
    assert value(log.gauges, "ml_model_accuracy_by_delay", delay="1h") == pytest.approx(right.mean())
    largest = log.scores.max(axis=1)
    assert value(log.gauges, "ml_prediction_mean") == pytest.approx(largest.mean())
    assert value(log.gauges, "ml_prediction_top_value_ratio") == pytest.approx(1 / ROWS, abs=0.01)


def mix(sets: np.ndarray) -> np.ndarray:
    """Shares of the classes, of other names, and of nothing, a set counting as one."""
    whole = np.column_stack([sets, np.zeros(len(sets)), ~sets.any(axis=1)]).astype(float)
    found: np.ndarray = (whole / whole.sum(axis=1, keepdims=True)).mean(axis=0)
    return found


def psi(now: np.ndarray, then: np.ndarray) -> float:
    p, q = np.maximum(now, 1e-4), np.maximum(then, 1e-4)
    return float(np.sum((p - q) * np.log(p / q)))


def test_segments_have_averages_and_no_single_classes(log: Log) -> None:
    for country in ("DE", "FR"):
        mine = log.countries == country
        where = {"segment": "features.country", "segment_value": country}
        exact = metrics.f1_score(log.labels[mine], log.predicted[mine], average="macro")
        assert value(log.gauges, "ml_model_f1", average="macro", **where) == pytest.approx(exact, abs=1e-12)
    classes = {
        labels["class"] for labels, _ in log.gauges["ml_model_f1"] if labels["segment"] and labels["class"]
    }
    assert classes == set()


def test_fairness_is_of_two_classes(log: Log) -> None:
    reasons = {
        labels["reason"] for labels, _ in log.gauges["ml_gauge_withheld"] if "fairness" in labels["gauge"]
    }
    assert reasons == {"not_binary"}


def test_check_shows_the_sets(log: Log) -> None:
    done = exporter("check", log.path)
    assert "predicted                 " + ", ".join(names_of(log.predicted[1])) in done.stdout
    assert f"record 1: label {', '.join(names_of(log.labels[0])) or 'no class'}, known at" in done.stdout
    assert "warning" not in done.stdout


def test_a_set_of_names_that_are_no_class_is_no_answer(tmp_path: Path) -> None:
    write_lines(
        tmp_path / "logs/predictions.jsonl",
        ({"ts": EPOCH + i, "id": i, "prediction": ["de-DE"], "features": {}} for i in range(9)),
    )
    spec = content(references=None, labels=None)
    del spec["spec"]["predictions"]["fields"]["score"]
    done = exporter("check", write_monitor(tmp_path, spec), check=False)
    assert done.returncode == 1
    assert "9 unknown_class" in done.stdout
    assert "a class that is not known" in done.stdout


def test_labels_may_come_much_later_and_before(tmp_path: Path, log: Log) -> None:
    """What waits keeps its set and its scores, however the records are split over runs."""
    logs = {name: (log.path.parent / f"logs/{name}.jsonl").read_text() for name in ("predictions", "labels")}
    path = write_monitor(tmp_path, content(references=None))
    (tmp_path / "logs").mkdir()
    lines = logs["labels"].splitlines(keepends=True)
    (tmp_path / "logs/predictions.jsonl").touch()
    (tmp_path / "logs/labels.jsonl").write_text("".join(lines[::2]))
    once(path, "--state-dir", tmp_path / "state")
    (tmp_path / "logs/predictions.jsonl").write_text(logs["predictions"])
    once(path, "--state-dir", tmp_path / "state")
    (tmp_path / "logs/labels.jsonl").write_text("".join([*lines[::2], *lines[1::2]]))
    found = once(path, "--state-dir", tmp_path / "state")
    for name in ("ml_model_f1", "ml_model_auc_roc", "ml_model_accuracy", "ml_label_cardinality"):
        for labels, number in log.gauges[name]:
            assert value(found, name, **labels) == pytest.approx(number, abs=1e-12), (name, labels)


def test_what_waited_under_other_classes_is_not_compared(tmp_path: Path, log: Log) -> None:
    spec = content(references=None)
    path = write_monitor(tmp_path, spec)
    shutil.copytree(log.path.parent / "logs", tmp_path / "logs")
    (tmp_path / "logs/labels.jsonl").unlink()
    once(path, "--state-dir", tmp_path / "state")
    shutil.copy(log.path.parent / "logs/labels.jsonl", tmp_path / "logs")
    spec["spec"]["predictions"]["classes"] = list(reversed(NAMES))
    found = once(write_monitor(tmp_path, spec), "--state-dir", tmp_path / "state")
    assert "ml_model_accuracy" not in found
    assert value(found, "ml_label_cardinality") == pytest.approx(log.labels.sum(axis=1).mean())


def test_names_that_are_no_class_are_certain_misses(tmp_path: Path) -> None:
    pairs = [
        (["news"], ["news"]),
        (["news", "x"], ["news"]),
        (["sport"], ["sport", "y"]),
        ([], []),
        (["x"], ["x"]),
    ]
    write_lines(
        tmp_path / "logs/predictions.jsonl",
        ({"ts": EPOCH + i, "id": i, "prediction": ours} for i, (ours, _) in enumerate(pairs)),
    )
    write_lines(tmp_path / "logs/labels.jsonl", ({"id": i, "label": y} for i, (_, y) in enumerate(pairs)))
    found = once(write_monitor(tmp_path, content(references=None, segments=None, fairness=None)))
    assert value(found, "ml_model_accuracy") == 2 / 5
    assert value(found, "ml_model_precision", average="micro", **{"class": ""}) == 3 / 5
    assert value(found, "ml_model_hamming_loss") == pytest.approx(3 / (5 * (len(NAMES) + 1)))
    unknown = {
        labels["sink"]: number
        for labels, number in found["ml_sink_rejected_records_total"]
        if labels["reason"] == "unknown_class"
    }
    assert unknown == {"predictions": 2, "labels": 2}
    assert value(found, "ml_label_class_ratio", **{"class": "news"}) == 2 / 5


def test_what_is_no_set_is_counted(tmp_path: Path) -> None:
    outputs: list[tuple[Any, Any]] = [
        ("news", None),
        ([1, 0, 1], None),
        (7, None),
        # An answer that cannot be read is none, and its scores are another.
        ("news", [1, 1, 1, 1]),
        (["news"], [0.5, 0.5]),
        (["news"], [1, 1, 1, 2]),
        (None, [1, 0, 0, 0]),
        (["news"], [1, 0, 0, 0]),
    ]
    write_lines(
        tmp_path / "logs/predictions.jsonl",
        (
            {"ts": EPOCH + i, "id": i, "prediction": ours, "score": scores}
            for i, (ours, scores) in enumerate(outputs)
        ),
    )
    labels = ["news", [1, 0], None, ["news"], ["news"], ["news"], ["news"], ["news"]]
    write_lines(tmp_path / "logs/labels.jsonl", ({"id": i, "label": y} for i, y in enumerate(labels)))
    found = once(write_monitor(tmp_path, content(references=None, segments=None, fairness=None)))
    rejected = {
        (labels["sink"], labels["reason"]): number
        for labels, number in found["ml_sink_rejected_records_total"]
        if number
    }
    assert rejected == {("predictions", "invalid_score"): 6, ("labels", "invalid_label"): 3}
    assert value(found, "ml_prediction_class_ratio", **{"class": "news"}) == 1
    assert value(found, "ml_model_accuracy") == 1
    assert value(found, "ml_label_coverage_ratio") == 1


@pytest.mark.parametrize(
    ("classes", "said"),
    [
        (None, "12:5: missing key 'classes': a multilabel model needs the list of its classes"),
        (["a", "b", "a"], "15:7: 'a' is listed twice"),
    ],
)
def test_classes_are_needed_once_each(classes: list[str] | None, said: str, tmp_path: Path) -> None:
    predictions: dict[str, Any] = {"sink": {"file": {"path": "p.jsonl"}}, "fields": {"timestamp": "ts"}}
    if classes:
        predictions["classes"] = classes
        predictions = dict(sorted(predictions.items()))
    spec = monitor(task="multilabel", predictions=predictions, labels=None)
    path = write_monitor(tmp_path, spec)
    done = exporter("check", path, check=False)
    assert done.returncode == 2
    assert done.stderr == f"{path}:{said}\n", path.read_text()


def test_what_waits_of_two_hundred_classes_is_small(tmp_path: Path) -> None:
    spec = content(references=None)
    spec["spec"]["predictions"]["classes"] = [f"c{i}" for i in range(200)]
    task = MultilabelTask(load(write_monitor(tmp_path, spec)).spec, {})
    raw = {"set": np.array(['["c7"]', "[]"], dtype=object), "scores": np.array([None, json.dumps([0] * 200)])}
    rejected: Any = {}
    outputs = task.outputs(raw, np.ones(2, dtype=bool), rejected)
    assert outputs.payload is not None
    assert [len(item) for item in outputs.payload] == [30, 830]
    assert task.shown(outputs.payload[0]) == "c7"
    assert task.shown(outputs.payload[1]) == "no class"


def test_a_baseline_reads_tables_too(tmp_path: Path, log: Log) -> None:
    """A CSV file whose sets are text that holds JSON has the mix that the log has."""
    lines = [json.loads(line) for line in (log.path.parent / "train.jsonl").read_text().splitlines()]
    with (tmp_path / "train.csv").open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["prediction", "label", "amount", "country"])
        for i, line in enumerate(lines):
            label = line["label"] if isinstance(line["label"], str) else json.dumps(line["label"])
            table.writerow([json.dumps(names_of(log.predicted[3 * i])), label, i, "DE"])
    path = write_monitor(tmp_path, content())
    exporter("baseline", path, "--data", tmp_path / "train.csv", "--out", tmp_path / "reference.json")
    ours, theirs = (
        json.loads((folder / "reference.json").read_text()) for folder in (tmp_path, log.path.parent)
    )
    for name in ("classes", "labels"):
        assert ours[name] == theirs[name]
        assert ours[name]["type"] == "mix"


def test_a_batch_is_worked_on_in_portions(log: Log, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("exporter.tasks.multilabel._NUMBERS", 7 * (len(NAMES) + 2))
    frame = once_here(log.path)
    for name in ("ml_model_f1", "ml_model_auc_roc", "ml_prediction_cardinality", "ml_label_psi"):
        for labels, number in log.gauges[name]:
            assert value(frame, name, **labels) == pytest.approx(number, abs=1e-12), (name, labels)


def once_here(path: Path) -> Gauges:
    """Measure in this process, where a module can be changed."""
    (model,) = load_all([path])
    with closing(model.open(None)) as cycle:
        snapshot = cycle.run(at=EPOCH + 3600, final=True)
    assert snapshot is not None
    return parse(render([snapshot], {}).decode())
