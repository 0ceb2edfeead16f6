"""Replay by Spark: the files are those of one process that has read everything, whatever a log holds."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
import yaml

from exporter.commands.replay import replay
from tests.exporter.spark.test_fold import everyday
from tests.support.commands import exporter
from tests.support.logs import monitor, write_lines, write_monitor
from tests.support.spark import MARKS, cut_small

pytestmark = MARKS

STEPS = ("--from", "2026-01-10T00:02:00Z", "--to", "2026-01-10T01:40:00Z", "--step", "14m")
LABELS = monitor()["spec"]["labels"]
SHAPES: dict[str, dict[str, Any]] = {
    "late labels": {"labels": {**LABELS, "revisions": "last"}, "fairness": None},
    "versions and segments": {
        "labels": {**LABELS, "fields": {"id": "id", "label": "label"}},
        "segments": ["features.country", "version"],
        "metrics": None,
    },
}
REFERENCES = {"own": {"static": "{version}.json"}, "before": {"sliding": "20m"}}


@pytest.fixture(autouse=True)
def _small_pieces(monkeypatch: pytest.MonkeyPatch, spark: Any) -> None:  # noqa: ARG001
    """Have files of some kilobytes read by several tasks, and folded by three."""
    cut_small(monkeypatch)


def replayed(folder: Path, engine: str, *arguments: str) -> dict[str, list[str]]:
    """Run the command in this process, where Spark is; returns the lines of each file of OpenMetrics."""
    out = folder / engine
    words = [str(folder / "monitor.yaml"), "--out", str(out), "--engine", engine, *arguments]
    replay.main(words, standalone_mode=False)
    return {path.name: path.read_text().splitlines() for path in (out / "openmetrics").iterdir()}


@pytest.mark.parametrize("shape", list(SHAPES))
def test_files_are_those_of_one_process(tmp_path: Path, shape: str) -> None:
    everyday(tmp_path, **SHAPES[shape])
    if shape == "versions and segments":
        path = tmp_path / "monitor.yaml"
        exporter(
            "baseline", path, "--data", tmp_path / "logs/predictions-0.jsonl", "--out", tmp_path / "v2.json"
        )
        content = yaml.safe_load(path.read_text())
        write_monitor(tmp_path, {**content, "spec": {**content["spec"], "references": REFERENCES}})
    local, spark = (replayed(tmp_path, engine, *STEPS) for engine in ("local", "spark"))
    assert spark.keys() == local.keys()
    for name, lines in local.items():
        assert len(lines) > 500
        assert [_series(line) for line in spark[name]] == [_series(line) for line in lines]
        for one, other in zip(spark[name], lines, strict=True):
            assert one == other or math.isclose(_number(one), _number(other), rel_tol=1e-9), (one, other)


def test_an_empty_log_and_one_that_is_not_there(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_monitor(tmp_path, monitor(labels=None))
    for said in ("no file matches", "the logs hold no prediction; nothing can be replayed"):
        with pytest.raises(SystemExit) as ended:
            replayed(tmp_path, "spark")
        assert ended.value.code == 1
        assert said in capsys.readouterr().err
        write_lines(tmp_path / "logs/predictions.jsonl", [])
    assert not (tmp_path / "spark").exists()


def test_first_references_are_left_to_one_process(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_monitor(tmp_path, monitor(references={"own": {"first": "20m"}}))
    with pytest.raises(SystemExit) as ended:
        replayed(tmp_path, "spark")
    assert ended.value.code == 2
    assert "expected --engine local" in capsys.readouterr().err


def _series(line: str) -> str:
    """Return a sample without its number."""
    before, _, time = line.rpartition(" ")
    return line if line.startswith("#") else f"{before.rpartition(' ')[0]} {time}"


def _number(line: str) -> float:
    return float(line.split()[-2])
