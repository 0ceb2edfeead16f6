"""What `baseline` writes of every kind of feature and of what was predicted, against numpy and plain Python."""

from __future__ import annotations

import gzip
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.datasets import load_iris, load_wine

from exporter.references.reference_file import load
from exporter.statistics.hashed_counts import vocabulary_overlap
from exporter.summary.embedding import EmbeddingSummary
from exporter.summary.hashed import VocabularySummary
from tests.support.commands import exporter
from tests.support.logs import EPOCH, monitor, write_lines, write_monitor

WORDS = [
    "model",
    "drift",
    "label",
    "score",
    "window",
    "segment",
    "group",
    "page",
    "alert",
    "budget",
    "burn",
    "rate",
]


def build(folder: Path, content: dict[str, Any], *data: Path) -> tuple[dict[str, Any], dict[str, str]]:
    """The reference file, and the account of each feature."""
    out = folder / "reference.json"
    done = exporter("baseline", write_monitor(folder, content), "--data", *data, "--out", out)
    return json.loads(out.read_text()), {line.split()[0]: line for line in done.stdout.splitlines()[:-1]}


def mixed(number: int = 1200) -> list[dict[str, Any]]:
    rng = np.random.default_rng(5)
    return [
        {
            "ts": EPOCH + i,
            "features": {
                "amount": "n/a" if i % 100 == 0 else float(rng.normal()),
                "rooms": int(rng.integers(1, 5)),
                "member": None if i % 10 == 0 else bool(rng.random() < 0.3),
                "since": datetime.fromtimestamp(EPOCH - 3600 * i, UTC).isoformat(),
                "comment": " ".join(rng.choice(WORDS, 6)) + f" {i}",
                "session": f"{i:08x}",
                "vector": [1.0] if i % 50 == 0 else rng.normal(1, 1, 3).tolist(),
                "basket": [1.0] * (i % 7),
            },
        }
        for i in range(number)
    ]


def test_kinds_are_inferred_and_accounted_for(tmp_path: Path) -> None:
    records = mixed()
    data = write_lines(tmp_path / "data.jsonl", records)
    content, account = build(tmp_path, monitor(labels=None), data)
    assert {name: item["type"] for name, item in content["features"].items()} == {
        "amount": "numeric",
        "rooms": "numeric",
        "member": "boolean",
        "since": "timestamp",
        "comment": "text",
        "vector": "embedding",
    }
    assert content["features"]["amount"]["invalid"] == 12
    assert "not a number 1.00%" in account["amount"]
    assert "4 distinct whole numbers; if not, write rooms: {type: categorical}" in account["rooms"]
    assert "missing 10.00%" in account["member"]
    assert "2026-01-10T00:00:00+00:00" in account["since"]
    assert "1200 distinct values; if not, write comment: {type: categorical}" in account["comment"]
    assert "1200 distinct values of one word: an id" in account["session"]
    assert "3 dimensions" in account["vector"]
    assert "lists of 0 to 6 numbers, not vectors of one length" in account["basket"]


def test_views_hold_what_the_data_holds(tmp_path: Path) -> None:
    records = mixed()
    features = [record["features"] for record in records]
    data = write_lines(tmp_path / "data.jsonl", records)
    build(tmp_path, monitor(labels=None), data)
    reference = load(tmp_path / "reference.json")
    assert reference.rows == len(records)
    assert reference.kinds["comment"] == "text"
    assert set(reference.views) >= {
        "comment",
        "comment.length",
        "comment.characters",
        "since.hour",
        "vector.norm",
    }
    assert reference.features["comment"] is reference.views["comment.length"]
    length: Any = reference.features["comment"].summary
    assert length.mean == pytest.approx(np.mean([len(item["comment"]) for item in features]))
    characters: Any = reference.views["comment.characters"].summary
    shares = [sum(map(str.isalpha, item["comment"])) / len(item["comment"]) for item in features]
    assert characters.over(("letters",))[0] == pytest.approx(sum(shares), abs=2**-20 * len(shares))
    assert characters.present == len(records)
    words = reference.views["comment"].summary
    assert isinstance(words, VocabularySummary)
    assert words.tokens == 7 * len(records)
    assert vocabulary_overlap(words, words) == pytest.approx(1)
    hours: Any = reference.views["since.hour"].summary
    moments = [datetime.fromisoformat(item["since"]) for item in features]
    assert hours.counts.tolist() == np.bincount([m.hour for m in moments], minlength=24).tolist()
    weekdays: Any = reference.views["since.weekday"].summary
    assert weekdays.counts.tolist() == np.bincount([m.weekday() for m in moments], minlength=7).tolist()
    usable = np.array([item["vector"] for item in features if len(item["vector"]) == 3])
    vectors = reference.views["vector"].summary
    assert isinstance(vectors, EmbeddingSummary)
    assert vectors.centroid == pytest.approx(usable.mean(axis=0))
    norm: Any = reference.features["vector"].summary
    assert vectors.invalid == norm.invalid == 24
    assert norm.mean == pytest.approx(np.linalg.norm(usable, axis=1).mean())


