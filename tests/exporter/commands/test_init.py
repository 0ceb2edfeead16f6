"""`init` finds the fields of a log, says what it is unsure of, and refuses what it cannot use."""

from __future__ import annotations

import gzip
import json
import random
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support.commands import exporter

pytestmark = pytest.mark.slow

START = datetime(2026, 1, 10, tzinfo=UTC)


def at(number: int) -> str:
    return (START + timedelta(seconds=5 * number)).strftime("%Y-%m-%dT%H:%M:%SZ")


def write(path: Path, records: list[Any]) -> Path:
    path.write_text("".join(f"{json.dumps(record)}\n" for record in records), encoding="utf-8")
    return path


def records(number: int = 300, **fields: Any) -> list[dict[str, Any]]:
    """Predictions with a score; a field that is a function gets the number of each."""
    chance = random.Random(3)
    return [
        {
            "ts": at(i),
            "id": f"r{i}",
            "score": round(chance.random(), 4),
            **{name: value(i) if callable(value) else value for name, value in fields.items()},
        }
        for i in range(number)
    ]


def drafted(log: Path, *options: object, code: int = 0) -> tuple[dict[str, Any], str, str]:
    """Return the spec that ``init`` writes, the text of the file, and what it says on standard error."""
    out = log.parent / "out"
    done = exporter("init", log, *options, "--out", out)
    (file,) = out.glob("*.monitor.yaml")
    checked = exporter("check", file, check=False)
    assert checked.returncode == code, checked.stdout + checked.stderr
    text = file.read_text(encoding="utf-8")
    return yaml.safe_load(text)["spec"], text, done.stderr


def refused(tmp_path: Path, *arguments: object) -> str:
    done = exporter("init", *arguments, "--out", tmp_path / "out", check=False)
    assert done.returncode == 2
    assert not (tmp_path / "out").exists()
    return done.stderr


def test_the_example(tmp_path: Path, request: pytest.FixtureRequest) -> None:
    example = request.config.rootpath / "examples" / "diabetes"
    options = ["--labels", example / "logs/labels.jsonl", "--data", example / "reference-data.jsonl"]
    done = exporter("init", example / "logs/predictions.jsonl", *options, "--out", tmp_path / "diabetes")
    assert done.stdout.splitlines()[-2].startswith("next: mlslo-rulegen init ")
    own = yaml.safe_load((tmp_path / "diabetes/diabetes.monitor.yaml").read_text())["spec"]
    theirs = yaml.safe_load((example / "monitor.yaml").read_text())["spec"]
    assert own["task"] == theirs["task"]
    assert own["predictions"]["fields"] == theirs["predictions"]["fields"]
    assert own["labels"]["fields"] == theirs["labels"]["fields"]
    assert exporter("check", tmp_path / "diabetes/diabetes.monitor.yaml").returncode == 0


def test_the_id_that_matches_is_chosen(tmp_path: Path) -> None:
    log = write(tmp_path / "log.jsonl", records(order=lambda i: f"o{i}", features={"a": 1}))
    labels = write(
        tmp_path / "labels.jsonl", [{"id": i, "ref": f"o{i}", "fraud": i % 2} for i in range(0, 300, 3)]
    )
    spec, text, _ = drafted(log, "--labels", labels)
    assert spec["predictions"]["fields"]["id"] == "order"
    assert spec["labels"]["fields"] == {"id": "ref", "label": "fraud"}
    assert "# 100 of 100 labels have the id of a prediction" in text


def test_labels_far_behind_are_found(tmp_path: Path) -> None:
    log = write(tmp_path / "log.jsonl", records(3000))
    labels = write(tmp_path / "labels.jsonl", [{"id": f"r{i}", "label": i % 2} for i in range(2500, 2600)])
    spec, _, _ = drafted(log, "--labels", labels)
    assert spec["labels"]["fields"] == {"id": "id", "label": "label"}


def test_labels_that_do_not_match_stand_as_a_comment(tmp_path: Path) -> None:
    log = write(tmp_path / "log.jsonl", records())
    labels = write(tmp_path / "labels.jsonl", [{"id": f"x{i}", "label": i % 2} for i in range(99)])
    spec, text, said = drafted(log, "--labels", labels)
    assert "labels" not in spec
    assert "  # labels:\n" in text
    assert "none of 99 has the id of a prediction" in said


