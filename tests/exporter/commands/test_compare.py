"""`mlslo-exporter compare`, and its section on the status page, on the example and on small logs."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from exporter.daemon.models import load_all
from exporter.measure.exposition import Snapshot
from exporter.pages import Choice, Frame, VersionsCompared, page
from exporter.pages.comparison import signed
from tests.exporter.pages.test_pages import checked
from tests.exporter.statistics.test_oracles import plain_psi
from tests.support.commands import exporter
from tests.support.logs import AT, EPOCH, monitor, record, write_lines, write_monitor
from tests.support.paths import ROOT

THEN = "2025-01-06T10:10:00Z"


@pytest.fixture(scope="module")
def example(tmp_path_factory: pytest.TempPathFactory) -> Path:
    copy = tmp_path_factory.mktemp("compare") / "diabetes"
    shutil.copytree(ROOT / "examples" / "diabetes", copy)
    exporter(
        "baseline", copy / "monitor.yaml", "--data", copy / "reference-data.jsonl",
        "--out", copy / "references" / "validation.json",
    )  # fmt: skip
    return copy / "monitor.yaml"


def test_the_summary_the_table_and_the_data_agree(example: Path, tmp_path: Path) -> None:
    out = tmp_path / "compared.json"
    done = exporter("compare", example, "--versions", "1.0.0", "1.1.1", "--at", THEN, "--out", out)
    data = json.loads(out.read_text())
    lines = done.stdout.splitlines()
    assert lines[:3] == data["summary"]
    assert all(line.endswith(".") for line in lines[:3])
    assert (data["baseline"], data["candidate"], data["window"]) == ("1.0.0", "1.1.1", "2h")
    found = {item["name"]: item for item in data["statistics"]}
    assert found["recall"]["verdict"] == "better"
    assert found["recall"]["low"] > 0.3
    assert found["error_ratio"]["verdict"] == "no difference shown"
    assert found["prediction_psi"]["difference"] > found["prediction_psi"]["noise"]
    scores: dict[str, list[float]] = {"1.0.0": [], "1.1.1": []}
    for line in (example.parent / "logs/predictions.jsonl").read_text().splitlines():
        row = json.loads(line)
        if (
            row["model_version"] in scores
            and row["ts"] >= "2025-01-06T08:10"
            and row.get("score") is not None
        ):
            scores[row["model_version"]].append(row["score"])
    expected = plain_psi(np.array(scores["1.1.1"]), np.array(scores["1.0.0"]))
    assert found["prediction_psi"]["difference"] == pytest.approx(expected, rel=0.15)
    assert found["calibration_error"]["verdict"] == "no interval"
    assert len(lines[5:-2]) == len(data["statistics"])
    (row,) = [line for line in lines if line.startswith("recall")]
    assert row.endswith("better")
    assert f"{found['recall']['candidate']:.3f}" in row
    assert lines[-1] == data["caution"]
    # The figures of the sentences are those of the table.
    assert "recall better (0.651 against 0.171, difference +0.479, +0.396 to +0.551)" in lines[2]
    assert "0.171  0.651  +0.479" in " ".join(row.split()).replace(" ", "  ")


def test_the_other_way_round_what_was_better_is_worse(example: Path) -> None:
    done = exporter("compare", example, "--versions", "1.1.1", "1.0.0", "--at", THEN)
    (row,) = [line for line in done.stdout.splitlines() if line.startswith("recall")]
    assert row.split()[1:] == ["0.651", "0.171", "-0.479", "-0.551", "to", "-0.396", "worse"]


def test_the_page_shows_the_same_table(example: Path, tmp_path: Path) -> None:
    out = tmp_path / "compared.html"
    exporter("compare", example, "--versions", "1.0.0", "1.1.1", "--at", THEN, "--out", out)
    html = out.read_text(encoding="utf-8")
    checked(html)
    assert "<h2>Versions compared</h2>" in html
    assert "<td>+0.396 to +0.551</td>" in html
    assert "href=" not in html


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (
            ["--versions", "1.0.0", "1.1.2", "--at", THEN],
            "--versions 1.1.2: no prediction of it lies in any window, expected two of: '1.0.0', '1.1.0', '1.1.1'; "
            "did you mean '1.1.1'?\n",
        ),
        (["--versions", "1.0.0", "1.0.0", "--at", THEN], "--versions 1.0.0 1.0.0: expected two versions\n"),
        (
            ["--versions", "1.0.0", "1.1.1", "--at", THEN, "--window", "3h"],
            "--window 3h: there is no such one; expected 30m or 2h\n",
        ),
        (
            ["--versions", "1.0.0", "1.1.1", "--out", "x.pdf"],
            "--out x.pdf: expected a name that ends in .html or .json\n",
        ),
    ],
)
def test_what_cannot_be_compared_is_refused(example: Path, arguments: list[str], said: str) -> None:
    done = exporter("compare", example, *arguments, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.endswith(said)


def measured(path: Path) -> Snapshot:
    (model,) = load_all([path])
    cycle = model.open(None)
    snapshot = cycle.run(at=EPOCH + 3600, final=True)
    cycle.close()
    assert snapshot is not None
    return snapshot


def test_the_page_links_to_each_baseline_and_keeps_the_choice(tmp_path: Path) -> None:
    rows = (
        record(n, at=n, version=["v1", "v<2>", "v3", "few"][n % 4 if n < 16 else n % 3]) for n in range(300)
    )
    write_lines(tmp_path / "logs/predictions.jsonl", rows)
    found = measured(write_monitor(tmp_path, monitor(minSamples=50, labels=None)))
    html = page(found, Frame("monitor.yaml"), Choice(version="v3", baseline="v<2>"))
    checked(html)
    assert 'baseline=v1">v1</a>' in html
    assert 'aria-current="true">v&lt;2&gt;</a>' in html
    assert "version=v1&amp;window=1h&amp;reference=&amp;baseline=v%3C2%3E" in html
    assert "baseline=few" not in html
    # A baseline that there is not, or that is the version itself, gives way to another.
    for baseline in ("v3", "few", "none"):
        assert 'aria-current="true">v&lt;2&gt;</a>' in page(
            found, Frame("monitor.yaml"), Choice(version="v3", baseline=baseline)
        )
    assert "Versions compared" not in page(found, Frame("monitor.yaml"), Choice(version="few"))


def test_too_few_rows_are_said_to_be(tmp_path: Path) -> None:
    write_lines(
        tmp_path / "logs/predictions.jsonl", (record(n, at=n, version=f"v{n % 2}") for n in range(40))
    )
    path = write_monitor(tmp_path, monitor(minSamples=50))
    done = exporter("compare", path, "--versions", "v0", "v1", "--at", AT)
    assert "withheld error ratio, latency p50" in done.stdout
    assert "withheld: Fewer rows than minSamples: a figure of so few would be chance." in done.stdout
    assert "0 of 0 statistics differ" in done.stdout


def test_an_interval_without_an_end_is_unknown_not_a_number(tmp_path: Path) -> None:
    """The 99 % quantile of 100 latencies may lie anywhere above the largest."""
    write_lines(
        tmp_path / "logs/predictions.jsonl",
        (record(n, at=n, version=f"v{n % 2}", latency_ms=1 + n) for n in range(200)),
    )
    path = write_monitor(tmp_path, monitor(minSamples=50, labels=None, comparison={}))
    out = tmp_path / "compared.json"
    done = exporter("compare", path, "--versions", "v0", "v1", "--at", AT, "--out", out)
    found = {item["name"]: item for item in json.loads(out.read_text())["statistics"]}
    assert (found["latency_p99"]["low"], found["latency_p99"]["high"]) == (None, None)
    assert "unknown to unknown" in done.stdout
    assert found["latency_p50"]["low"] < 0 < found["latency_p50"]["high"]
    windows = measured(path).windows
    assert VersionsCompared.of(windows[0], windows[1]).as_data()["statistics"] == list(found.values())


def shadowed(folder: Path, **spec: object) -> Path:
    """Live and shadow answer the same 300 requests; of women the shadow answers otherwise in every second case."""
    live, shadow = [], []
    for number in range(300):
        sex, label = ["m", "f"][number % 2], number % 3 == 0
        right = 0.8 if label else 0.2
        wrong = sex == "f" and number % 4 == 1
        features = {"sex": sex}
        live.append(record(number, at=number, version="live", score=0.3, prediction=0, features=features))
        shadow.append(
            record(
                number, at=number + 0.5, version="shadow", score=1 - right if wrong else right,
                prediction=int(label) ^ wrong, features=features,
            )
        )  # fmt: skip
    # A retry, whose second answer counts for nothing, requests that one alone answered, and one without an answer.
    shadow.append(record(5, at=400, version="shadow", score=0.99, prediction=1, features={"sex": "f"}))
    # In the window one of the two only: after its end, within what clocks may differ, and before its start.
    for number, at in ((1002, 3610), (1003, -10)):
        live.append(record(number, at=3599 if at > 0 else 1, version="live", features={"sex": "m"}))
        shadow.append(record(number, at=at, version="shadow", features={"sex": "m"}))
    live.append(record(1000, at=401, version="live", features={"sex": "m"}))
    shadow.append(record(1001, at=402, version="shadow", features={"sex": "m"}))
    shadow.append(record(1000, at=403, version="shadow", score=None, prediction=None, status=500))
    write_lines(folder / "logs/predictions.jsonl", [*live, *shadow])
    labels = ({"id": f"r{n}", "label": int(n % 3 == 0), "ts": EPOCH + 500} for n in range(240))
    write_lines(folder / "logs/labels.jsonl", labels)
    return write_monitor(folder, monitor(minSamples=50, segments=["features.sex"], **spec))


def test_live_and_shadow_are_joined_by_request(tmp_path: Path) -> None:
    path, out = shadowed(tmp_path), tmp_path / "compared.json"
    done = exporter("compare", path, "--versions", "live", "shadow", "--paired", "--at", AT, "--out", out)
    data = json.loads(out.read_text())
    everything, *segments = data["paired"]
    # Every record is traffic of its version, and the label goes to the prediction that came first.
    assert data["rows"] == {"baseline": 303, "candidate": 303}
    (coverage,) = [item for item in data["statistics"] if item["name"] == "label_coverage"]
    assert (coverage["baseline"], coverage["candidate"]) == (pytest.approx(240 / 303), 0)
    wrong = [n for n in range(300) if n % 4 == 1]
    decisions = {n: int(n % 3 == 0) ^ (n in wrong) for n in range(300)}
    differ = sum(decisions.values())
    assert (everything["pairs"], everything["decided"], everything["disagreements"]) == (300, 300, differ)
    scores = {n: 0.8 if decisions[n] else 0.2 for n in range(300)}
    assert everything["score_difference"] == pytest.approx(sum(scores.values()) / 300 - 0.3)
    # The live one always says no; the shadow is wrong of every second woman.
    assert everything["labelled"] == 240
    assert everything["only_candidate"] == sum(n % 3 == 0 and n not in wrong for n in range(240))
    assert everything["only_baseline"] == sum(n % 3 != 0 and n in wrong for n in range(240))
    low, high = everything["accuracy_interval"]
    assert low < everything["accuracy_difference"] < high
    assert {(item["segment"], item["value"]): item["pairs"] for item in segments} == {
        ("features.sex", "f"): 150,
        ("features.sex", "m"): 150,
    }
    for item in segments:
        rows = [n for n in range(300) if n % 2 == (item["value"] == "f")]
        assert item["disagreements"] == sum(decisions[n] for n in rows)
    assert f"Paired: 300 requests that both answered; classes differ in {differ / 3:.1f} %" in done.stdout
    assert "Paired, features.sex = f: 150 requests" in done.stdout


@pytest.mark.parametrize("revisions", ["first", "last"])
def test_the_label_that_counts_is_that_of_the_monitor_file(tmp_path: Path, revisions: str) -> None:
    rows = [
        record(n, at=n + late, version=version, prediction=answer)
        for n in range(60)
        for version, answer, late in (("live", 0, 0.0), ("shadow", 1, 0.5))
    ]
    write_lines(tmp_path / "logs/predictions.jsonl", rows)
    labels = [{"id": f"r{n}", "label": label, "ts": EPOCH + 500} for label in (0, 1) for n in range(60)]
    write_lines(tmp_path / "logs/labels.jsonl", labels)
    spec = monitor(minSamples=50)
    spec["spec"]["labels"]["revisions"] = revisions
    out = tmp_path / "c.json"
    exporter(
        "compare", write_monitor(tmp_path, spec), "--versions", "live", "shadow", "--paired", "--at", AT, "--out", out
    )  # fmt: skip
    (found,) = json.loads(out.read_text())["paired"]
    right = (60, 0) if revisions == "first" else (0, 60)
    assert (found["only_baseline"], found["only_candidate"]) == right


def test_paired_regression_compares_the_errors(tmp_path: Path) -> None:
    rows = [
        record(n, at=n + late, version=version, score=n + error)
        for n in range(100)
        for version, error, late in (("live", 2 + n % 2, 0.0), ("shadow", -1, 0.5))
    ]
    write_lines(tmp_path / "logs/predictions.jsonl", rows)
    write_lines(
        tmp_path / "logs/labels.jsonl", ({"id": f"r{n}", "label": n, "ts": EPOCH + 500} for n in range(100))
    )
    path, out = write_monitor(tmp_path, monitor(task="regression", minSamples=50)), tmp_path / "c.json"
    exporter("compare", path, "--versions", "live", "shadow", "--paired", "--at", AT, "--out", out)
    (found,) = json.loads(out.read_text())["paired"]
    assert found["error_difference"] == pytest.approx(-1.5)
    assert found["error_interval"][1] < -1.3
    assert (found["labelled"], found["accuracy_interval"], found["disagreement"]) == (100, None, None)


def test_versions_that_answer_other_requests_have_no_pairs(example: Path) -> None:
    done = exporter("compare", example, "--versions", "1.0.0", "1.1.1", "--paired", "--at", THEN)
    assert done.stdout.endswith("\nPaired: no request was answered by both versions.\n")


def test_what_cannot_be_joined_is_refused(tmp_path: Path) -> None:
    spec = monitor(labels=None)
    del spec["spec"]["predictions"]["fields"]["id"]
    path = write_monitor(tmp_path, spec)
    done = exporter("compare", path, "--versions", "a", "b", "--paired", check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == f"--paired: {path} maps no id under spec.predictions.fields, expected one\n"
    spec = monitor(labels=None)
    spec["spec"]["predictions"]["sink"] = {"file": {"path": "-"}}
    done = exporter("compare", write_monitor(tmp_path, spec), "--versions", "a", "b", "--paired", check=False)
    assert done.returncode == 2
    assert "a second time: expected files" in done.stderr


def test_a_tiny_number_is_not_rounded_to_another() -> None:
    """A p-value of 1e-9 is none of 1e-4."""
    assert signed(-1.234e-9) == "-1.2e-09"
    assert [signed(value) for value in (0, 0.000123456, 0.0123456, 1.23456, -12345.6)] == [
        "0", "+0.000123", "+0.0123", "+1.23", "-12,346",
    ]  # fmt: skip
