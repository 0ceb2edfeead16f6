"""Fold by Spark: the state is that of one exporter that has read everything, whatever a log holds."""

from __future__ import annotations

import gzip
import random
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from exporter.commands.fold import fold
from exporter.daemon.models import load_all
from exporter.sinks.positions import Position
from exporter.sinks.records import JsonLines
from exporter.spark import pieces
from exporter.state.portable import Portable
from exporter.state.store import Store
from tests.support.commands import exporter
from tests.support.logs import EPOCH, EVERYTHING, monitor, once, record, value, write_lines, write_monitor
from tests.support.spark import MARKS, cut_small

pytestmark = MARKS

UNTIL = "2026-01-10T01:00:00Z"
HOUR = 3600.0
_STEP, _LARGE = 2.0**-20, 2.0**32


@pytest.fixture(autouse=True)
def _small_pieces(monkeypatch: pytest.MonkeyPatch, spark: Any) -> None:  # noqa: ARG001
    """Have files of some kilobytes read by several tasks, and folded by three, at a time that stands still."""
    cut_small(monkeypatch)
    monkeypatch.setattr("exporter.commands.fold.time", SimpleNamespace(time=lambda: EPOCH + HOUR))
    monkeypatch.setattr("exporter.spark.fold.FAN_IN", 2)


def folded(folder: Path, engine: str, *arguments: object) -> Path:
    """Run the command in this process, where Spark is; returns the state directory."""
    state = folder / f"state-{engine}"
    words = [folder / "monitor.yaml", "--state-dir", state, "--engine", engine, *arguments]
    fold.main([str(word) for word in words], standalone_mode=False)
    return state


State = tuple[Portable, dict[str, dict[str, str]]]
"""Counts, and positions by sink."""


def content(folder: Path, state: Path) -> State:
    """Return all that a state counted, with its positions by sink."""
    (model,) = load_all([folder / "monitor.yaml"])
    with closing(Store(model.state_file(state))) as store, closing(model.cycle(store)) as cycle:
        found = cycle.portable(pending=True)
        return found, {name: store.positions.load(name) for name in ("predictions", "labels")}


def assert_same(folder: Path, *arguments: object) -> Portable:
    """Fold by both engines, and compare all that was counted, bit for bit.

    But for sums of floats that no float is: they depend on the order of their terms, in one exporter as well.
    """
    here, there = folded(folder, "local", *arguments), folded(folder, "spark", *arguments)
    return compare(content(folder, here), content(folder, there))


def compare(one: State, other: State) -> Portable:
    """Return the second, which equals the first."""
    (local, here), (distributed, there) = one, other
    for name in ("layouts", "versions", "counters", "marks", "dropped"):
        assert getattr(distributed, name) == getattr(local, name), name
    assert distributed.buckets.keys() == local.buckets.keys()
    for key, (places, numbers) in local.buckets.items():
        assert distributed.buckets[key][0].tobytes() == places.tobytes()
        found = distributed.buckets[key][1]
        # Counts, and sums that floats hold; larger ones have lost digits.
        exact = np.all([(np.abs(part) < _LARGE) & (part % _STEP == 0) for part in (found, numbers)], axis=0)
        assert found[exact].tobytes() == numbers[exact].tobytes(), key
        np.testing.assert_allclose(found, numbers, rtol=1e-12)
    assert distributed.waiting == local.waiting
    # Sizes of segment values choose which ones have series; they are floats that fade.
    assert {of: held for of, (_, held) in distributed.sizes.items()} == {
        of: held for of, (_, held) in local.sizes.items()
    }
    for of, (size, _) in local.sizes.items():
        assert distributed.sizes[of][0] == pytest.approx(size, abs=1e-9)
    for sink, positions in here.items():
        ends = [
            {key: replace(Position.restored(text), marks=()) for key, text in some.items()}
            for some in (positions, there[sink])
        ]
        assert ends[1] == ends[0]
    return distributed


