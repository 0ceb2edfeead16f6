"""`baseline`, `check` and `metrics`."""

from __future__ import annotations

import csv
import json
import shutil
import time
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pytest

from mlslo.catalogue import METRICS
from tests.support.commands import exporter
from tests.support.logs import EPOCH, monitor, once, value, write_lines, write_monitor


def rows(number: int = 500) -> list[dict[str, Any]]:
    rng = np.random.default_rng(1)
    return [
        {
            "ts": EPOCH + i,
            "score": float(rng.random()),
            "features": {
                "amount": float(rng.normal()),
                "age": int(rng.integers(18, 80)),
                "member": bool(rng.random() < 0.5),
                "country": str(rng.choice(["DE", "FR"])) if i % 10 else None,
                "comment": f"free text {i % 1700} {i}",
                "home": {"rooms": int(rng.integers(1, 6))},
            },
        }
        for i in range(number)
    ]


def build(folder: Path, path: Path, data: Path, **options: Any) -> dict[str, Any]:
    exporter("baseline", path, "--data", data, "--out", folder / "reference.json", **options)
    content: dict[str, Any] = json.loads((folder / "reference.json").read_text())
    return content


def test_types_are_inferred_and_told(tmp_path: Path) -> None:
    data = write_lines(tmp_path / "data.jsonl", rows(1500))
    path = write_monitor(tmp_path, monitor(labels=None))
    done = exporter("baseline", path, "--data", data, "--out", tmp_path / "reference.json")
    kinds = {line.split()[0]: line.split()[1] for line in done.stdout.splitlines()}
    assert kinds["amount"] == kinds["age"] == kinds["home.rooms"] == "numeric"
    assert kinds["country"] == "categorical"
    assert kinds["member"] == "boolean"
    assert kinds["comment"] == "text"
    content = json.loads((tmp_path / "reference.json").read_text())
    assert sorted(content["features"]) == ["age", "amount", "comment", "country", "home.rooms", "member"]
    assert content["features"]["country"]["missing"] == 150
    assert content["features"]["member"]["categories"] == ["false", "true"]


def test_a_declared_type_wins(tmp_path: Path) -> None:
    data = write_lines(tmp_path / "data.jsonl", rows())
    declared = {"age": {"type": "categorical"}, "comment": {"type": "categorical"}}
    content = build(tmp_path, write_monitor(tmp_path, monitor(labels=None, features=declared)), data)
    assert content["features"]["age"]["type"] == "categorical"
    assert len(content["features"]["comment"]["categories"]) == 500


@pytest.mark.slow
def test_the_same_data_in_any_format_gives_the_same_bins(tmp_path: Path) -> None:
    records = rows()
    flat = [
        {
            "ts": item["ts"],
            "score": item["score"],
            **{k: v for k, v in item["features"].items() if k != "home"},
        }
        for item in records
    ]
    jsonl = write_lines(tmp_path / "data.jsonl", records)
    with (tmp_path / "data.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, flat[0])
        writer.writeheader()
        writer.writerows(flat)
    duckdb.sql(f"COPY (FROM read_csv('{tmp_path / 'data.csv'}')) TO '{tmp_path / 'data.parquet'}'")
    path = write_monitor(tmp_path, monitor(labels=None))
    contents = [
        build(tmp_path, path, data) for data in (jsonl, tmp_path / "data.csv", tmp_path / "data.parquet")
    ]
    for name in ("amount", "age", "country", "member"):
        first, *others = (content["features"][name] for content in contents)
        assert all(other == first for other in others), name
    assert contents[0]["score"] == contents[1]["score"] == contents[2]["score"]


def test_the_same_input_gives_the_same_bytes(tmp_path: Path) -> None:
    data = write_lines(tmp_path / "data.jsonl", rows())
    path = write_monitor(tmp_path, monitor(labels=None))
    build(tmp_path, path, data)
    first = (tmp_path / "reference.json").read_bytes()
    build(tmp_path, path, data)
    assert (tmp_path / "reference.json").read_bytes() == first


@pytest.mark.slow
def test_several_files_are_one_reference(tmp_path: Path) -> None:
    records = rows()
    one, other = (
        write_lines(tmp_path / f"{name}.jsonl", part)
        for name, part in (("a", records[:200]), ("b", records[200:]))
    )
    path = write_monitor(tmp_path, monitor(labels=None))
    exporter("baseline", path, "--data", one, other, "--out", tmp_path / "two.json")
    exporter("baseline", path, "--data", one, "--data", other, "--out", tmp_path / "again.json")
    assert (tmp_path / "two.json").read_bytes() == (tmp_path / "again.json").read_bytes()
    assert json.loads((tmp_path / "two.json").read_text())["rows"] == 500


def test_malformed_records_are_skipped_and_counted(tmp_path: Path) -> None:
    data = write_lines(tmp_path / "data.jsonl", [*rows(50), "{broken", "null"])
    done = exporter(
        "baseline",
        write_monitor(tmp_path, monitor(labels=None)),
        "--data",
        data,
        "--out",
        tmp_path / "r.json",
    )
    assert "skipped 2 malformed record(s)" in done.stderr
    assert json.loads((tmp_path / "r.json").read_text())["rows"] == 50


def test_a_misspelt_feature_is_refused_and_nothing_is_written(tmp_path: Path) -> None:
    data = write_lines(tmp_path / "data.jsonl", rows(50))
    path = write_monitor(tmp_path, monitor(labels=None, features={"amuont": {"type": "numeric"}}))
    done = exporter("baseline", path, "--data", data, "--out", tmp_path / "r.json", check=False)
    assert done.returncode == 2
    assert "feature 'amuont' is not in the data" in done.stderr
    assert "did you mean 'amount'?" in done.stderr
    assert not (tmp_path / "r.json").exists()


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("gone.jsonl", None, "no such file"),
        ("data.xlsx", "x", "expected a file named *.jsonl"),
        ("data.jsonl", "", "holds no records"),
        ("data.parquet", "not parquet", "cannot be read as parquet"),
    ],
)
def test_data_that_cannot_be_used(name: str, content: str | None, message: str, tmp_path: Path) -> None:
    if content is not None:
        (tmp_path / name).write_text(content)
    path = write_monitor(tmp_path, monitor(labels=None))
    done = exporter("baseline", path, "--data", tmp_path / name, "--out", tmp_path / "r.json", check=False)
    assert done.returncode == 2
    assert message in done.stderr
    assert "Traceback" not in done.stderr


