"""Replayed gauges are those of a cycle over what was logged by then, at each step, on random small logs."""

from __future__ import annotations

import math
from collections.abc import Mapping
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from exporter.daemon.models import Model, load_all
from exporter.measure.exposition import Snapshot
from exporter.replay import Replay
from mlslo.catalogue import METRICS
from tests.support.commands import exporter
from tests.support.logs import EPOCH, EVERYTHING, monitor, record, write_lines, write_monitor

MICROSECONDS = 1_000_000
LENGTH = 3 * 3600
FEATURES = {"amount": {"type": "numeric", "range": [0, 10]}, "country": {"type": "categorical"}}


def labels(**changes: str | None) -> dict[str, Any]:
    fields = {"id": "id", "label": "label", "timestamp": "ts", **changes}
    return {
        "sink": {"file": {"path": "logs/labels*.jsonl"}},
        "fields": {name: path for name, path in fields.items() if path is not None},
    }


ONE_EACH: dict[str, dict[str, Any]] = {
    "plain": {"windows": ["10m", "1h"]},
    "uneven windows": {"windows": ["7m", "13s", "47m"]},
    "labels without times": {"labels": labels(timestamp=None)},
    "revised labels": {"labels": labels() | {"revisions": "last"}},
    "no labels": {"labels": None},
    "static": {"references": {"training": {"static": "training.json"}}},
    "by version": {"references": {"own": {"static": "{version}.json"}}},
    "sliding": {"references": {"before": {"sliding": "40m", "offset": "10m"}, "training": {"static": "training.json"}}},
    "calendar": {"references": {"last year": {"calendar": "month"}}},
    "first": {"references": {"own": {"first": "20m"}, "training": {"static": "training.json"}}},
    "compared": {"comparison": {}, "segments": ["features.country", ["version", "features.country"]]},
    "segments": {"segments": ["features.country", "version"], "references": {
        "training": {"static": "training.json"}, "before": {"sliding": "40m"}}},
    "fairness": {"fairness": {"attributes": ["features.country"], "minSamples": 3}},
    "regression": {"task": "regression"},
}  # fmt: skip


