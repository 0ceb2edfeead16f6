"""Logs of a version's first time in production, and what is measured against the references made of it."""

from __future__ import annotations

import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from exporter.daemon.models import load_all
from exporter.measure.exposition import render
from tests.support import logs
from tests.support.logs import EPOCH, Gauges

MINUTE = 60.0
BAD_LINES = (
    "",
    "   ",
    "no JSON",
    '{"ts": 1768003201.5, "score":',
    "[1, 2]",
    '{"ts": 1768003201.5}{"ts": 1768003202.5}',
    '{"ts": "yesterday", "score": 0.5}',
    '{"ts": 1768003203.5, "version": "v1", "score": NaN}',
    '{"score": 0.9}',
)


def measured(path: Path, at: float, state: Path | None = None) -> Gauges:
    """The series of one cycle, ``at`` seconds after EPOCH."""
    (model,) = load_all([path])
    cycle = model.open(state)
    try:
        snapshot = cycle.run(at=EPOCH + at, final=True)
    finally:
        cycle.close()
    assert snapshot is not None
    return logs.parse(render([snapshot], {}).decode())


def against(gauges: Gauges, reference: str) -> dict[tuple[str, str, str, str, str], float]:
    """Every gauge against one reference, but for when that was made."""
    return {
        (
            name,
            labels.get("window", ""),
            labels["version"],
            labels.get("feature", ""),
            labels.get("statistic", ""),
        ): number
        for name, series in gauges.items()
        for labels, number in series
        if labels.get("reference") == reference and name != "ml_reference_created_timestamp_seconds"
    }


def content(gauges: Gauges, reference: str, version: str = "v1") -> str:
    """The hash of a reference; empty where there is none."""
    found = [
        labels["hash"]
        for labels, _ in gauges.get("ml_reference_info", [])
        if (labels["reference"], labels["version"]) == (reference, version)
    ]
    assert len(found) <= 1
    return found[0] if found else ""


def reasons(gauges: Gauges, gauge: str) -> set[str]:
    return {labels["reason"] for labels, _ in gauges["ml_gauge_withheld"] if labels["gauge"] == gauge}


def records(seed: int, start: float, end: float, step: float = 2.0, **changes: Any) -> list[dict[str, Any]]:
    source = random.Random(seed)
    return [
        logs.record(
            number,
            at=start + number * step,
            score=round(source.random(), 3),
            features={
                "amount": source.gauss(0, 1),
                "country": source.choice(["DE", "FR", "IT"]),
                "member": source.random() < 0.3,
            },
            **changes,
        )
        for number in range(int((end - start) / step))
    ]


def folder_of(folder: Path, lines: Sequence[object], **spec: Any) -> Path:
    logs.write_lines(folder / "logs" / "predictions.jsonl", lines)
    logs.write_lines(folder / "logs" / "labels.jsonl", [])
    default = {"windows": ["20m", "1h"], "references": {"launch": {"first": "30m"}}}
    return logs.write_monitor(folder, logs.monitor(**{**default, **spec}))
