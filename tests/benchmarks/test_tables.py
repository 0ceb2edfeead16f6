"""Each benchmark runs on a tiny size and prints its table. What it measures there says nothing."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from benchmarks.alarms import stream
from benchmarks.table import Row, finish


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "row"),
    [
        ("cold", "once, CPU against parsing"),
        ("steady", "30 days against an hour"),
        ("memory", "resident"),
        ("shapes", "kserve"),
        ("series", "wide: cycle against everything"),
        ("pending", "a cycle's expiry, CPU s"),
        ("push", "predictions lost or counted twice"),
        ("streams", "bursts: of 5 undrifted, rings on"),
        ("generate", "files of others rewritten"),
    ],
)
def test_a_benchmark_prints_its_table(name: str, row: str) -> None:
    extra = ["--no-peers"] if name in ("cold", "streams") else []
    command = [sys.executable, "-m", f"benchmarks.{name}", "--quick", *extra]
    done = subprocess.run(command, capture_output=True, text=True, timeout=200, check=False)
    assert f"| {row} " in done.stdout, done.stderr
    assert "Traceback" not in done.stderr


def test_a_stream_of_alarms_tells_drift_from_none() -> None:
    assert stream(np.random.default_rng(0), 1000, 1000, 5, 5) == (0, 5)


def test_a_row_says_whether_its_limit_is_kept(capsys: pytest.CaptureFixture[str]) -> None:
    rows = [
        Row("a", 2.0, "x", 1.0),
        Row("b", 2.0, "x", 1.0, at_least=True),
        Row("c", None, "s", 3.0),
        Row("d", 1e6),
    ]
    with pytest.raises(SystemExit) as left:
        finish("title", rows)
    assert left.value.code == 1
    lines = {line.split()[1]: line for line in capsys.readouterr().out.splitlines()[5:]}
    assert "over" in lines["a"]
    assert "2.00" in lines["a"]
    assert "ok" in lines["b"]
    assert "not measured" in lines["c"]
    assert "1,000,000" in lines["d"]
    with pytest.raises(SystemExit) as left:
        finish("title", rows[1:2])
    assert left.value.code == 0
