"""A field that records no longer have: the gauge falls, and it is said once, in the words of `check`."""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from exporter.daemon.cycle import Cycle
from exporter.daemon.models import load_all
from tests.support.commands import exporter
from tests.support.logs import EPOCH, Gauges, monitor, once, record, value, write_lines, write_monitor

pytestmark = pytest.mark.slow

NAME = "ml_field_present_ratio"
DECLARED = {"amount": {"type": "numeric"}, "country": {"type": "categorical"}}


def renamed(number: int, at: float, old: str, new: str) -> dict[str, Any]:
    found = record(number, at=at)
    found[new] = found.pop(old)
    return found


def shares(gauges: Gauges) -> dict[str, float]:
    return {labels["field"]: number for labels, number in gauges[NAME]}


@contextmanager
def opened(folder: Path, content: dict[str, Any] | None = None) -> Iterator[Cycle]:
    (model,) = load_all([write_monitor(folder, content)])
    with closing(model.open(None)) as cycle:
        yield cycle


def said(caplog: pytest.LogCaptureFixture) -> list[str]:
    found = [item.getMessage() for item in caplog.records if item.levelno == logging.WARNING]
    caplog.clear()
    return found


def test_each_mapped_field_has_its_share_of_the_records(tmp_path: Path) -> None:
    """By hand: 8 records, of which 2 are errors that need neither score nor features."""
    rows = [record(number, at=number) for number in range(8)]
    for error in (0, 1):
        rows[error] |= {"status": 500}
        del rows[error]["score"], rows[error]["prediction"], rows[error]["features"], rows[error]["id"]
    rows[2]["score"] = "unknown"
    del rows[3]["score"]
    del rows[4]["latency_ms"]
    rows[5]["features"] = {}
    rows[6]["prediction"] = None
    rows[7]["version"] = None
    write_lines(tmp_path / "logs/predictions.jsonl", [*rows, {"id": "untimed"}, {"ts": "soon"}, "no JSON"])
    labels = [{"id": "r2", "label": 1, "ts": EPOCH}, {"id": "r3", "label": 1}, {"id": "r4"}, {"label": 1}]
    write_lines(tmp_path / "logs/labels.jsonl", labels)
    content = monitor(features=DECLARED, segments=["region", "features.country"])
    assert shares(once(write_monitor(tmp_path, content))) == {
        "timestamp": 8 / 10,
        "version": 7 / 8,
        "status": 1.0,
        "latency": 7 / 8,
        "score": 4 / 6,
        "prediction": 5 / 6,
        "features": 5 / 6,
        "id": 1.0,
        "segments.region": 0.0,
        "segments.features.country": 5 / 6,
        "labels.id": 3 / 4,
        "labels.label": 2 / 3,
        "labels.timestamp": 1 / 2,
    }


def test_the_shortest_window_with_enough_records_tells(tmp_path: Path) -> None:
    """40 minutes ago and before, the score was there; since then 30 records have come without it."""
    old = (record(number, at=number * 10) for number in range(120))
    new = (renamed(number, 1200 + number * 60, "score", "probability") for number in range(30))
    write_lines(tmp_path / "logs/predictions.jsonl", [*old, *new])
    path = write_monitor(tmp_path, monitor(windows=["10m", "30m", "2h"], minSamples=20, labels=None))
    assert shares(once(path))["score"] == 0.0  # 30 minutes: 10 minutes hold 10 records
    assert shares(once(path, at="2026-01-10T01:35:00Z"))["score"] == pytest.approx(120 / 150)
    gauges = once(path, at="2026-01-10T03:00:00Z")
    assert NAME not in gauges
    gauges = once(write_monitor(tmp_path, monitor(minSamples=151, labels=None)))
    assert NAME not in gauges
    assert value(gauges, "ml_gauge_withheld", gauge=NAME, reason="too_few_samples") == 6


