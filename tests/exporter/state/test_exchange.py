"""Segment values that take each other's place: through restarts, failures and kills no row is lost or counted twice."""

from __future__ import annotations

import sqlite3
import time
from collections import Counter
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from exporter.daemon.cycle import Cycle, CycleError
from exporter.daemon.models import load_all
from exporter.state import Store
from exporter.state.summaries import Summaries
from mlslo.catalogue import METRICS
from tests.exporter.daemon.test_daemon import daemon
from tests.support.logs import EPOCH, monitor, record, value, write_lines, write_monitor
from tests.support.segmented import Series

MOST = 3


def by_value(series: Series, name: str, window: str, segment: str) -> dict[str, float]:
    labels = METRICS[name].labels
    found = {}
    for values, number in series.get(name, {}).items():
        known = dict(zip(labels, values, strict=True))
        if known["window"] == window and known["segment"] == segment:
            found[known["segment_value"]] = number
    return found


def hold(series: Series) -> None:
    """The values of a segment make up all traffic, and their labels all labels."""
    for window in ("10m", "2h"):
        (everything,) = by_value(series, "ml_monitor_samples", window, "").values() or (0.0,)
        coverage = by_value(series, "ml_label_coverage_ratio", window, "")
        for segment in ("user", "user,tier"):
            samples = by_value(series, "ml_monitor_samples", window, segment)
            assert sum(samples.values()) == everything
            assert len(samples.keys() - {"other"}) <= MOST
            labelled = by_value(series, "ml_label_coverage_ratio", window, segment)
            assert all(ratio <= 1 for ratio in labelled.values())
            together = sum(ratio * samples[name] for name, ratio in labelled.items())
            assert together == pytest.approx(coverage.get("", 0.0) * everything)


