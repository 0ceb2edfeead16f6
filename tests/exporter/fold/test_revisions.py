"""Labels that correct earlier ones: in any order, batches and restarts, what is exported is that of the last labels."""

from __future__ import annotations

from contextlib import closing
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from exporter.daemon.cycle import Cycle
from exporter.daemon.models import load_all
from tests.support.logs import AT, monitor, once, record, value, write_lines, write_monitor
from tests.support.segmented import Record, Series, build_reference, differences, measured, predictions

pytestmark = pytest.mark.slow

END = datetime.fromisoformat(AT).timestamp()
OUTCOMES = ("ml_model_", "ml_calibration", "ml_label_", "ml_fairness_")
SPLIT: dict[str, Any] = {
    "windows": ["20m", "1h"],
    "segments": ["country"],
    "features": {"country": {"type": "categorical"}, "tier": {"type": "categorical"}},
}
BY_TASK: dict[str, dict[str, Any]] = {
    "binary": {"fairness": {"attributes": ["gender"]}},
    "multiclass": {},
    "regression": {},
    "ranking": {},
}


def spec_of(task: str) -> dict[str, Any]:
    content = monitor(**SPLIT, **BY_TASK[task], task=task)
    if task == "multiclass":
        content["spec"]["predictions"]["classes"] = ["a", "b", "c"]
    if task in ("regression", "ranking"):
        del content["spec"]["predictions"]["fields"]["score"]
    if task == "multiclass":
        del content["spec"]["predictions"]["fields"]["score"]
    content["spec"]["labels"]["revisions"] = "last"
    return content


def answer(task: str, rng: np.random.Generator) -> Any:
    match task:
        case "binary":
            return int(rng.integers(2))
        case "multiclass":
            # A class that nobody knows, too.
            return ["a", "b", "c", "d"][rng.integers(4)]
        case "regression":
            # Labels that are off by so much that a sum over all would never forget them.
            return float(rng.choice([0.0, 1e12, -1e200, *rng.normal(100, 10, 17)]))
    return [f"i{item}" for item in rng.permutation(6)[: rng.integers(1, 5)]]


def log_of(task: str, rows: int, rng: np.random.Generator) -> list[Record]:
    found = predictions(rows, seed=int(rng.integers(1000)))
    if task == "regression":
        found = [{**item, "prediction": float(rng.normal(100, 10))} for item in found]
    elif task != "binary":
        found = [{**item, "prediction": answer(task, rng)} for item in found]
    if task == "multiclass":
        found = [{**item, "prediction": item["prediction"].replace("d", "a")} for item in found]
    return found


def labels_of(log: list[Record], task: str, rng: np.random.Generator, *, timed: bool) -> list[Record]:
    """Up to four labels for each prediction, in the order in which they come, which is not that of their times."""
    found = []
    for item in log:
        for _ in range(int(rng.integers(5))):
            label = {"id": item["id"], "label": answer(task, rng)}
            if timed:
                label["ts"] = item["ts"] + float(rng.integers(1, 600)) + float(rng.random())
            found.append(label)
    return [found[place] for place in rng.permutation(len(found))]


def last_of(labels: list[Record]) -> list[Record]:
    """Of each id the label that counts; known when the first of its labels that came was."""
    first: dict[str, Record] = {}
    final: dict[str, Record] = {}
    for label in labels:
        known = final.get(label["id"])
        first.setdefault(label["id"], label)
        if known is None or "ts" not in label or label["ts"] >= known["ts"]:
            final[label["id"]] = label
    return [
        {**label, **({"ts": first[name]["ts"]} if "ts" in label else {})} for name, label in final.items()
    ]


def outcomes(series: Series) -> dict[tuple[str, ...], float]:
    return {
        (name, *labels): number
        for name, members in series.items()
        if name.startswith(OUTCOMES) and not name.startswith("ml_label_watermark")
        for labels, number in members.items()
    }


def run(cycle: Cycle) -> Series:
    snapshot = cycle.run(at=END, final=True)
    assert snapshot is not None
    return snapshot.series


def parts_of(lines: list[Record], rng: np.random.Generator, number: int) -> list[list[Record]]:
    cuts = sorted(rng.integers(0, len(lines) + 1, number - 1).tolist())
    return [lines[start:end] for start, end in zip([0, *cuts], [*cuts, len(lines)], strict=True)]