def everyday(folder: Path, **spec: Any) -> None:
    """Write a log with segments, versions, texts, copies, and labels early, late, twice and never."""
    draw = random.Random(7)
    predictions: list[object] = []
    labels: list[dict[str, Any]] = []
    for number in range(1500):
        at = HOUR * draw.random()
        row = record(
            number,
            at=at,
            version=draw.choice(["v1", "v2", "v3"]),
            status=draw.choice([200] * 9 + [500]),
            latency_ms=draw.gammavariate(2, 10),
            score=draw.randrange(65) / 64,
            features={
                "amount": draw.choice([draw.randrange(-80, 80) / 8, 2**30, None, "n/a"]),
                "country": draw.choice(["DE", "FR", "new"]),
                "note": draw.choice(["", "a text", "ein längerer Text 7"]),
            },
        )
        predictions.append(row)
        if not draw.randrange(20):
            predictions.append(row)
        for _ in range(draw.choice([0, 1, 1, 1, 2])):
            label = {"id": f"r{number}", "label": draw.randrange(2), "ts": EPOCH + at + draw.gauss(600, 900)}
            if not draw.randrange(10):
                del label["ts"]
            labels.append(label)
    labels += [{"id": f"unknown{number}", "label": 1, "ts": EPOCH} for number in range(40)]
    predictions += ["{broken", "", record(9000, at=1, id=None), record(9001, at=9 * HOUR), {"id": "r9002"}]
    draw.shuffle(labels)
    for number in range(3):
        write_lines(folder / f"logs/predictions-{number}.jsonl", predictions[number::3])
    write_lines(folder / "logs/labels.jsonl", labels)
    default: dict[str, Any] = {
        "segments": ["features.country"],
        "fairness": {"attributes": ["features.country"]},
        "metrics": EVERYTHING,
        "features": {
            "amount": {"type": "numeric"},
            "country": {"type": "categorical"},
            "note": {"type": "text"},
        },
    }
    write_monitor(folder, monitor(**{**default, **spec}))


def test_state_is_the_same_and_an_exporter_goes_on_behind_it(tmp_path: Path) -> None:
    labels = {**monitor()["spec"]["labels"], "revisions": "last"}
    everyday(tmp_path, labels=labels)
    before = assert_same(tmp_path)
    assert before.counters["ml_sink_rejected_records_total", ("predictions", "duplicate")] > 50
    assert before.waiting is not None
    assert len(before.waiting.predictions) > 1000
    assert {key.segment for key in before.buckets} == {"", "features.country"}
    assert set(before.versions) == {"v1", "v2", "v3"}
    write_lines(tmp_path / "logs/predictions-0.jsonl", [record(20_000, at=10), record(0, at=20)])
    write_lines(tmp_path / "logs/labels.jsonl", [{"id": "r20000", "label": 1, "ts": EPOCH + 30}])
    state = tmp_path / "state-spark"
    exporter("once", tmp_path / "monitor.yaml", "--state-dir", state)
    after, _ = content(tmp_path, state)
    for sink, number in (("predictions", 2), ("labels", 1)):
        of_sink = ("ml_sink_records_total", (sink,))
        assert after.counters[of_sink] - before.counters[of_sink] == number