def test_a_declared_kind_wins_over_what_would_be_inferred(tmp_path: Path) -> None:
    declared = {
        "rooms": {"type": "boolean"},
        "session": {"type": "text"},
        "since": {"type": "categorical"},
        "amount": {"type": "embedding"},
    }
    data = write_lines(tmp_path / "data.jsonl", mixed())
    content, account = build(tmp_path, monitor(labels=None, features=declared), data)
    rooms = content["features"]["rooms"]
    assert rooms["type"] == "boolean"
    assert rooms["counts"][0] == 0
    assert rooms["unseen"] + rooms["counts"][1] == 1200
    assert list(content["features"]["session"]["views"]) == ["length", "characters", "vocabulary"]
    assert content["features"]["since"]["type"] == "categorical"
    assert "no vector in the data" in account["amount"]


@pytest.mark.slow
def test_compressed_lines_are_read(tmp_path: Path) -> None:
    plain = write_lines(tmp_path / "data.jsonl", mixed(300))
    packed = tmp_path / "packed.jsonl.gz"
    packed.write_bytes(gzip.compress(plain.read_bytes()))
    assert (
        build(tmp_path, monitor(labels=None), plain)[0]["features"]
        == (build(tmp_path, monitor(labels=None), packed)[0]["features"])
    )


def test_a_feature_named_as_the_view_of_another_is_refused(tmp_path: Path) -> None:
    rows = [{"features": {"a": f"one two three {i}", "a.length": i}} for i in range(1200)]
    data = write_lines(tmp_path / "data.jsonl", rows)
    path = write_monitor(tmp_path, monitor(labels=None))
    done = exporter("baseline", path, "--data", data, "--out", tmp_path / "r.json", check=False)
    assert done.returncode == 2
    assert "'a.length' is a feature, and a view of the text feature 'a'" in done.stderr


def test_extremes(tmp_path: Path) -> None:
    rows = [
        {
            "features": {
                "constant": 7,
                "huge": 1e308 if i % 2 else -1e308,
                "outlier": 1e30 if i == 3 else i,
                "null": None,
            }
        }
        for i in range(400)
    ]
    content, account = build(tmp_path, monitor(labels=None), write_lines(tmp_path / "data.jsonl", rows))
    assert sorted(content["features"]) == ["constant", "outlier"]
    assert "numbers so large" in account["huge"]
    assert 'no value in the data; if not, write "null": {type: categorical}' in account["null"]
    assert load(tmp_path / "reference.json").features["constant"].summary.counts.max() == 400
    one = write_lines(tmp_path / "one.jsonl", rows[:1])
    assert build(tmp_path, monitor(labels=None), one)[0]["rows"] == 1


def test_ten_thousand_categories(tmp_path: Path) -> None:
    declared = {"shop": {"type": "categorical"}}
    for number in (10_000, 10_001):
        data = write_lines(
            tmp_path / f"{number}.jsonl", ({"features": {"x": 1, "shop": f"s{i}"}} for i in range(number))
        )
        content, account = build(tmp_path, monitor(labels=None, features=declared), data)
        assert ("shop" in content["features"]) == (number == 10_000)
    assert "10001 distinct values, more than 10000 categories" in account["shop"]


def test_answers_of_a_binary_model(tmp_path: Path) -> None:
    rng = np.random.default_rng(9)
    score = rng.random(4000)
    label = rng.random(4000) < score
    rows = [
        {"score": float(s), "label": bool(y) if i % 4 else None, "features": {"x": 1.0}}
        for i, (s, y) in enumerate(zip(score, label, strict=True))
    ]
    build(tmp_path, monitor(), write_lines(tmp_path / "data.jsonl", rows))
    reference = load(tmp_path / "reference.json")
    assert reference.classes is not None
    assert reference.classes.summary.counts.tolist() == [np.sum(score < 0.5), np.sum(score >= 0.5)]
    labelled = np.arange(4000) % 4 > 0
    assert reference.labels is not None
    assert reference.labels.summary.counts.tolist() == [np.sum(labelled & ~label), np.sum(labelled & label)]
    assert reference.labels.summary.missing == 1000
    calibration, found = reference.calibration, reference.score
    assert calibration is not None
    assert found is not None
    assert np.array_equal(calibration.edges, found.summary.edges)
    edges = np.concatenate([[-np.inf], calibration.edges, [np.inf]])
    for position in range(len(edges) - 1):
        inside = labelled & (score > edges[position]) & (score <= edges[position + 1])
        assert calibration.rows[position] == inside.sum()
        assert calibration.positives[position] == (inside & label).sum()


def test_no_labels_no_calibration(tmp_path: Path) -> None:
    data = write_lines(tmp_path / "data.jsonl", ({"score": i / 50, "features": {"x": i}} for i in range(50)))
    content, _ = build(tmp_path, monitor(labels=None), data)
    assert "calibration" not in content
    assert "labels" not in content
    assert load(tmp_path / "reference.json").calibration is None