def test_a_reference_changed_by_hand_is_refused(tmp_path: Path) -> None:
    data = write_lines(tmp_path / "data.jsonl", rows(50))
    path = write_monitor(
        tmp_path, monitor(labels=None, references={"training": {"static": "reference.json"}})
    )
    build(tmp_path, path, data)
    reference = tmp_path / "reference.json"
    reference.write_text(reference.read_text().replace('"missing": 5', '"missing": 6'))
    done = exporter("check", path, check=False)
    assert done.returncode == 2
    assert "changed since it was built" in done.stderr
    reference.write_text('{"a": 1}')
    assert "not a reference file" in exporter("check", path, check=False).stderr
    reference.write_text("{")
    assert "not JSON" in exporter("check", path, check=False).stderr


def test_a_type_that_contradicts_the_reference_is_refused(tmp_path: Path) -> None:
    data = write_lines(tmp_path / "data.jsonl", rows(50))
    references = {"training": {"static": "reference.json"}}
    build(tmp_path, write_monitor(tmp_path, monitor(labels=None, references=references)), data)
    path = write_monitor(
        tmp_path, monitor(labels=None, references=references, features={"age": {"type": "categorical"}})
    )
    done = exporter("check", path, check=False)
    assert done.returncode == 2
    assert "reference 'training' knows 'age' as numeric" in done.stderr


@pytest.mark.slow
def test_two_references_with_bins_of_their_own(tmp_path: Path) -> None:
    rng = np.random.default_rng(2)
    for name, mean in (("training", 0.0), ("validation", 3.0)):
        data = write_lines(
            tmp_path / f"{name}.jsonl", ({"features": {"x": float(x)}} for x in rng.normal(mean, 1, 3000))
        )
        path = write_monitor(tmp_path, monitor(labels=None))
        exporter("baseline", path, "--data", data, "--out", tmp_path / f"{name}.json")
    references = {name: {"static": f"{name}.json"} for name in ("training", "validation")}
    path = write_monitor(tmp_path, monitor(labels=None, references=references))
    write_lines(
        tmp_path / "logs/predictions.jsonl",
        ({"ts": EPOCH + i, "features": {"x": float(x)}} for i, x in enumerate(rng.normal(0, 1, 3000))),
    )
    gauges = once(path)
    near = value(gauges, "ml_feature_psi", reference="training", feature="x")
    far = value(gauges, "ml_feature_psi", reference="validation", feature="x")
    assert near is not None
    assert far is not None
    assert near < 0.02
    assert far > 2