def write_logs(folder: Path, seed: int, task: str) -> None:
    """Three hours of three versions, with all that a log can hold; and a reference of them."""
    random = np.random.default_rng(seed)
    size = int(random.integers(150, 400))
    times = np.sort(random.uniform(0, LENGTH, size)).round(3)
    # A silence, and rows of a year ago.
    times = times[(times < 5000) | (times > 7000)]
    times = np.concatenate([times - 364 * 86_400, times])
    rows: list[dict[str, Any]] = []
    known: list[dict[str, Any]] = []
    for number, time in enumerate(times.tolist()):
        status = 503 if random.random() < 0.05 else 200
        features: dict[str, Any] = {
            "amount": random.lognormal(),
            "country": str(random.choice(["DE", "FR", "IT"])),
        }
        if random.random() < 0.1:
            features["amount"] = None
        if random.random() < 0.1:
            del features["country"]
        score = float(random.random())
        row = record(
            number, at=time, status=status, latency_ms=float(random.gamma(2, 20)), score=score,
            version=f"v{1 + int(time > 4000) + int(time > 9000)}", prediction=int(score > 0.5), features=features,
        )  # fmt: skip
        if status == 503 or random.random() < 0.03:
            row["score"] = row["prediction"] = None
        rows.append(row)
        if random.random() < 0.8:
            came = EPOCH + time + float(random.exponential(1200))
            label = float(random.normal()) if task == "regression" else int(random.random() < score)
            known.append({"id": row["id"], "label": label, "ts": came})
            if random.random() < 0.1:
                other = label + 1 if task == "regression" else 1 - label
                known.append({"id": row["id"], "label": other, "ts": came + float(random.exponential(900))})
    # Some late, some twice, some no records at all.
    order = np.argsort(np.arange(len(rows)) + random.exponential(3, len(rows)))
    lines: list[Any] = [rows[place] for place in order]
    lines += [rows[place] for place in random.integers(0, len(rows), 5)]
    lines += ["{not json", {**rows[3], "ts": None}]
    known += [{"id": "nobody", "label": 1, "ts": EPOCH + 3000}, {"label": 1, "ts": EPOCH + 3000}]
    random.shuffle(known)
    write_lines(folder / "logs/predictions.jsonl", lines)
    write_lines(folder / "logs/labels.jsonl", known)
    write_lines(folder / "training.jsonl", rows[: len(rows) // 2])


def written(folder: Path, seed: int, changes: Mapping[str, Any]) -> Path:
    task = str(changes.get("task", "binary"))
    write_logs(folder, seed, task)
    content = monitor(**{"features": FEATURES, "metrics": EVERYTHING, "minSamples": 5, **changes})
    fields = content["spec"]["predictions"]["fields"]
    if task == "regression":
        del fields["prediction"]
    plain = {key: value for key, value in content["spec"].items() if key not in ("references", "fairness")}
    path = write_monitor(folder, {**content, "spec": plain})
    for name in ("training", "v2"):
        exporter("baseline", path, "--data", folder / "training.jsonl", "--out", folder / f"{name}.json")
    return write_monitor(folder, content)


def single_cycle(model: Model, at: float) -> Snapshot:
    """One cycle over what was logged by ``at``."""
    with closing(model.open(None)) as cycle:
        snapshot = cycle.run(at=at, as_of=True, final=True)
    assert snapshot is not None
    return snapshot


def assert_same(replayed: Snapshot, single: Snapshot) -> None:
    """Counts are equal, and so are the sums of numbers, but for the order in which they are added."""
    for name in sorted({*replayed.series, *single.series} - {"ml_monitor_cycle_duration_seconds"}):
        one, other = (dict(snapshot.series.get(name, {})) for snapshot in (replayed, single))
        assert one.keys() == other.keys(), (name, one.keys() ^ other.keys())
        for labels, number in one.items():
            # The root of what rounding leaves of 0.
            least = 1e-7 if name == "ml_dataset_frechet_distance" else 1e-12
            assert math.isclose(number, other[labels], rel_tol=1e-9, abs_tol=least), (name, labels)
    assert replayed.histograms.keys() == single.histograms.keys()
    for version, histogram in replayed.histograms.items():
        assert histogram.buckets == single.histograms[version].buckets
        assert math.isclose(histogram.total, single.histograms[version].total, rel_tol=1e-9)


@pytest.mark.slow
@pytest.mark.parametrize("step", [300, 97])
@pytest.mark.parametrize("kind", list(ONE_EACH))
def test_each_step_is_a_cycle_over_what_was_known(tmp_path: Path, kind: str, step: int) -> None:
    seed = 100 * step + list(ONE_EACH).index(kind)
    (model,) = load_all([written(tmp_path, seed, ONE_EACH[kind])])
    edges = [int((EPOCH + at) * MICROSECONDS) for at in (120, LENGTH + 1800)]
    replay = Replay([model], edges[0], edges[1], step * MICROSECONDS, tmp_path)
    replay.read(int(datetime.now(UTC).timestamp() * MICROSECONDS), lambda *_: None)
    replay.join(lambda *_: None)
    first, last = replay.steps
    assert (first, last) == (0, (edges[1] - edges[0]) // (step * MICROSECONDS))
    random = np.random.default_rng(seed)
    chosen = sorted({first, last, *random.integers(first, last, 6).tolist()})
    compared = 0
    for number, (snapshot,) in zip(chosen, replay.snapshots(chosen), strict=True):
        at = replay.grid.time(number) / MICROSECONDS
        assert_same(snapshot, single_cycle(model, at))
        compared += sum(map(len, snapshot.series.values()))
    assert compared > 500


def test_values_that_others_outgrow_are_counted_once(tmp_path: Path) -> None:
    changes = {"segments": ["features.country"], "maxSegmentValues": 1, "labels": None}
    for name, numbers in {"small": range(20), "large": range(20, 120)}.items():
        rows = [record(number, at=10.0 * number, features={"country": name}) for number in numbers]
        write_lines(tmp_path / f"logs/predictions-{name == 'large':d}.jsonl", rows)
    (model,) = load_all([write_monitor(tmp_path, monitor(**changes))])
    edges = [int((EPOCH + at) * MICROSECONDS) for at in (150, 1200)]
    replay = Replay([model], edges[0], edges[1], 150 * MICROSECONDS, tmp_path)
    replay.read(int(datetime.now(UTC).timestamp() * MICROSECONDS), lambda *_: None)
    replay.join(lambda *_: None)
    place = METRICS["ml_monitor_samples"].labels.index("segment_value")
    for number, (snapshot,) in zip(range(8), replay.snapshots(range(8)), strict=True):
        found = {labels[place]: rows for labels, rows in snapshot.series["ml_monitor_samples"].items()}
        assert found == {"": 15 * (number + 1), "other": 15 * (number + 1)}