def test_answers_of_a_classifier_of_three(tmp_path: Path) -> None:
    rng = np.random.default_rng(11)
    names = ["setosa", "versicolor", "virginica"]
    target = load_iris().target
    probabilities = rng.dirichlet([1, 1, 1], len(target)) * 0.5 + 0.5 * np.eye(3)[target]
    rows = [
        {"score": dict(zip(names, map(float, p), strict=True)), "label": names[y], "features": {"x": 1.0}}
        for p, y in zip(probabilities, target, strict=True)
    ]
    build(tmp_path, monitor(task="multiclass"), write_lines(tmp_path / "data.jsonl", rows))
    reference = load(tmp_path / "reference.json")
    assert reference.classes is not None
    assert dict(zip(reference.classes.summary.categories, reference.classes.summary.counts, strict=True)) == {
        name: (probabilities.argmax(axis=1) == position).sum() for position, name in enumerate(names)
    }
    assert reference.labels is not None
    assert sorted(reference.labels.summary.categories) == names
    assert reference.score is not None
    assert reference.score.summary.mean == pytest.approx(probabilities.max(axis=1).mean())
    for position, name in enumerate(names):
        found = reference.class_calibration[name]
        assert found.rows.sum() == len(target)
        below = probabilities[:, position] <= found.edges[len(found.edges) // 2]
        half = slice(len(found.edges) // 2 + 1)
        assert found.rows[half].sum() == below.sum()
        assert found.positives[half].sum() == (below & (target == position)).sum()


def test_answers_of_a_regression(tmp_path: Path) -> None:
    rows = [{"prediction": i * 2.0, "label": i * 3, "features": {"x": i}} for i in range(100)]
    content = monitor(task="regression")
    del content["spec"]["predictions"]["fields"]["score"]
    build(tmp_path, content, write_lines(tmp_path / "data.jsonl", rows))
    reference = load(tmp_path / "reference.json")
    assert reference.score is not None
    assert reference.score.summary.mean == pytest.approx(99)
    assert reference.labels is not None
    assert reference.labels.summary.mean == pytest.approx(148.5)


def test_moments_of_the_features_together(tmp_path: Path) -> None:
    values, _ = load_wine(return_X_y=True)
    rows = [
        {"features": {f"f{j:02}": float(x) for j, x in enumerate(row)} | {"kind": "a", "broken": "x"}}
        for row in values
    ]
    build(tmp_path, monitor(labels=None), write_lines(tmp_path / "data.jsonl", rows))
    found = load(tmp_path / "reference.json").moments
    assert found is not None
    assert found.features == tuple(f"f{j:02}" for j in range(values.shape[1]))
    assert found.summary.means == pytest.approx(values.mean(axis=0))
    assert found.summary.deviations == pytest.approx(values.std(axis=0))
    assert np.allclose(found.summary.covariance, np.corrcoef(values.T), atol=1e-6)


def test_attributions(tmp_path: Path) -> None:
    rows = [
        {"shap": {"a": -1.0 if i % 2 else 3.0, "b": None if i % 2 else 0.5}, "features": {"a": i}}
        for i in range(10)
    ]
    content = monitor(labels=None)
    content["spec"]["predictions"]["fields"]["attributions"] = "shap"
    build(tmp_path, content, write_lines(tmp_path / "data.jsonl", rows))
    assert load(tmp_path / "reference.json").attributions == {"a": 2.0, "b": 0.5}


def test_a_file_of_the_first_format_still_loads(tmp_path: Path) -> None:
    from exporter.references.reference_file import _hash

    content: dict[str, Any] = {
        "rows": 4,
        "features": {
            "x": {
                "type": "numeric", "edges": [1.0], "deciles": [1.0], "counts": [2, 2], "deviations": [-1.0, 1.0],
                "missing": 0, "infinite": 0, "mean": 1.0, "stddev": 0.5, "minimum": 0.5, "maximum": 1.5,
            },
            "c": {"type": "categorical", "categories": ["a"], "counts": [4], "unseen": 0, "missing": 0},
        },
        "score": None,
    }  # fmt: skip
    head = {"apiVersion": "mlslo/v1", "kind": "Reference", "model": "m", "created": 1.0}
    path = tmp_path / "old.json"
    path.write_text(json.dumps({**head, "hash": _hash(content), **content}))
    reference = load(path)
    assert reference.kinds == {"x": "numeric", "c": "categorical"}
    assert reference.features["x"].summary.rows == 4


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (("vector", "views", {}), "expected the views norm, vector"),
        (("since", "type", "moment"), "not a reference file"),
        (("vector", "type", ["x"]), "not a reference file"),
    ],
)
def test_damaged_views_are_refused(damage: tuple[str, str, Any], message: str, tmp_path: Path) -> None:
    content, _ = build(tmp_path, monitor(labels=None), write_lines(tmp_path / "data.jsonl", mixed(200)))
    feature, key, value = damage
    content["features"][feature][key] = value
    (tmp_path / "reference.json").write_text(json.dumps(content))
    path = write_monitor(
        tmp_path, monitor(labels=None, references={"training": {"static": "reference.json"}})
    )
    done = exporter("check", path, check=False)
    assert done.returncode == 2
    assert message in done.stderr
    assert "Traceback" not in done.stderr
