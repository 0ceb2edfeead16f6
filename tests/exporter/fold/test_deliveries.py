"""Predictions that are delivered twice, as log shippers do, count once."""

from __future__ import annotations

import os
import signal
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from exporter.daemon.models import load_all
from tests.exporter.daemon.test_daemon import daemon
from tests.support.commands import exporter
from tests.support.logs import EPOCH, Gauges, monitor, once, record, value, write_lines, write_monitor
from tests.support.segmented import labels, predictions

pytestmark = pytest.mark.slow

SPLIT: dict[str, Any] = {
    "segments": ["country"],
    "fairness": {"attributes": ["gender"]},
    "features": {
        "amount": {"type": "numeric"},
        "country": {"type": "categorical"},
        "tier": {"type": "categorical"},
        "member": {"type": "boolean"},
        "gender": {"type": "text"},
        "ts": {"type": "timestamp"},
        "vector": {"type": "embedding"},
    },
}
CHANGING = ("ml_monitor_", "ml_sink_", "ml_state_", "ml_exporter_")


def duplicates(gauges: Gauges) -> float | None:
    return value(gauges, "ml_sink_rejected_records_total", sink="predictions", reason="duplicate")


def same(found: Gauges, expected: Gauges) -> None:
    """All but what is said of cycles and sinks."""
    assert {name for name in found if not name.startswith(CHANGING)} == {
        name for name in expected if not name.startswith(CHANGING)
    }
    for name, series in expected.items():
        if not name.startswith(CHANGING):
            assert dict(map(str_keyed, found[name])) == pytest.approx(dict(map(str_keyed, series))), name


def str_keyed(series: tuple[dict[str, str], float]) -> tuple[str, float]:
    return str(sorted(series[0].items())), series[1]


@pytest.mark.parametrize("labelled", [True, False])
def test_everything_is_as_if_it_came_once(tmp_path: Path, labelled: bool) -> None:
    """In the same batch, in another file, after a restart; of all kinds of features, segments and groups."""
    log = predictions(400)
    for number, item in enumerate(log):
        item["features"] |= {"ts": item["ts"], "vector": [1.0, float(number)]}
    truth = labels(log)
    content = monitor(**SPLIT)
    if not labelled:
        del content["spec"]["labels"]
    for name, again in (("once", False), ("twice", True)):
        folder = tmp_path / name
        write_lines(folder / "logs/predictions-a.jsonl", log[:300])
        if again:
            write_lines(folder / "logs/predictions-a.jsonl", log[250:300])
            write_lines(folder / "logs/predictions-b.jsonl", [*log[:20], *log[:10]])
    path = write_monitor(tmp_path / "twice", content)
    state = tmp_path / "state"
    assert duplicates(once(path, "--state-dir", state)) == 80
    for name in ("once", "twice"):
        write_lines(tmp_path / name / "logs/labels.jsonl", truth)
    write_lines(tmp_path / "once/logs/predictions-c.jsonl", log[300:])
    write_lines(tmp_path / "twice/logs/predictions-c.jsonl", reversed(log))
    found = once(path, "--state-dir", state)
    assert duplicates(found) == 80 + 300
    assert value(found, "ml_predictions_total") == 400
    assert value(found, "ml_sink_records_total", sink="predictions") == 780
    expected = once(write_monitor(tmp_path / "once", content))
    assert duplicates(expected) == 0
    same(found, expected)


def test_what_is_sent_again_is_another_request(tmp_path: Path) -> None:
    """A retry, a second instance of one request, records without an id: each is what it is."""
    lines = [
        record(0, at=60.0, status=503, score=None),
        record(0, at=60.0, status=200),
        record(0, at=61.0, status=200),
        record(0, at=61.0, status=200, score=0.75),
        record(0, at=61.0, status=200, score=0.75, latency_ms=21.0),
        *[record(0, at=62.0, id=None)] * 3,
    ]
    write_lines(tmp_path / "logs/predictions.jsonl", lines)
    found = once(write_monitor(tmp_path))
    assert value(found, "ml_predictions_total") == 8
    assert duplicates(found) == 0


