"""`mlslo-exporter compare`, and its section on the status page, on the example and on small logs."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from exporter.daemon.models import load_all
from exporter.measure.exposition import Snapshot
from exporter.pages import Choice, Frame, VersionsCompared, page
from tests.exporter.pages.test_pages import checked
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
    assert "version=v1&amp;window=1h&amp;baseline=v%3C2%3E" in html
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