def test_check_shows_how_records_decode(tmp_path: Path) -> None:
    data = write_lines(tmp_path / "data.jsonl", rows())
    references = {"training": {"static": "reference.json"}}
    path = write_monitor(tmp_path, monitor(references=references))
    build(tmp_path, path, data)
    done = exporter("check", path)
    assert "predictions: " in done.stdout
    assert "no file matches; is the path right?" in done.stdout
    shutil.copy(data, tmp_path / "logs.jsonl")
    write_lines(tmp_path / "logs/predictions.jsonl", [*rows(3), "{"])
    write_lines(tmp_path / "logs/labels.jsonl", [{"id": "a", "label": True}])
    done = exporter("check", path)
    assert "3 of the first 4 records usable (1 malformed)" in done.stdout
    assert "2026-01-10T00:00:00+00:00" in done.stdout
    assert "label 1, known at not logged" in done.stdout


def test_check_warns_of_a_wrong_path(tmp_path: Path) -> None:
    content = monitor(labels=None, features={"amount": {"type": "numeric"}})
    content["spec"]["predictions"]["fields"]["features"] = "inputs"
    write_lines(tmp_path / "logs/predictions.jsonl", rows(5))
    done = exporter("check", write_monitor(tmp_path, content), check=False)
    assert done.returncode == 1
    assert (
        "warning: field 'features': nothing at 'inputs' in 5 of 5 records; there is 'features'" in done.stdout
    )
    assert "warning: no feature can be read in any record" in done.stdout


def test_check_names_the_field_that_was_meant(tmp_path: Path) -> None:
    content = monitor(labels=None, segments=["features.country"], fairness={"attributes": ["sex"]})
    content["spec"]["predictions"]["fields"]["score"] = "scroe"
    write_lines(tmp_path / "logs/predictions.jsonl", [*rows(5), {"ts": time.time() + 3600}])
    done = exporter("check", write_monitor(tmp_path, content), check=False)
    assert done.returncode == 1
    assert "warning: field 'score': nothing at 'scroe' in 6 of 6 records; there is 'score'\n" in done.stdout
    assert "5 of the first 6 records usable (1 future_timestamp)" in done.stdout


def test_check_fails_where_nothing_can_be_used(tmp_path: Path) -> None:
    content = monitor(labels=None)
    content["spec"]["predictions"]["fields"]["timestamp"] = "when"
    write_lines(tmp_path / "logs/predictions.jsonl", rows(5))
    done = exporter("check", write_monitor(tmp_path, content), check=False)
    assert done.returncode == 1
    assert "0 of the first 5 records usable" in done.stdout


def test_metrics_prints_the_catalogue() -> None:
    listed = json.loads(exporter("metrics", "--format", "json").stdout)
    assert [item["name"] for item in listed] == list(METRICS)
    markdown = exporter("metrics").stdout
    assert all(f"| `{name}` |" in markdown for name in METRICS)


def test_names_follow_prometheus() -> None:
    for metric in METRICS.values():
        assert metric.name.startswith("ml_")
        assert metric.name.endswith("_total") == (metric.type == "counter")
        assert len(set(metric.labels)) == len(metric.labels)
        assert metric.help.endswith(".")


def test_check_names_what_the_file_does_not_know(tmp_path: Path) -> None:
    content = monitor(features={"amount": {"type": "numeric"}})
    content["spec"]["predictions"]["fields"]["features"] = ["amount", "chanel"]
    content["spec"]["predictions"]["positiveClass"] = "Fraud"
    rows = [
        {"ts": EPOCH + i, "id": str(i), "prediction": "fraud", "score": 0.5, "amount": i} for i in range(5)
    ]
    write_lines(tmp_path / "logs/predictions.jsonl", rows)
    write_lines(tmp_path / "logs/labels.jsonl", [{"id": "1", "label": "fraud"}])
    path = write_monitor(tmp_path, content)
    done = exporter("check", path)
    assert "warning: feature 'chanel' is listed, but no reference and no type" in done.stdout
    assert "warning: no prediction looked at has the class 'Fraud'" in done.stdout
    assert "warning: no label looked at is 'Fraud'" in done.stdout
    gauges = once(path)
    assert value(gauges, "ml_features_expected") == 2
    assert value(gauges, "ml_gauge_withheld", reason="unknown_type") == 1


def test_check_finds_the_timestamp_that_was_meant(tmp_path: Path) -> None:
    content = monitor(labels=None)
    content["spec"]["predictions"]["fields"]["timestamp"] = "tss"
    write_lines(tmp_path / "logs/predictions.jsonl", rows(5))
    done = exporter("check", write_monitor(tmp_path, content), check=False)
    assert "warning: field 'timestamp': nothing at 'tss' in 5 of 5 records; there is 'ts'\n" in done.stdout