def test_each_version_that_answers_a_request_has_predicted(tmp_path: Path) -> None:
    """A shadow deployment: the same request, time and output."""
    lines = [record(row, at=60.0, version=version) for row in range(30) for version in ("v1", "v2")]
    write_lines(tmp_path / "logs/predictions.jsonl", [*lines, *lines[:5]])
    found = once(write_monitor(tmp_path))
    counts = {labels["version"]: number for labels, number in found["ml_predictions_total"]}
    assert counts == {"v1": 30, "v2": 30}
    assert duplicates(found) == 5


def test_nothing_is_compared_without_ids(tmp_path: Path) -> None:
    content = monitor(labels=None)
    del content["spec"]["predictions"]["fields"]["id"]
    write_lines(tmp_path / "logs/predictions.jsonl", [record(0, at=60.0)] * 30)
    found = once(write_monitor(tmp_path, content))
    assert value(found, "ml_predictions_total") == 30


def test_an_id_that_is_none_of_requests_is_told(tmp_path: Path) -> None:
    lines = [record(row, at=60.0 + row, user=f"u{row % 3}") for row in range(100)]
    write_lines(tmp_path / "logs/predictions.jsonl", lines)
    content = monitor(labels=None)
    assert exporter("check", write_monitor(tmp_path, content)).returncode == 0
    content["spec"]["predictions"]["fields"]["id"] = "user"
    path = write_monitor(tmp_path, content)
    said = "id 'user' repeats in 97 of 100 records: is it the id of a request?"
    checked = exporter("check", path, check=False)
    assert checked.returncode == 1
    assert f"  warning: {said}" in checked.stdout
    measured = exporter("once", path, "--at", "2026-01-10T01:00:00Z")
    assert measured.stderr.count(said) == 1
    # At other times they are other records all the same.
    assert 'ml_predictions_total{model="m",version="v1"} 100' in measured.stdout


def test_a_log_delivered_twice_has_ids_of_requests(tmp_path: Path) -> None:
    write_lines(tmp_path / "logs/predictions.jsonl", 2 * [record(row, at=60.0 + row) for row in range(100)])
    path = write_monitor(tmp_path, monitor(labels=None))
    assert "repeats" not in exporter("check", path).stdout
    assert "repeats" not in exporter("once", path).stderr


def test_a_killed_daemon_counts_repeats_once(tmp_path: Path) -> None:
    """SIGKILL in the midst of a log that is delivered twice, several times."""
    now = time.time()
    lines = [record(row, at=now - EPOCH - 900 + row / 100) for row in range(20_000)]
    rng = np.random.default_rng(0)
    write_monitor(tmp_path, monitor(windows=["2h"]))
    written = 0
    for number in range(4):
        fresh = lines[number * 5000 : (number + 1) * 5000]
        old = [lines[place] for place in rng.integers(0, (number + 1) * 5000, 5000)]
        mixed = [*fresh, *old]
        write_lines(
            tmp_path / "logs/predictions.jsonl", [mixed[place] for place in rng.permutation(len(mixed))]
        )
        written += len(mixed)
        if number < 3:
            with pytest.raises(AssertionError), daemon(tmp_path) as running:  # noqa: PT012 - it ends by being killed
                time.sleep(0.3 * (number + 1))
                os.kill(running.process.pid, signal.SIGKILL)
                running.process.wait()
    with daemon(tmp_path) as running:
        gauges = running.wait_for(
            lambda found: (value(found, "ml_sink_records_total", sink="predictions") or 0) >= written
        )
    assert value(gauges, "ml_predictions_total") == len(lines)
    assert duplicates(gauges) == written - len(lines)
    assert value(gauges, "ml_monitor_samples") == len(lines)


def test_ids_are_remembered_in_the_state(tmp_path: Path) -> None:
    """A record of an hour ago, after all that came since."""
    write_lines(tmp_path / "logs/predictions.jsonl", [record(row, at=float(row)) for row in range(3000)])
    (model,) = load_all([write_monitor(tmp_path)])
    for _ in range(2):
        with closing(model.open(tmp_path / "state.sqlite")) as cycle:
            snapshot = cycle.run(at=EPOCH + 3600, final=True)
        write_lines(tmp_path / "logs/predictions.jsonl", [record(7, at=7.0)])
    assert snapshot is not None
    assert snapshot.series["ml_sink_rejected_records_total"]["m", "predictions", "duplicate"] == 1