TASKS: dict[str, tuple[dict[str, Any], str]] = {
    "classes": ({"score": lambda _: {"a": 0.2, "b": 0.5, "c": 0.3}}, "multiclass"),
    "sets": ({"score": lambda _: {"a": 0.9, "b": 0.8}}, "multilabel"),
    "named sets": ({"score": None, "prediction": lambda i: ["a", "b", "c"][: i % 3 + 1]}, "multilabel"),
    "amounts": ({"score": None, "prediction": lambda i: 100 + i / 7}, "regression"),
    "items": ({"score": None, "prediction": lambda i: [f"i{i}", f"j{i}", f"k{i}"]}, "ranking"),
    "words": ({"score": None, "prediction": lambda i: "fraud" if i % 9 == 0 else "legit"}, "binary"),
    "pairs": ({"score": lambda _: [0.25, 0.75]}, "binary"),
    "three": ({"score": lambda _: [0.25, 0.5, 0.25], "prediction": lambda i: "abc"[i % 3]}, "multiclass"),
}


@pytest.mark.parametrize("name", TASKS)
def test_the_task_is_told_by_the_answers(name: str, tmp_path: Path) -> None:
    fields, task = TASKS[name]
    spec, _, _ = drafted(write(tmp_path / "log.jsonl", records(**fields)))
    assert spec["task"] == task
    if name == "words":
        assert spec["predictions"]["positiveClass"] == "fraud"


@pytest.mark.parametrize(
    ("name", "values", "unit"),
    [
        ("latency_ms", 12.5, "ms"), ("elapsedMicros", 900, "us"), ("duration_seconds", 3, "s"), ("latency_ns", 5, "ns"),
        ("latency", 0.012, "s"), ("latency", 12, "ms"), ("took", 25_000, "us"),
    ],
)  # fmt: skip
def test_a_unit_follows_from_the_name_or_the_size(
    name: str, values: float, unit: str, tmp_path: Path
) -> None:
    spec, _, said = drafted(write(tmp_path / "log.jsonl", records(300, **{name: values})))
    assert spec["predictions"]["fields"]["latency"] == {"field": name, "unit": unit}
    assert ("by its size" in said) == (name in ("latency", "took"))


def test_other_records_are_left_out(tmp_path: Path) -> None:
    predictions = records(type="prediction", features=lambda i: {"a": i / 3})
    others = [{"ts": at(i), "type": "health"} for i in range(100)]
    log = write(tmp_path / "log.jsonl", [*others, [1], "text", 7, *predictions])
    assert drafted(log)[0]["predictions"]["where"] == {"type": "prediction"}


@pytest.mark.parametrize(("predicted", "kept"), [(["allow", "block"], False), ([0, 1], True)])
def test_a_score_of_what_labels_call_otherwise(predicted: list[Any], kept: bool, tmp_path: Path) -> None:
    log = write(
        tmp_path / "log.jsonl", records(decision=lambda i: predicted[i % 7 == 0], features={"amount": 1.5})
    )
    labels = write(tmp_path / "labels.jsonl", [{"id": f"r{i}", "is_fraud": i % 7 == 0} for i in range(300)])
    spec, _, said = drafted(log, "--labels", labels)
    fields = spec["predictions"]["fields"]
    assert spec["task"] == "binary"
    assert fields["score"] == "score"
    assert ("prediction" in fields) == kept
    assert ("labels say False or True, never allow or block: predictions are left out" in said) != kept


def test_features_beside_the_rest(tmp_path: Path) -> None:
    found = records(
        amount=lambda i: i / 3, country=lambda i: "DE" if i % 2 else "FR", host="a", trace_id=lambda i: f"t{i}",
        label=lambda i: i % 2, created_at=at,
    )  # fmt: skip
    spec, text, _ = drafted(write(tmp_path / "log.jsonl", found))
    assert spec["predictions"]["fields"]["features"] == ["amount", "country"]
    assert spec["features"] == {"amount": {"type": "numeric"}, "country": {"type": "categorical"}}
    assert "# segments: [country]" in text
    assert "never change: host, trace_id, label, created_at" in text


NAMES = ["a.b", 'it\'s "q"', "line\nbreak", "# no", "- x: {y}", "null", "é ü", "[a", "yes", "a: b", "%", "1"]
NO_PATHS = ["*", "", "x | y", "k|", "..", "a" * 200]


@pytest.mark.parametrize("nested", [False, True])
def test_names_that_are_special_to_yaml_or_to_paths(nested: bool, tmp_path: Path) -> None:
    features: dict[str, Any] = {
        name: lambda i, n=n: (i + 1) / (n + 3) for n, name in enumerate([*NAMES, *NO_PATHS])
    }
    if nested:
        made = [{name: value(i) for name, value in features.items()} for i in range(300)]
        features = {"features": lambda i: made[i]}
    spec, _, _ = drafted(write(tmp_path / "log.jsonl", records(**features)))
    # Below the first key of a path none has a dot.
    assert list(spec["features"]) == [name for name in NAMES if not (nested and name == "a.b")]


