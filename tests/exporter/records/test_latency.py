"""A latency in another unit than the monitor file says: warned of, once, and measured all the same."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from exporter.records.latency import ENOUGH, UNIT_SECONDS, doubt
from mlslo.monitor import load
from tests.support.commands import exporter
from tests.support.logs import EPOCH, monitor, write_lines, write_monitor

BUCKETS = ["5ms", "50ms", "1s", "10s"]


def content(unit: str, buckets: list[str] = BUCKETS) -> dict[str, Any]:
    made = monitor(labels=None, latencyBuckets=buckets)
    made["spec"]["predictions"]["fields"]["latency"] = {"field": "took", "unit": unit}
    return made


def said(folder: Path, unit: str, logged: list[float], buckets: list[str] = BUCKETS) -> str | None:
    spec = load(write_monitor(folder, content(unit, buckets))).spec
    return doubt(np.array(logged) * UNIT_SECONDS[unit], spec)


BEYOND = "half of them are {} or more, beyond the last of latencyBuckets, 10s; {}"
BELOW = "half of them are {} or less, below a tenth of the first of latencyBuckets, 5ms; {}"
WHOLE = "all of them are whole numbers, as milliseconds are; {}"


@pytest.mark.parametrize(
    ("unit", "logged", "message"),
    [
        ("s", [40.5], BEYOND.format("40.5 s", "as ms it would be 40.5 ms")),
        ("s", [4000.5], BEYOND.format("4000.5 s", "as ms it would be 4.0005 s")),
        ("s", [1e7], BEYOND.format("1e+07 s", "as us it would be 10 s")),
        ("ms", [4e7], BEYOND.format("40000 s", "as ns it would be 40 ms")),
        (
            "s",
            [1e12],
            BEYOND.format("1e+12 s", "if that is right, latencyBuckets should reach there"),
        ),
        ("ms", [0.25], BELOW.format("250 us", "as s it would be 250 ms")),
        ("ms", [0.002], BELOW.format("2 us", "as s it would be 2 ms")),
        ("us", [40.0], BELOW.format("40 us", "as ms it would be 40 ms")),
        ("s", [7.0, 12.0, 3.0], WHOLE.format("as ms it would be 7 ms")),
    ],
)
def test_what_cannot_be(unit: str, logged: list[float], message: str, tmp_path: Path) -> None:
    assert said(tmp_path, unit, logged * ENOUGH) == f"latencies at 'took' are read as {unit}: {message}"


@pytest.mark.parametrize(
    ("unit", "logged"),
    [
        ("s", [0.04]),
        ("s", [2.5, 3.0]),
        ("s", [0.0, 1.0, 0.0]),  # seconds, rounded
        ("s", [10.0, 9.5]),
        ("ms", [40.0]),
        ("ms", [0.5]),
        ("ms", [0.0]),  # rounded
        ("us", [40_000.0, 900_000.0]),
        ("s", [1e9, 0.1, 0.1]),  # half of them say otherwise
        ("s", [float("nan")]),
    ],
)
def test_what_can_be(unit: str, logged: list[float], tmp_path: Path) -> None:
    assert said(tmp_path, unit, logged * ENOUGH) is None


def test_too_few_say_nothing(tmp_path: Path) -> None:
    assert said(tmp_path, "s", [40.5] * (ENOUGH - 1)) is None
    assert said(tmp_path, "s", [40.5] * (ENOUGH - 1) + [float("nan")]) is None
    # Buckets that reach there say that it is meant.
    assert said(tmp_path, "s", [40.5] * ENOUGH, ["1s", "1m"]) is None


def test_check_says_it_and_a_run_says_it_once(tmp_path: Path) -> None:
    path = write_monitor(tmp_path, content("s"))
    log = tmp_path / "logs" / "predictions.jsonl"
    write_lines(log, ({"ts": EPOCH + number, "took": 40.5} for number in range(3000)))
    warning = "latencies at 'took' are read as s: half of them are 40.5 s or more"
    assert f"  warning: {warning}" in exporter("check", path, check=False).stdout
    done = exporter("once", path)
    assert done.stderr.count(warning) == 1
    assert "model m: " in done.stderr
    assert 'ml_prediction_latency_seconds_bucket{le="10.0",model="m",version=""} 0' in done.stdout