def test_records_without_ids_are_folded_where_they_are_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Pieces of several blocks, which one buffer holds one after the other."""
    monkeypatch.setattr(pieces, "_SMALLEST", 1 << 20)
    monkeypatch.setattr(JsonLines, "most", 20_000)
    spec = monitor()["spec"]
    fields = {name: path for name, path in spec["predictions"]["fields"].items() if name != "id"}
    everyday(tmp_path, predictions={**spec["predictions"], "fields": fields}, labels=None)
    state = assert_same(tmp_path, "--until", UNTIL)
    assert not state.counters["ml_sink_rejected_records_total", ("predictions", "duplicate")]


def test_tables_are_read_as_the_sink_reads_them(tmp_path: Path) -> None:
    (tmp_path / "logs").mkdir()
    names = ["ts", "id", "version", "score", "amount"]
    rows: dict[str, list[list[Any]]] = {
        kind: [[EPOCH + number, f"{kind}-{number}", "v1", number / 128, number] for number in range(128)]
        for kind in ("csv", "parquet")
    }
    lines = [",".join(map(str, row)) for row in [names, *rows["csv"]]]
    lines += ['"broken', f'{EPOCH},"a ""quoted""\nid",v1,0.5,', ""]
    (tmp_path / "logs/predictions-0.csv").write_text("\n".join(lines))
    table = pa.table({name: [row[place] for row in rows["parquet"]] for place, name in enumerate(names)})
    pq.write_table(table, tmp_path / "logs/predictions-1.parquet")
    fields = {"timestamp": "ts", "id": "id", "version": "version", "score": "score", "features": ["amount"]}
    predictions = {"sink": {"file": {"path": "logs/predictions*"}}, "fields": fields}
    features = {"amount": {"type": "numeric"}}
    write_monitor(tmp_path, monitor(predictions=predictions, labels=None, features=features))
    state = assert_same(tmp_path)
    assert state.counters["ml_predictions_total", ("v1",)] >= 256


def test_exporter_over_another_sink_counts_what_is_later(tmp_path: Path) -> None:
    everyday(tmp_path)
    until = "2026-01-10T00:30:00Z"
    state = folded(tmp_path, "spark", "--until", until)
    assert content(tmp_path, state)[1] == {"predictions": {}, "labels": {}}
    went_on = once(tmp_path / "monitor.yaml", "--state-dir", state, at=UNTIL)
    whole = once(tmp_path / "monitor.yaml", at=UNTIL)
    for version in ("v1", "v2", "v3"):
        for name in ("ml_predictions_total", "ml_prediction_latency_seconds_sum"):
            assert value(went_on, name, version=version) == value(whole, name, version=version)


def test_urls_are_read_by_spark_itself(tmp_path: Path) -> None:
    everyday(tmp_path)
    logs = tmp_path / "logs"
    with gzip.open(logs / "predictions-2.jsonl.gz", "wb") as packed:
        packed.write((logs / "predictions-2.jsonl").read_bytes())
    arguments = ("--until", UNTIL, "--labels")
    files = [
        str(logs / name) for name in ("predictions-0.jsonl", "predictions-1.jsonl", "predictions-2.jsonl.gz")
    ]
    data = [word for file in files for word in ("--data", file)]
    urls = [word for file in files for word in ("--data", f"file://{file}")]
    local, _ = content(tmp_path, folded(tmp_path, "local", *data, *arguments, logs / "labels.jsonl"))
    state = folded(tmp_path, "spark", *urls, *arguments, f"file://{logs}/labels.jsonl")
    found, positions = content(tmp_path, state)
    assert found.counters == local.counters
    assert found.versions == local.versions
    assert found.buckets.keys() == local.buckets.keys()
    assert found.waiting == local.waiting
    assert positions == {"predictions": {}, "labels": {}}


def test_what_depends_on_the_whole_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    everyday(tmp_path, references={"first": {"first": "1h"}})
    with pytest.raises(SystemExit) as ended:
        folded(tmp_path, "spark")
    assert ended.value.code == 2
    assert "reference 'first' is built of the first records" in capsys.readouterr().err
    assert [*(tmp_path / "state-spark").glob("*")] == []


def test_missing_logs_and_too_many_versions_leave_nothing_behind(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_monitor(tmp_path)
    with pytest.raises(SystemExit) as ended:
        folded(tmp_path, "spark")
    assert ended.value.code == 1
    assert "no file matches" in capsys.readouterr().err
    write_lines(
        tmp_path / "logs/predictions.jsonl",
        [record(number, at=number, version=f"v{number % 60}") for number in range(300)],
    )
    write_lines(tmp_path / "logs/labels.jsonl", [{"id": "r1", "label": 1}])
    with pytest.raises(SystemExit):
        folded(tmp_path, "spark")
    assert "more than 50 versions" in capsys.readouterr().err
    assert [*(tmp_path / "state-spark").iterdir()] == []
