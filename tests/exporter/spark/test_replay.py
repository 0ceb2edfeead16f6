"""Replay by Spark: the files are those of one process that has read everything, whatever a log holds."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest

from exporter.commands.replay import replay
from exporter.sinks.records import JsonLines
from exporter.spark import pieces
from tests.exporter.replay.test_replay import labels, written
from tests.support.spark import MARKS

pytestmark = MARKS

SHAPES: dict[str, dict[str, Any]] = {
    "no labels": {"labels": None},
    "late labels": {"labels": labels() | {"revisions": "last"}},
    "versions and segments": {
        "labels": labels(timestamp=None),
        "segments": ["features.country", "version"],
        "fairness": {"attributes": ["features.country"], "minSamples": 3},
        "references": {"own": {"static": "{version}.json"}, "before": {"sliding": "40m"}},
    },
}


@pytest.fixture(autouse=True)
def _small_pieces(monkeypatch: pytest.MonkeyPatch, spark: Any) -> None:  # noqa: ARG001
    """Have files of some kilobytes read by several tasks, and folded by three."""
    monkeypatch.setattr(JsonLines, "most", 50_000)
    monkeypatch.setattr(pieces, "_SMALLEST", 1)
    monkeypatch.setattr(pieces, "_LARGEST", 1)
    monkeypatch.setattr("exporter.spark.fold._PARTITION", 40_000)


def replayed(folder: Path, engine: str, *arguments: object) -> dict[str, list[str]]:
    """Run the command in this process, where Spark is; returns the lines of each file of OpenMetrics."""
    out = folder / engine
    words = [folder / "monitor.yaml", "--out", out, "--engine", engine, *arguments]
    replay.main([str(word) for word in words], standalone_mode=False)
    return {path.name: path.read_text().splitlines() for path in (out / "openmetrics").iterdir()}


@pytest.mark.parametrize("shape", list(SHAPES))
def test_files_are_those_of_one_process(tmp_path: Path, shape: str) -> None:
    written(tmp_path, 7, SHAPES[shape])
    steps = ["--from", "2026-01-10T00:02:00Z", "--to", "2026-01-10T03:30:00Z", "--step", "13m"]
    local, spark = (replayed(tmp_path, engine, *steps) for engine in ("local", "spark"))
    assert spark.keys() == local.keys()
    for name, lines in local.items():
        assert len(lines) > 1000
        assert [_series(line) for line in spark[name]] == [_series(line) for line in lines]
        for one, other in zip(spark[name], lines, strict=True):
            assert one == other or math.isclose(_number(one), _number(other), rel_tol=1e-9), (one, other)


def _series(line: str) -> str:
    """Return a sample without its number."""
    before, _, time = line.rpartition(" ")
    return line if line.startswith("#") else f"{before.rpartition(' ')[0]} {time}"


def _number(line: str) -> float:
    return float(line.split()[-2])