def test_text_that_is_no_unicode(tmp_path: Path) -> None:
    log = write(tmp_path / "log.jsonl", records(features={"\ud800": 1, "a": 2}))
    spec, _, said = drafted(log, code=1)
    assert list(spec["features"]) == ["a"]
    assert "0 of the first 300 records usable" in said


def test_formats_are_told_by_what_a_file_holds(tmp_path: Path) -> None:
    text = "ts;id;score;amount\n" + "".join(f"{at(i)};r{i};0,5;{i},25\n" for i in range(50))
    (tmp_path / "log.txt").write_text(text)
    spec, _, _ = drafted(tmp_path / "log.txt")
    assert spec["predictions"]["sink"]["file"]["format"] == "csv"
    assert spec["features"] == {"amount": {"type": "numeric"}}


def test_several_files_are_one_pattern(tmp_path: Path) -> None:
    logs = [write(tmp_path / f"log[1].{i}.jsonl", records(50)) for i in range(3)]
    (tmp_path / "other.jsonl").write_text("{}\n")
    exporter("init", *logs, "--out", tmp_path / "out")
    spec = yaml.safe_load((tmp_path / "out/out.monitor.yaml").read_text())["spec"]
    assert spec["predictions"]["sink"]["file"]["path"] == f"{tmp_path}/log[[]1].*.jsonl"


def test_windows_hold_enough_rows(tmp_path: Path) -> None:
    often, seldom = records(300), records(300)
    for i, record in enumerate(seldom):
        record["ts"] = (START + timedelta(minutes=3 * i)).isoformat()
    assert drafted(write(tmp_path / "log.jsonl", often))[0]["windows"] == ["1h", "1d"]
    (tmp_path / "b").mkdir()
    assert drafted(write(tmp_path / "b" / "log.jsonl", seldom))[0]["windows"] == ["1d", "7d"]


@pytest.mark.slow
def test_two_thousand_features(tmp_path: Path) -> None:
    features = {f"f{i}": i / 7 for i in range(2000)}
    log = write(
        tmp_path / "log.jsonl", records(200, features=lambda i: {k: v + i for k, v in features.items()})
    )
    assert len(drafted(log)[0]["features"]) == 2000


@pytest.mark.slow
def test_huge_records(tmp_path: Path) -> None:
    log = write(tmp_path / "log.jsonl", records(10, features={"text": "a b c d " * 200_000, "a": 1}))
    assert drafted(log)[0]["features"]["a"] == {"type": "numeric"}


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    log = write(tmp_path / "log.jsonl", records())
    _, text, _ = drafted(log)
    file = tmp_path / "out/out.monitor.yaml"
    file.write_text("# ours\n")
    done = exporter("init", log, "--out", tmp_path / "out", check=False)
    assert (done.returncode, done.stderr) == (2, f"{file}: is there already; --force writes over it\n")
    assert file.read_text() == "# ours\n"
    exporter("init", log, "--out", tmp_path / "out", "--force")
    assert file.read_text() == text


def test_training_data_that_cannot_be_read_leaves_nothing(tmp_path: Path) -> None:
    log = write(tmp_path / "log.jsonl", records(features={"a": 1}))
    (tmp_path / "data.csv").write_bytes(b"\xff\x00\x01")
    assert f"{tmp_path}/data.csv: " in refused(tmp_path, log, "--data", tmp_path / "data.csv")
    assert "no such file" in refused(tmp_path, log, "--data", tmp_path / "none.csv")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "log.jsonl: no records yet"),
        (bytes(range(256)) * 20, "log.jsonl: no record is a JSON object or a row of CSV or Parquet"),
        (gzip.compress(b"", mtime=0), "log.jsonl: "),
        (b'{"id": 1, "score": 0.5}\n' * 9, "no field holds a time such as 2026-01-31T12:00:00Z; there is id, score"),
        (b"[1, 2]\n" * 9, "log.jsonl: no record is a JSON object or a row of CSV or Parquet"),
        (b"\xff\xfe" * 40, "log.jsonl: no whole line, and no UTF-8 text"),
        (b"PAR1" + bytes(100), "log.jsonl: "),
    ],
    ids=["empty", "bytes", "empty gzip", "no time", "no objects", "UTF-16", "no Parquet"],
)  # fmt: skip
def test_what_is_no_log_is_refused(content: bytes, said: str, tmp_path: Path) -> None:
    (tmp_path / "log.jsonl").write_bytes(content)
    assert said in refused(tmp_path, tmp_path / "log.jsonl")


def test_what_is_no_file_is_refused(tmp_path: Path) -> None:
    assert f"{tmp_path}/none: no such file" in refused(tmp_path, tmp_path / "none")
    assert f"{tmp_path}: is no file" in refused(tmp_path, tmp_path)
