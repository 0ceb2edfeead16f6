"""Bounds of a difference since the candidate began, from the log to the exposition."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from exporter.daemon.models import load_all
from exporter.measure.comparison_sequence import BOUNDS, LABELS
from exporter.replay.replay import Replay
from exporter.statistics.confidence_sequence import Sample, difference_bounds
from exporter.summary.windows import MICROSECONDS
from tests.support.logs import AT, EPOCH, Gauges, monitor, once, record, value, write_lines, write_monitor

OF = {"model": "m", "baseline": "v1", "candidate": "v2"}
BEGINS, ENDS = 600.0, 3600.0
SEQUENTIAL = {"sequential": {"tunedAt": 300, "confidence": 0.9}}


@pytest.fixture(scope="module")
def rows() -> list[dict[str, Any]]:
    """v1 alone for ten minutes, then both at once; v2 fails and errs more often."""
    rng = np.random.default_rng(3)
    found = []
    for number, at in enumerate(np.arange(0, ENDS, 2.5).tolist()):
        new = at >= BEGINS and number % 2
        label = int(rng.random() < 0.4)
        wrong, failed = rng.random() < (0.3 if new else 0.1), rng.random() < (0.2 if new else 0.02)
        found.append(
            record(
                number,
                at=at,
                version="v2" if new else "v1",
                status=503 if failed else 200,
                score=None if failed else 0.5,
                prediction=None if failed else label ^ int(wrong),
                label=label,
            )
        )
    return found


def write_logs(folder: Path, rows: list[dict[str, Any]]) -> Path:
    write_lines(folder / "logs/predictions.jsonl", rows)
    labels = ({"id": row["id"], "label": row["label"], "ts": row["ts"]} for row in rows)
    write_lines(folder / "logs/labels.jsonl", labels)
    return folder


@pytest.fixture
def folder(rows: list[dict[str, Any]], tmp_path: Path) -> Path:
    return write_logs(tmp_path, rows)


def bounds_of(gauges: Gauges, statistic: str) -> list[float | None]:
    return [value(gauges, name, **OF, statistic=statistic) for name in BOUNDS]


def held(gauges: Gauges, gauge: str) -> Mapping[str, float]:
    """Reason -> how many series are withheld."""
    return {
        labels["reason"]: number for labels, number in gauges["ml_gauge_withheld"] if labels["gauge"] == gauge
    }


def test_rows_count_since_the_candidate_began(folder: Path, rows: list[dict[str, Any]]) -> None:
    gauges = once(write_monitor(folder, monitor(comparison=SEQUENTIAL)))
    since = [row for row in rows if row["ts"] >= EPOCH + BEGINS]
    shares: dict[str, list[tuple[int, int]]] = {"error_ratio": [], "accuracy": []}
    for version in ("v1", "v2"):
        own = [row for row in since if row["version"] == version]
        answered = [row for row in own if row["status"] < 400]
        shares["error_ratio"].append((len(own) - len(answered), len(own)))
        right = sum(row["prediction"] == row["label"] for row in answered)
        shares["accuracy"].append((right, len(answered)))
    for statistic, both in shares.items():
        assert value(gauges, LABELS, **OF, statistic=statistic) == min(number for _, number in both)
        expected = difference_bounds(*(Sample.of_share(*one) for one in both), confidence=0.9, tuned_at=300)
        assert bounds_of(gauges, statistic) == pytest.approx(expected)
    assert {labels["statistic"] for labels, _ in gauges[LABELS]} == set(shares)


def test_errors_of_regression_are_means_with_their_variance(tmp_path: Path) -> None:
    rng = np.random.default_rng(5)
    errors = np.concatenate([rng.normal(0, 1, 400), rng.normal(0, 2, 400)])
    rows = [
        record(n, at=1 + n % 400, version="v1" if n < 400 else "v2", score=10 + float(errors[n]), label=10.0)
        for n in range(800)
    ]
    write_logs(tmp_path, rows)
    gauges = once(write_monitor(tmp_path, monitor(task="regression", comparison=SEQUENTIAL)))
    sizes = np.abs(errors).reshape(2, 400)
    samples = [Sample(float(own.mean()), float(own.var()), 400) for own in sizes]
    expected = difference_bounds(*samples, confidence=0.9, tuned_at=300)
    assert bounds_of(gauges, "mae") == pytest.approx(expected)


def test_without_the_key_there_are_none(folder: Path) -> None:
    gauges = once(write_monitor(folder, monitor(comparison={})))
    assert not [name for name in gauges if "sequence" in name]
    assert not held(gauges, BOUNDS[0])


def test_few_labels_withhold_the_bounds_and_show_how_many_there_are(folder: Path) -> None:
    gauges = once(write_monitor(folder, monitor(comparison={"sequential": {}})))
    assert not {*BOUNDS} & {*gauges}
    assert held(gauges, BOUNDS[0]) == {"too_few_samples": 2}
    assert 300 < (value(gauges, LABELS, **OF, statistic="accuracy") or 0) < 1000


def test_labels_that_are_incomplete_withhold_what_rests_on_them(folder: Path) -> None:
    path = folder / "logs/labels.jsonl"
    path.write_text("".join(path.read_text().splitlines(keepends=True)[:-100]))
    spec = monitor(comparison=SEQUENTIAL)
    spec["spec"]["labels"]["minCoverage"] = 1.0
    gauges = once(write_monitor(folder, spec))
    assert bounds_of(gauges, "accuracy") == [None, None]
    assert held(gauges, BOUNDS[1]) == {"labels_incomplete": 1}
    assert None not in bounds_of(gauges, "error_ratio")


@pytest.mark.parametrize(
    ("at", "reason"), [(AT, "history_dropped"), ("2026-01-10T00:09:00Z", None)], ids=["late", "early"]
)
def test_a_candidate_whose_first_rows_are_gone_or_yet_to_come_has_none(
    folder: Path, at: str, reason: str | None
) -> None:
    gauges = once(write_monitor(folder, monitor(windows=["5m"], comparison=SEQUENTIAL)), at=at)
    assert not {LABELS, *BOUNDS} & {*gauges}
    if reason is not None:
        assert held(gauges, LABELS) == {reason: 2}


def test_cycles_and_a_replay_have_the_same_bounds(folder: Path, rows: list[dict[str, Any]]) -> None:
    """Buckets grow wider with age, and a replay has others: what is since the candidate began stays the same."""
    path = write_monitor(folder, monitor(windows=["1m", "2h"], comparison=SEQUENTIAL))
    (model,) = load_all([path])
    ends = [2700, 3600]
    since, until = (int((EPOCH + at) * MICROSECONDS) for at in ends)
    replay = Replay([model], since, until, 300 * MICROSECONDS, folder)
    replay.read(int(datetime.now(UTC).timestamp() * MICROSECONDS), lambda *_: None)
    replay.join(lambda *_: None)
    replayed = [snapshot.series for (snapshot,) in replay.snapshots([0, 3])]
    for file in ("predictions", "labels"):
        (folder / f"logs/{file}.jsonl").unlink()
    cycle = model.open(None)
    for end, series in zip(ends, replayed, strict=True):
        (folder / "logs/predictions.jsonl").touch()
        known = 0 if end == ends[0] else ends[0]
        write_logs(folder, [row for row in rows if known <= row["ts"] - EPOCH < end])
        snapshot = cycle.run(at=EPOCH + end)
        assert snapshot is not None
        for name in (LABELS, *BOUNDS):
            assert series[name] == pytest.approx(snapshot.series[name]), (name, end)
            assert len(series[name]) == 2
    cycle.close()