@pytest.mark.parametrize("task", BY_TASK)
@pytest.mark.parametrize("timed", [True, False])
@pytest.mark.parametrize("seed", range(2))
def test_only_the_last_labels_count(tmp_path: Path, task: str, timed: bool, seed: int) -> None:
    rng = np.random.default_rng([seed, timed, len(task)])
    content = spec_of(task)
    log = log_of(task, 150, rng)
    labels = labels_of(log, task, rng, timed=timed)
    steps = 6
    build = rng.permutation(len(log))
    batches = parts_of([log[place] for place in build], rng, steps)
    told = parts_of(labels, rng, steps)
    (model,) = load_all([write_monitor(tmp_path, content)])
    cycle = model.open(tmp_path / "state.sqlite")
    try:
        for mine, theirs in zip(batches, told, strict=True):
            write_lines(tmp_path / "logs/predictions.jsonl", mine)
            write_lines(tmp_path / "logs/labels.jsonl", theirs)
            if rng.random() < 0.4:
                cycle.close()
                cycle = model.open(tmp_path / "state.sqlite")
            found = run(cycle)
    finally:
        cycle.close()
    whole = tmp_path / "whole"
    write_lines(whole / "logs/predictions.jsonl", log)
    write_lines(whole / "logs/labels.jsonl", last_of(labels))
    if task == "regression":
        # Of what stays most is near the predictions.
        assert max(abs(label["label"]) for label in labels) == 1e200
    expected = outcomes(measured(whole, content))
    assert len(expected) > 20
    assert differences(outcomes(found), expected) == []


def test_a_reversed_chargeback_is_no_fraud(tmp_path: Path) -> None:
    """With `first` the chargeback stays; with `last` it is taken back, whatever the order in the log."""
    write_lines(
        tmp_path / "logs/predictions.jsonl", [record(row, at=60.0 + row, prediction=0) for row in range(4)]
    )
    at = record(0, at=0.0)["ts"]
    label = [{"id": f"r{row}", "label": 1, "ts": at + 600} for row in range(4)]
    reversal = [{"id": "r0", "label": 0, "ts": at + 1200}, {"id": "r1", "label": 0, "ts": at + 300}]
    write_lines(tmp_path / "logs/labels.jsonl", [*label, *reversal])
    content = monitor()
    first = once(write_monitor(tmp_path, content))
    assert value(first, "ml_model_accuracy") == 0.0
    assert rejected(first, "labels", "duplicate") == 2
    assert value(first, "ml_labels_revised_total") == 0
    content["spec"]["labels"]["revisions"] = "last"
    last = once(write_monitor(tmp_path, content))
    assert value(last, "ml_model_accuracy") == 0.25
    assert value(last, "ml_label_positive_ratio") == 0.75
    assert rejected(last, "labels", "duplicate") == 1
    assert value(last, "ml_labels_revised_total") == 1
    assert value(last, "ml_label_coverage_ratio") == 1.0


def rejected(gauges: Any, sink: str, reason: str) -> float | None:
    return value(gauges, "ml_sink_rejected_records_total", sink=sink, reason=reason)


def test_what_counted_before_last_was_set_stays(tmp_path: Path) -> None:
    """Of a label that counted under `first` only that it was there is known."""
    write_lines(tmp_path / "logs/predictions.jsonl", [record(0, at=60.0, prediction=1)])
    write_lines(tmp_path / "logs/labels.jsonl", [{"id": "r0", "label": 1}])
    content = monitor()
    with closing(opened(tmp_path, content)) as cycle:
        run(cycle)
    write_lines(tmp_path / "logs/labels.jsonl", [{"id": "r0", "label": 0}])
    content["spec"]["labels"]["revisions"] = "last"
    with closing(opened(tmp_path, content)) as cycle:
        found = run(cycle)
    assert found["ml_sink_rejected_records_total"]["m", "labels", "too_late"] == 1
    assert accuracy(found) == 1.0


def accuracy(series: Series) -> float:
    (number,) = (number for labels, number in series["ml_model_accuracy"].items() if "country" not in labels)
    return number


def opened(folder: Path, content: dict[str, Any]) -> Cycle:
    (model,) = load_all([write_monitor(folder, content)])
    return model.open(folder / "state.sqlite")


def test_what_a_change_of_the_monitor_dropped_is_not_taken_out(tmp_path: Path) -> None:
    """A reference whose labels have other edges drops the outcomes; a segment that comes back has old ones only."""
    content = monitor(segments=["country"], references={"training": {"static": "reference.json"}})
    content["spec"]["labels"]["revisions"] = "last"
    build_reference(tmp_path, monitor())
    write_lines(tmp_path / "logs/predictions.jsonl", [record(row, at=60.0 + row) for row in range(20)])
    write_lines(tmp_path / "logs/labels.jsonl", [{"id": f"r{row}", "label": 0} for row in range(20)])
    with closing(opened(tmp_path, content)) as cycle:
        run(cycle)
    del content["spec"]["segments"]
    write_lines(tmp_path / "logs/labels.jsonl", [{"id": "r0", "label": 1}])
    with closing(opened(tmp_path, content)) as cycle:
        found = run(cycle)
        assert accuracy(found) == 0.95
        assert found["ml_labels_revised_total"]["m",] == 1
    content["spec"]["segments"] = ["country"]
    write_lines(tmp_path / "logs/labels.jsonl", [{"id": "r0", "label": 0}])
    with closing(opened(tmp_path, content)) as cycle:
        found = run(cycle)
    assert accuracy(found) == 0.95
    assert found["ml_sink_rejected_records_total"]["m", "labels", "too_late"] == 1
