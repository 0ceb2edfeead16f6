"""Partitions of a fold, without Spark around them: parts that are merged count what one exporter counts."""

from __future__ import annotations

import gzip
import json
import random
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from exporter.daemon.models import load_all
from exporter.fold.schema import OUTCOME
from exporter.sinks.records import JsonLines
from exporter.spark import pieces
from exporter.spark.fold import _merged, _write, inputs
from exporter.spark.partition import STATE, Job, Partition
from exporter.spark.parts import Shaper, Splitter, combined, of_pieces, part_of
from exporter.state import Store
from exporter.state.portable import Portable
from exporter.state.portable_bytes import from_bytes
from tests.exporter.spark.test_fold import HOUR, compare, content, everyday
from tests.support.logs import EPOCH, monitor, record, write_lines, write_monitor

pytestmark = pytest.mark.slow
PARTITIONS = 3


@pytest.fixture(autouse=True)
def _small_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have files of some kilobytes read in several pieces."""
    monkeypatch.setattr(JsonLines, "most", 100_000)
    monkeypatch.setattr(pieces, "_SMALLEST", 1)
    monkeypatch.setattr(pieces, "_LARGEST", 1)


def assert_same(folder: Path) -> Portable:
    """Fold in one cycle, and in pieces and partitions that come in any order; compare all that was counted."""
    (model,) = load_all([folder / "monitor.yaml"])
    at = EPOCH + HOUR
    whole, parts = folder / "whole", folder / "parts"
    for state in (whole, parts):
        state.mkdir()
    with closing(model.open(whole)) as cycle:
        cycle.run(at=at, whole=True, final=True)
    with closing(Store()) as store, closing(model.cycle(store)) as fresh:
        when = fresh.time(0.0, at=at, whole=True, final=True)
    found = inputs(model.monitor, {})
    grouped = list(enumerate(pieces.grouped(found.pieces, 1)))
    draw = random.Random(5)
    draw.shuffle(grouped)
    rows: list[dict[str, Any]] = []
    for piece in grouped:
        with (
            closing(Shaper(model.monitor, when)) as shaper,
            closing(Splitter(model.monitor, PARTITIONS)) as splitter,
        ):
            rows += [
                row for batch in splitter.rows(shaper.parts(of_pieces([piece]))) for row in batch.to_pylist()
            ]
    states, others = [], []
    for target in range(PARTITIONS):
        mine = [row for row in rows if row["target"] == target]
        mine.sort(key=lambda row: (row["sink"] != "predictions", row["seq"]))
        job = Job(model, when, {}, PARTITIONS)
        with closing(Partition(job)) as partition:
            partition.take(combined(map(part_of, mine)))
            for kind, counted in partition.rows():
                if kind == STATE:
                    states.append(from_bytes(counted))
                else:
                    others.append((kind, counted))
    draw.shuffle(states)
    _write(model, model.state_file(parts), when, _merged(states), others, found.positions)
    return compare(content(folder, whole), content(folder, parts))


def test_everyday_logs(tmp_path: Path) -> None:
    everyday(tmp_path)
    state = assert_same(tmp_path)
    assert state.counters["ml_sink_rejected_records_total", ("predictions", "duplicate")] > 50


@pytest.mark.parametrize("task", ["multiclass", "ranking"])
def test_other_tasks(tmp_path: Path, task: str) -> None:
    draw = random.Random(3)
    names = ["a", "b", "c"]
    fields = {"timestamp": "ts", "id": "id", "score": "score", "prediction": "prediction"}
    more: dict[str, Any] = {}
    predictions, labels = [], []
    label: Any
    for number in range(400):
        row: dict[str, Any] = {"ts": EPOCH + 5 * number, "id": number}
        if task == "multiclass":
            chances = draw.choice([[0.5, 0.25, 0.25], [0.125, 0.125, 0.75]])
            row |= {"score": dict(zip(names, chances, strict=True)), "prediction": draw.choice(names)}
            more, label = {"classes": names}, draw.choice([*names, "d"])
        else:
            row |= {"prediction": draw.sample(names, 3), "score": [0.75, 0.5, 0.25]}
            more, label = {"cutoffs": [1, 3]}, draw.sample(names, 2)
        predictions.append(row)
        labels.append({"id": float(number), "label": label, "ts": row["ts"] + draw.randrange(-60, 600)})
    write_lines(tmp_path / "logs/predictions.jsonl", predictions)
    write_lines(tmp_path / "logs/labels.jsonl", labels)
    sink = monitor()["spec"]["predictions"]["sink"]
    write_monitor(tmp_path, monitor(task=task, predictions={"sink": sink, "fields": fields, **more}))
    state = assert_same(tmp_path)
    assert any(key.kind == OUTCOME for key in state.buckets)


def test_odd_content(tmp_path: Path) -> None:
    rows = [json.dumps(record(number, at=number)) for number in range(600)]
    logs = tmp_path / "logs"
    logs.mkdir()
    docker = [
        json.dumps({"log": row + "\n", "stream": "stdout", "time": "2026-01-10T00:00:00Z"}) for row in rows
    ]
    long = json.dumps(record(1, at=1, padding="x" * (3 << 20)))
    files = {
        "0": "\ufeff" + "\n".join(rows[:100]) + "\n",
        "1": "\r\n".join(["", *rows[100:150], "  ", "not json", "[1]", '{"a":1}{"b":2}', "\x0b", "é\u2028"])
        + "\n",
        "2": "\n".join(rows[150:200]) + "\n" + rows[200],
        "3": "\n".join(rows[201:250]) + '\n{"ts": 1, "id": "unfini',
        "4": rows[250]
        + "\n\0\0\0\0"
        + rows[251]
        + "\n"
        + "\0" * 50
        + rows[252]
        + "\n"
        + "\n".join(rows[253:300])
        + "\n",
        "5": long + "\n" + "\n".join(rows[300:350]) + "\n",
        "6": "\n".join(docker[350:400]) + "\n",
        "7": "",
        "8": "\0" * 130_000 + "\n".join(rows[400:450]) + "\n",
    }
    for name, text in files.items():
        (logs / f"predictions-{name}.jsonl").write_bytes(text.encode())
    (logs / "predictions-9.jsonl").write_bytes(b'{"id": "\xff\xfe"}\n\xc3\n' + rows[450].encode() + b"\n")
    with gzip.open(logs / "predictions-z.jsonl.gz", "wb") as packed:
        packed.write("\n".join(rows[500:600]).encode())
    (logs / "predictions-copy.jsonl").write_bytes((logs / "predictions-0.jsonl").read_bytes())
    write_lines(logs / "labels.jsonl", [{"id": f"r{number}", "label": number % 2} for number in range(600)])
    write_monitor(tmp_path, monitor(features={"amount": {"type": "numeric"}}))
    state = assert_same(tmp_path)
    assert state.counters["ml_sink_rejected_records_total", ("predictions", "too_long")] == 1
    assert state.counters["ml_predictions_total", ("v1",)] > 400