def test_a_field_renamed_in_a_growing_log_is_said_once_and_again_after_it_was_there(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    log = tmp_path / "logs/predictions.jsonl"
    end = EPOCH + 3600
    with opened(tmp_path, monitor(features=DECLARED, labels=None)) as cycle:
        # The score is there, or is called something else, from each cycle to the next.
        for step, (old, expected, share) in enumerate(
            [
                ("", [], 1.0),
                ("score", ["score"], 100 / 220),
                ("score", [], 100 / 340),
                ("", [], 200 / 440),
                ("score", ["score"], 200 / 560),
            ]
        ):
            many = 120 if old else 100
            rows = (record(step * 200 + n, at=step * 200 + n) for n in range(many))
            if old:
                rows = (renamed(step * 200 + n, step * 200 + n, old, "probability") for n in range(many))
            write_lines(log, rows)
            snapshot = cycle.run(at=end)
            assert snapshot is not None
            assert snapshot.series[NAME]["m", "score"] == pytest.approx(share)
            sentence = (
                "model m: predictions: field 'score': nothing at 'score' in 120 of 120 records; "
                "there is 'probability'"
            )
            assert said(caplog) == [sentence for _ in expected]


def test_few_records_a_cycle_add_up(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    log = tmp_path / "logs/predictions.jsonl"
    with opened(tmp_path, monitor(labels=None)) as cycle:
        write_lines(log, (record(n, at=n) for n in range(10)))
        cycle.run(at=EPOCH + 3600)
        found = []
        for step in range(1, 5):
            write_lines(
                log, (renamed(step * 100 + n, step * 100 + n, "version", "release") for n in range(40))
            )
            cycle.run(at=EPOCH + 3600)
            found.append(len(said(caplog)))
    assert found == [0, 0, 1, 0]


def test_errors_without_an_answer_are_no_missing_field(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    write_lines(tmp_path / "logs/predictions.jsonl", (record(n, at=n) for n in range(10)))
    with opened(tmp_path, monitor(labels=None, features=DECLARED)) as cycle:
        cycle.run(at=EPOCH + 3600)
        errors = [record(n, at=n, status=503) for n in range(300)]
        for error in errors:
            del error["score"], error["prediction"], error["features"]
        write_lines(tmp_path / "logs/predictions.jsonl", errors)
        snapshot = cycle.run(at=EPOCH + 3600)
    assert snapshot is not None
    assert snapshot.series[NAME]["m", "score"] == 1.0
    assert said(caplog) == []


def test_a_timestamp_that_is_renamed_counts_as_of_now(tmp_path: Path) -> None:
    write_lines(tmp_path / "logs/predictions.jsonl", (renamed(n, n, "ts", "when") for n in range(50)))
    gauges = once(write_monitor(tmp_path, monitor(labels=None)))
    assert shares(gauges) == {"timestamp": 0.0}


@pytest.mark.parametrize(
    ("mapped", "names"),
    [
        ({}, []),
        ({"score": "outputs.score"}, ["outputs.score"]),
        ({"features": "inputs"}, ["inputs"]),
        ({"timestamp": "time"}, ["time"]),
        ({"id": "request.id", "version": "model"}, ["request.id", "model"]),
    ],
    ids=str,
)
def test_check_and_once_warn_in_the_same_words(
    tmp_path: Path, mapped: dict[str, str], names: list[str]
) -> None:
    content = monitor(features=DECLARED)
    content["spec"]["predictions"]["fields"] |= mapped
    content["spec"]["labels"]["fields"]["label"] = "truth"
    path = write_monitor(tmp_path, content)
    write_lines(tmp_path / "logs/predictions.jsonl", (record(n, at=n) for n in range(30)))
    write_lines(
        tmp_path / "logs/labels.jsonl", ({"id": f"r{n}", "label": 1, "ts": EPOCH + n} for n in range(5))
    )
    checked = exporter("check", path, check=False).stdout.splitlines()
    warnings = [line.removeprefix("  warning: ") for line in checked if "nothing at " in line and ":" in line]
    warnings = [line for line in warnings if line.startswith(("field", "feature"))]
    ran = exporter("once", path, "--at", "2026-01-10T01:00:00Z").stderr.splitlines()
    logged = [line.split(": ", 2)[2] for line in ran if line.startswith("model m: ")]
    assert logged == warnings
    for name in [*names, "truth"]:
        assert any(f"nothing at '{name}'" in line for line in logged), logged


def test_other_fields_are_counted_anew(tmp_path: Path) -> None:
    write_lines(tmp_path / "logs/predictions.jsonl", (record(n, at=n) for n in range(50)))
    state = tmp_path / "state"
    assert len(shares(once(write_monitor(tmp_path, monitor(labels=None)), "--state-dir", state))) == 6
    content = monitor(labels=None)
    del content["spec"]["predictions"]["fields"]["status"]
    path = write_monitor(tmp_path, content)
    assert NAME not in once(path, "--state-dir", state)
    write_lines(tmp_path / "logs/predictions.jsonl", (record(n, at=n) for n in range(50, 55)))
    assert "status" not in shares(once(path, "--state-dir", state))


def test_old_buckets_are_merged_and_dropped(tmp_path: Path) -> None:
    """Two hours of records, one a minute. What no window but that of a day reaches is in buckets of 10 minutes."""
    path = write_monitor(tmp_path, monitor(labels=None, windows=["10m", "1d"]))
    write_lines(tmp_path / "logs/predictions.jsonl", (record(n, at=n * 60) for n in range(120)))
    state = tmp_path / "state"
    once(path, "--state-dir", state, at="2026-01-10T02:00:00Z")
    counted = []
    for at in ("2026-01-10T06:00:00Z", "2026-01-12T00:00:00Z"):
        once(path, "--state-dir", state, at=at)
        with closing(sqlite3.connect(state / "m.sqlite")) as database:
            counted += database.execute("SELECT count(*) FROM summaries WHERE kind = 'presence'").fetchone()
    assert counted == [12, 0]