class Stream:
    """Users whose traffic comes and goes; labels that come cycles later, or before; late records."""

    def __init__(self, folder: Path, seed: int) -> None:
        self.folder = folder
        self.rng = np.random.default_rng(seed)
        self.rows = 0
        self.waiting: list[dict[str, Any]] = []
        self.users: Counter[str] = Counter()

    def write(self, now: float, phase: int) -> None:
        number = int(self.rng.integers(5, 60))
        # In each phase other users are the large ones.
        ranks = (self.rng.zipf(1.6, number) + 4 * phase) % 25
        for rank in ranks.tolist():
            late = self.rng.exponential(60) if self.rng.random() < 0.9 else self.rng.uniform(0, 5000)
            user = f"u{rank}"
            self.users[user] += 1
            item = record(
                self.rows, at=now - EPOCH - late, user=user, tier=[1, 1.0, "b"][self.rows % 3], score=0.7
            )
            self.rows += 1
            write_lines(self.folder / "logs/predictions.jsonl", [item])
            self.waiting.append({"id": item["id"], "label": int(self.rng.random() < 0.6), "ts": now})
        self.rng.shuffle(self.waiting)
        told, self.waiting = self.waiting[: number // 2], self.waiting[number // 2 :]
        write_lines(self.folder / "logs/labels.jsonl", told)


def breaks_after(calls: int) -> Any:
    """As if the disk were full at one of the writes of a cycle."""
    written = Summaries.add
    left = [calls]

    def add(self: Summaries, *arguments: Any, **options: Any) -> None:
        left[0] -= 1
        if left[0] < 0:
            raise sqlite3.OperationalError("database or disk is full")
        written(self, *arguments, **options)

    return add


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(2))
def test_nothing_is_lost_or_counted_twice(seed: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    spec = monitor(
        windows=["10m", "2h"], segments=["user", ["user", "tier"]], maxSegmentValues=MOST, minSamples=1
    )
    (model,) = load_all([write_monitor(tmp_path, spec)])
    stream = Stream(tmp_path, seed)
    without: set[str] = set()
    exchanges = 0
    held: set[str] = set()
    cycle: Cycle = model.open(tmp_path / "state")
    try:
        for number in range(32):
            now = EPOCH + 86_400 + number * 240.0
            clock = SimpleNamespace(time=lambda now=now: now, monotonic=time.monotonic)
            monkeypatch.setattr("exporter.daemon.cycle.time", clock)
            stream.write(now, number // 8)
            if stream.rng.random() < 0.3:
                with monkeypatch.context() as broken:
                    broken.setattr(Summaries, "add", breaks_after(int(stream.rng.integers(0, 12))))
                    try:
                        cycle.run()
                    except CycleError:
                        # Some of what failed is done again by the next process.
                        if stream.rng.random() < 0.5:
                            cycle.close()
                            cycle = model.open(tmp_path / "state")
            snapshot = cycle.run()
            assert snapshot is not None
            series = snapshot.series
            hold(series)
            (total,) = series["ml_predictions_total"].values()
            assert total == stream.rows
            shown = by_value(series, "ml_monitor_samples", "2h", "user").keys() - {"other"}
            exchanges += len(held - shown)
            held = shown
            without |= stream.users.keys() - shown
            if stream.rng.random() < 0.3:
                cycle.close()
                cycle = model.open(tmp_path / "state")
        assert exchanges >= 2
        dropped = series["ml_series_dropped_total"]["m", "too_many_segment_values"]
        assert dropped >= len(without)
    finally:
        cycle.close()


def count(store: Store, at: float, weights: dict[str, float], hours: float = 0.0) -> None:
    with store.transaction():
        (weight,) = store.segments.weights(np.array([int((at + hours * 3600) * 1e6)]))
        store.segments.count("s", {name: number * weight for name, number in weights.items()})


def test_the_largest_are_those_of_now(tmp_path: Path) -> None:
    """Last month's giant makes room, also where the exporter was restarted in between."""
    for path in (None, tmp_path / "state"):
        store = Store(path)
        for hour in range(30):
            if path is not None:
                store.close()
                store = Store(path)
            store.segments.most, store.segments.half_life = 1, 3600_000_000
            count(store, EPOCH, {"old": 1000.0} if not hour else {"new": 10.0}, hour)
            with store.transaction():
                lost, _ = store.segments.exchange()
            if lost:
                break
        # 1000 / 2^h falls under half of what ten an hour add up to, 10 + 5 + ..., at h = 7.
        assert (hour, lost) == (7, [("s", "old")])
        assert store.segments.shown("s", "new") == "new"
        store.close()


def test_weights_reach_over_years() -> None:
    with closing(Store()) as store:
        store.segments.most, store.segments.half_life = 1, 3600_000_000
        for hour in range(0, 24 * 365 * 3, 50):
            count(store, EPOCH, {"a": 3.0, "b": 1.0}, hour)
        rows = {name: found.rows for name, found in store.segments._values["s"].items()}
        assert np.isfinite(list(rows.values())).all()
        assert rows["a"] == pytest.approx(3 * rows["b"])


def test_a_cap_that_changes_takes_and_gives_places() -> None:
    with closing(Store()) as store:
        store.segments.most = 3
        count(store, EPOCH, {name: float(rank) for rank, name in enumerate("abcdef", 1)})

        def shown() -> set[str]:
            return {name for name in "abcdef" if store.segments.shown("s", name) == name}

        assert shown() == {"d", "e", "f"}
        with store.transaction():
            store.segments.most = 1
            assert sorted(store.segments.exchange()[0]) == [("s", "d"), ("s", "e")]
            assert shown() == {"f"}
            store.segments.most = 5
            assert store.segments.exchange() == ([], 0)
            assert shown() == {"b", "c", "d", "e", "f"}


def test_no_value_is_told_too_high_nor_lower_than_the_bound() -> None:
    """Misra-Gries over batches, of a heavy-tailed stream of 5,000 values."""
    rng = np.random.default_rng(0)
    with closing(Store()) as store:
        store.segments.most = 2
        truth: Counter[str] = Counter()
        for _ in range(30):
            batch = Counter(f"v{number}" for number in rng.zipf(1.3, 2000) % 5000)
            truth += batch
            count(store, EPOCH, {name: float(number) for name, number in batch.items()})
            found = store.segments._values["s"]
            assert len(found) <= 20
            small = sum(number for name, number in truth.items() if not (name in found and found[name].held))
            for name, number in truth.items():
                told = found[name].rows if name in found else 0.0
                assert told <= number
                assert number - told <= small / (20 - store.segments.most)


def test_a_killed_daemon_counts_every_segment_once(tmp_path: Path) -> None:
    """SIGKILL in the midst of a backlog, twice."""
    log = tmp_path / "logs/predictions.jsonl"
    now = time.time()
    users = np.random.default_rng(0).zipf(1.5, 24_000) % 12
    lines = [
        record(row, at=now - EPOCH - 600 + row / 100, user=f"u{user}", score=0.5)
        for row, user in enumerate(users.tolist())
    ]
    write_monitor(tmp_path, monitor(windows=["2h"], segments=["user"], maxSegmentValues=MOST))
    for number in range(3):
        write_lines(log, lines[number * 8000 : (number + 1) * 8000])
        write_lines(
            tmp_path / "logs/labels.jsonl",
            [
                {"id": item["id"], "label": 1, "ts": now}
                for item in lines[number * 8000 : (number + 1) * 8000 : 2]
            ],
        )
        if number < 2:
            with pytest.raises(AssertionError), daemon(tmp_path) as running:  # noqa: PT012 - it ends by being killed
                time.sleep(0.4 * (number + 1))
                running.process.kill()
                running.process.wait()
    with daemon(tmp_path) as running:
        gauges = running.wait_for(lambda found: (value(found, "ml_predictions_total") or 0) >= len(lines))
        gauges = running.wait_for(
            lambda found: value(found, "ml_label_coverage_ratio", segment="", window="2h") == 0.5
        )
    assert value(gauges, "ml_predictions_total") == len(lines)
    samples = {
        known["segment_value"]: number
        for known, number in gauges["ml_monitor_samples"]
        if known["segment"] == "user"
    }
    counted = Counter(f"u{user}" for user in users.tolist())
    assert sum(samples.values()) == len(lines)
    assert samples["u1"] == counted["u1"]
    coverage = {
        known["segment_value"]: number
        for known, number in gauges["ml_label_coverage_ratio"]
        if known["segment"] == "user"
    }
    assert sum(coverage[name] * samples[name] for name in samples) == pytest.approx(len(lines) / 2)
