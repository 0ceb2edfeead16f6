"""`mlslo-exporter gate`: expectations, limits of ModelSLO files, what is written, who is told, and what it refuses."""

from __future__ import annotations

import csv
import json
import multiprocessing
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from click.testing import CliRunner

from examples.standins import SLACK, Standins
from exporter.gate.audit import append
from exporter.gate.verdict import Check, Verdict, as_table, cut
from rulegen.cli import main as rulegen
from tests.support.commands import exporter
from tests.support.paths import ROOT
from tests.support.sinks.objects import ObjectsServer

EXAMPLE = ROOT / "examples/diabetes"
SCHEMA = json.loads((ROOT / "docs/schemas/GateVerdict.json").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def standins() -> Iterator[Standins]:
    with Standins() as standins:
        yield standins


def monitor(folder: Path, expectations: Any, **spec: Any) -> Path:
    """Write a monitor file that has nothing but expectations."""
    fields = {"timestamp": "ts", "features": "features"}
    content = {
        "task": "regression",
        "windows": ["1h"],
        "predictions": {"sink": {"file": {"path": "log.jsonl"}}, "fields": fields},
        "expectations": expectations,
        **spec,
    }
    path = folder / "monitor.yaml"
    file = {"apiVersion": "mlslo/v1", "kind": "ModelMonitor", "metadata": {"name": "orders"}, "spec": content}
    path.write_text(yaml.safe_dump(file))
    return path


def batch(folder: Path, *records: dict[str, Any]) -> Path:
    path = folder / "batch.jsonl"
    path.write_text("".join(json.dumps(record) + "\n" for record in records))
    return path


def judged(
    folder: Path, expectations: Any, *records: dict[str, Any]
) -> dict[tuple[str, str], dict[str, Any]]:
    """Return what failed, by what and where."""
    done = exporter(
        "gate", monitor(folder, expectations), "--data", batch(folder, *records), "--out", folder, check=False
    )
    assert not done.stderr
    verdict = json.loads((folder / "gate.json").read_text(encoding="utf-8"))
    jsonschema.validate(verdict, SCHEMA)
    failed = {(check["what"], check["where"]): check for check in verdict["checks"] if not check["passed"]}
    assert done.returncode == bool(failed)
    return failed


def test_fields(tmp_path: Path) -> None:
    records = [
        {"id": number, "user": {"email": f"a{number}@b"}, "features": {"age": 30 + number, "land": "DE"}}
        for number in range(10)
    ]
    fields: dict[str, Any] = {
        "id": {"unique": True, "type": "integer"},
        "user.email": {"matches": "^[^@]+@[^@]+$", "type": "text"},
        "age": {"type": "integer", "atLeast": 0, "atMost": 120, "missingAtMost": 0.1},
        "features.land": {"in": ["DE", "FR"], "missingAtMost": 0},
    }
    expectations = {"rows": {"atLeast": 5, "atMost": 10}, "fields": fields}
    assert judged(tmp_path, expectations, *records) == {}
    damaged = json.loads(json.dumps(records))
    damaged[0]["features"]["age"] = 130
    damaged[1]["features"]["age"] = None
    damaged[2]["features"] = {"age": 1.5, "land": "XX"}
    damaged[3]["features"]["land"] = None
    damaged[4]["user"]["email"] = "nobody\x1b[31m" + "x" * 60
    damaged[5]["id"] = 9
    failed = judged(tmp_path, {**expectations, "rows": {"atLeast": 11}}, *damaged)
    assert {name: check["rows"] for name, check in failed.items()} == {
        ("rows", "batch"): None,
        ("range", "age"): 1,
        ("type", "age"): 1,
        ("set", "features.land"): 1,
        ("missing", "features.land"): 1,
        ("pattern", "user.email"): 1,
        ("unique", "id"): 1,
    }
    assert failed["range", "age"]["examples"] in (["130"], ["130.0"])
    assert failed["unique", "id"]["examples"] == ["9"]
    (email,) = failed["pattern", "user.email"]["examples"]
    assert email == "nobody [31m" + "x" * 28 + "…"
    assert {
        name: check["rows"] for name, check in judged(tmp_path, expectations, *records, records[0]).items()
    } == {
        ("rows", "batch"): None,
        ("unique", "id"): 1,
    }


def test_types(tmp_path: Path) -> None:
    """Each of a field of its own: the kind, a value that is of it, one that is not."""
    kinds: list[tuple[str, Any, Any]] = [
        ("integer", 5, "5"),
        ("integer", 5.0, 5.5),
        ("number", 5.5, "x"),
        ("number", 1, True),
        ("boolean", True, 1),
        ("text", "5", 5),
        ("timestamp", "2026-01-31T12:00:00Z", "yesterday"),
    ]
    fields = {f"f{number}": {"type": kind} for number, (kind, *_) in enumerate(kinds)}
    good, bad = ({f"f{number}": kind[of] for number, kind in enumerate(kinds)} for of in (1, 2))
    assert judged(tmp_path, {"fields": fields}, good, {**dict.fromkeys(fields), "id": 1}) == {}
    assert judged(tmp_path, {"fields": fields}, good, bad).keys() == {("type", name) for name in fields}


def test_a_field_that_is_not_there_fails_with_the_nearest(tmp_path: Path) -> None:
    failed = judged(tmp_path, {"fields": {"amuont": {"atLeast": 0}}}, {"features": {"amount": 1}})
    assert "amount" in failed["column", "amuont"]["found"]


def test_queries(tmp_path: Path) -> None:
    sql = [
        {"name": "refunds", "query": "SELECT amount FROM batch WHERE kind = 'refund' AND amount >= 0;"},
        {"name": "some sales", "query": "FROM batch WHERE kind = 'sale'", "atLeast": 2},
    ]
    good = [{"kind": "refund", "amount": -1}, {"kind": "sale", "amount": 1}, {"kind": "sale", "amount": 2}]
    assert judged(tmp_path, {"sql": sql}, *good) == {}
    failed = judged(tmp_path, {"sql": sql}, {"kind": "refund", "amount": 7}, {"kind": "sale", "amount": 1})
    assert failed["sql", "refunds"]["examples"] == ["7"]
    assert failed["sql", "some sales"]["rows"] == 1


@pytest.mark.parametrize(
    "query",
    {
        "file": "SELECT * FROM read_text('SECRET')",
        "scan": "SELECT * FROM 'SECRET'",
        "csv": "SELECT * FROM read_csv('SECRET')",
        "glob": "SELECT * FROM glob('/*')",
        "write": "COPY batch TO 'STOLEN'",
        "attach": "ATTACH 'STOLEN' AS other",
        "two": "SELECT 1; DROP VIEW batch",
        "inside": "SELECT 1) ; COPY batch TO 'STOLEN'; SELECT * FROM (SELECT 1",
        "unlock": "SET enable_external_access = true",
        "load": "INSTALL httpfs",
        "network": "SELECT * FROM read_csv('http://127.0.0.1:9/x.csv')",
        "python": "SELECT * FROM wanted",
        "change": "UPDATE source SET amount = 0",
        "query": "SELECT * FROM query('COPY batch TO ''STOLEN''')",
    }.items(),
    ids=lambda item: item[0],
)
def test_a_query_reaches_nothing_but_the_batch(tmp_path: Path, query: tuple[str, str]) -> None:
    secret, stolen = tmp_path / "secret.csv", tmp_path / "stolen"
    secret.write_text("word\nhunter2\n")
    text = query[1].replace("SECRET", str(secret)).replace("STOLEN", str(stolen))
    path = monitor(tmp_path, {"sql": [{"name": "attack", "query": text}]})
    done = exporter("gate", path, "--data", batch(tmp_path, {"amount": 1}), check=False)
    assert done.returncode == 2
    assert done.stderr.startswith(f"{path}:")
    assert done.stderr.count("\n") == 1
    assert "hunter2" not in done.stdout + done.stderr
    assert not stolen.exists()


@pytest.mark.parametrize(
    ("expectations", "message"),
    [
        ({"fields": {"a": {}}}, "expected at least one of type"),
        ({"fields": {"a": {"atLeast": 2, "atMost": 1}}}, "expected atLeast up to atMost"),
        ({"fields": {"a": {"matches": "("}}}, "no regular expression"),
        ({"fields": {"a": {"uniqe": True}}}, "did you mean 'unique'"),
        ({"rows": {"atLeast": 2, "atMost": 1}}, "expected atLeast up to atMost"),
        ({"sql": [{"name": "a", "query": "SELECT b FROM batch"}]}, "b"),
    ],
    ids=["empty", "order", "pattern", "key", "rows", "column"],
)
def test_mistakes(tmp_path: Path, expectations: Any, message: str) -> None:
    path = monitor(tmp_path, expectations)
    done = exporter("gate", path, "--data", batch(tmp_path, {"a": 1}), "--out", tmp_path / "out", check=False)
    assert done.returncode == 2
    assert done.stderr.startswith(f"{path}:")
    assert message in done.stderr
    assert not (tmp_path / "out").exists()


def test_a_batch_that_nothing_judges_fails_and_so_do_lines_that_are_no_records(tmp_path: Path) -> None:
    path = batch(tmp_path, {"a": 1})
    path.write_text(path.read_text() + '{"a": \n')
    done = exporter("gate", monitor(tmp_path, {}), "--data", path, check=False)
    assert done.returncode == 1
    assert "something to judge" in done.stdout
    assert "malformed" in done.stdout


@pytest.fixture(scope="module")
def example(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Copy the example, with its reference, and with limits that a batch can break."""
    folder = tmp_path_factory.mktemp("example")
    for name in ("monitor.yaml", "slo.yaml", "routing.yaml"):
        (folder / name).write_bytes((EXAMPLE / name).read_bytes())
    data = EXAMPLE / "reference-data.jsonl"
    exporter(
        "baseline", folder / "monitor.yaml", "--data", data, "--out", folder / "references/validation.json"
    )
    rows = [json.loads(line) for line in data.read_text().splitlines()]
    (folder / "good.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    for row in rows:
        row["features"]["glucose"] /= 18
        row["label"] = 1 - row["label"]
    (folder / "bad.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    done = CliRunner().invoke(rulegen, ["limits", str(folder / "slo.yaml")])
    assert done.exit_code == 0
    (folder / "limits.json").write_text(done.stdout)
    return folder


def test_limits_of_a_model_slo(example: Path, tmp_path: Path) -> None:
    """Conditions that one batch can tell are judged, by the specs or by rulegen's JSON; the others are named."""
    path, rows = example / "monitor.yaml", json.loads((example / "limits.json").read_text())
    good = exporter("gate", path, "--data", example / "good.jsonl", "--slo", example / "limits.json")
    for reason in ("an error budget of events", "of traffic and not of a batch", "all: several conditions"):
        assert reason in good.stdout
    exporter(
        *("gate", path, "--data", example / "bad.jsonl", "--slo", example / "slo.yaml", "--out", tmp_path),
        check=False,
    )
    verdict = json.loads((tmp_path / "gate.json").read_text())
    failed = {
        (check["what"], check["where"].split()[-1]) for check in verdict["checks"] if not check["passed"]
    }
    assert failed == {
        ("FeatureDrift", "glucose"),
        ("RecallLow", "ml_model_recall"),
        ("auc", "ml_model_auc_roc"),
    }
    named = {check["what"] for check in [*verdict["checks"], *verdict["notJudged"]]}
    assert named == {row["alert"] or row["slo"] for row in rows}
    assert all(":" in check["source"] for check in verdict["checks"])


def test_each_kind_of_limit(example: Path, tmp_path: Path) -> None:
    """Judged by hand-written rows: noise, shares of series, the reference, and what cannot be."""
    row = {
        "alert": "",
        "slo": "s",
        "tier": "P1",
        "layer": "outcome",
        "model": "diabetes",
        "source": "slo.yaml:1",
    }
    all_traffic = {"segment": "", "segment_value": "", "average": ["", "macro"], "class": ""}
    auc = {"metric": "ml_model_auc_roc", "labels": all_traffic, "comparison": "below"}
    psi = {
        "metric": "ml_feature_psi",
        "labels": {"segment": ""},
        "reference": "validation",
        "comparison": "above",
    }
    missing = {"metric": "ml_feature_missing_ratio", "labels": {"segment": ""}, "reference": "validation"}
    changes: dict[str, dict[str, Any]] = {
        "Noise": {**auc, "threshold": 0.855, "beyondNoise": True},
        "Exact": {**auc, "threshold": 0.9},
        "NotBeyond": {**auc, "threshold": 0.9, "beyondNoise": True},
        "AllSeries": {**psi, "threshold": -1, "seriesRatio": 1},
        "TwelveSeries": {**psi, "threshold": -1, "series": 12},
        "BelowReference": {**missing, "comparison": "belowReference", "threshold": 2},
        "NoReference": {**psi, "comparison": "aboveReference", "threshold": 2},
        "Elsewhere": {**psi, "reference": "last-week", "threshold": 1},
        "Unknown": {**auc, "metric": "ml_unknown", "threshold": 1},
    }
    rows = [{**row, **change, "alert": name} for name, change in changes.items()]
    (tmp_path / "limits.json").write_text(json.dumps(rows))
    command = ("gate", example / "monitor.yaml", "--data", example / "good.jsonl", "--out", tmp_path)
    done = exporter(*command, "--slo", tmp_path / "limits.json", check=False)
    verdict = json.loads((tmp_path / "gate.json").read_text())
    judged = {check["what"]: check for check in verdict["checks"]}
    auc_of_all = float(judged["Exact"]["found"])
    assert 0.84 < auc_of_all < 0.9, done.stdout
    assert {name for name, check in judged.items() if not check["passed"]} == {
        "Exact",
        "NotBeyond",
        "AllSeries",
    }
    assert "by 2 ×" in judged["Noise"]["expected"]
    assert "BelowReference" in judged
    assert {item["what"] for item in verdict["notJudged"]} == {"NoReference", "Elsewhere", "Unknown"}


def test_what_is_written_and_who_is_told(example: Path, standins: Standins, tmp_path: Path) -> None:
    secret = tmp_path / "slack"
    secret.write_text(standins.slack_url + "\n")
    routing = yaml.safe_load((example / "routing.yaml").read_text())
    routing["spec"]["receivers"]["ml-slack"]["slack_configs"][0]["api_url_file"] = "slack"
    (tmp_path / "routing.yaml").write_text(yaml.safe_dump(routing))
    to = ("--notify", "ml-slack", "--routing", tmp_path / "routing.yaml")
    command = ("gate", example / "monitor.yaml", "--data")
    out = tmp_path / "out"
    exporter(*command, example / "good.jsonl", *to, "--out", out)
    assert not standins.deliveries
    assert exporter(*command, example / "bad.jsonl", *to, "--out", out, check=False).returncode == 1
    with (out / "results.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [row["verdict"] for row in rows] == ["passed", "failed"]
    assert rows[0]["hash"] != rows[1]["hash"]
    assert re.search("^drift +glucose ", (out / "gate.md").read_text(), re.MULTILINE)
    page = (out / "gate.html").read_text()
    assert "checks failed" in page
    assert 'class="bad">drift of glucose: ' in page
    assert "newest event" not in page
    (message,) = standins.deliveries
    assert (message.kind, message.payload["channel"]) == (SLACK, "#ml-alerts")
    assert "drift, glucose: expected as in reference validation" in message.payload["text"]
    secret.write_text(f"{standins.url}/hunter2")
    done = exporter(*command, example / "bad.jsonl", *to, check=False)
    assert done.returncode == 1
    assert "receiver 'ml-slack' (#ml-alerts): not notified, answered 404" in done.stderr
    secret.write_text("file:///etc/hunter2")
    refused = exporter(*command, example / "bad.jsonl", *to, check=False)
    assert (refused.returncode, refused.stdout) == (2, "")
    assert "hunter2" not in done.stderr + refused.stderr
    others = exporter(*command, example / "bad.jsonl", "--notify", "oncall", *to[2:], check=False)
    assert (others.returncode, "has no slack_configs" in others.stderr) == (2, True)


def test_a_message_mentions_nobody(standins: Standins, tmp_path: Path) -> None:
    """Text from a monitor file stays text, and values of rows stay out."""
    (tmp_path / "slack").write_text(standins.slack_url)
    slack = {"slack_configs": [{"api_url_file": "slack"}]}
    file = {"kind": "AlertRouting", "spec": {"receivers": {"team": slack}}}
    (tmp_path / "routing.yaml").write_text(yaml.safe_dump(file))
    sql = [{"name": f"<!channel> {number}", "query": "FROM batch"} for number in range(12)]
    to = ("--notify", "team", "--routing", tmp_path / "routing.yaml")
    data = batch(tmp_path, {"email": "somebody@example.org"})
    exporter("gate", monitor(tmp_path, {"sql": sql}), "--data", data, *to, check=False)
    text = standins.deliveries[-1].payload["text"]
    assert "<" not in text
    assert "somebody" not in text
    assert text.count("•") == 10
    assert "… and 2 more" in text


def verdict_of(*checks: Check, data: list[str]) -> Verdict:
    return Verdict(
        mlslo="0",
        model="m",
        time="",
        data=data,
        hash="",
        rows=1,
        verdict="passed",
        checks=[*checks],
        notJudged=[],
    )


def append_many(path: Path, first: int) -> None:
    for number in range(first, first + 20):
        append(path, verdict_of(data=[f"a,b{number}.csv", "c.csv"]))


def test_results_of_many_gates_are_rows_of_one_file(tmp_path: Path) -> None:
    path = tmp_path / "results.csv"
    fork = multiprocessing.get_context("fork")
    writers = [fork.Process(target=append_many, args=(path, first)) for first in (0, 20, 40)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join(60)
        assert writer.exitcode == 0
    with path.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert sorted(row["data"] for row in rows) == sorted(f"a,b{number}.csv c.csv" for number in range(60))


def test_objects_of_a_bucket(tmp_path: Path) -> None:
    server = ObjectsServer(tmp_path)
    try:
        records = [json.dumps({"id": number}).encode() + b"\n" for number in range(3)]
        for number, record in enumerate(records):
            server.put(f"nightly/part-{number}.jsonl", record)
        server.put("nightly/_SUCCESS", b"")
        path = monitor(tmp_path, {"rows": {"atLeast": 3, "atMost": 3}, "fields": {"id": {"unique": True}}})
        content = yaml.safe_load(path.read_text())
        content["spec"]["predictions"]["sink"] = server.sink()
        path.write_text(yaml.safe_dump(content))
        bucket = "/".join(server.sink()["objects"]["url"].split("/")[:3])
        for key in ("nightly/", "nightly/*.jsonl"):
            assert "passed" in exporter("gate", path, "--data", f"{bucket}/{key}").stdout
        one = exporter("gate", path, "--data", f"{bucket}/nightly/part-0.jsonl", check=False)
        assert (one.returncode, "rows" in one.stdout) == (1, True)
        none = exporter("gate", path, "--data", f"{bucket}/daily/*.jsonl", check=False)
        assert (none.returncode, "no such object" in none.stderr) == (2, True)
    finally:
        server.close()


def test_the_table_fits_a_terminal() -> None:
    assert cut("a\nb\x1b]") == "a b ]"
    assert len(cut("x" * 100)) == 40
    reds = "one of " + "red, " * 99
    check = Check(what="x" * 99, where="y" * 99, expected=reds, found="z", passed=False, source="")
    verdict = verdict_of(check, data=[])
    _, *lines = as_table(verdict).splitlines()
    assert len(lines) == 5
    assert all(len(line) <= 80 for line in lines)
