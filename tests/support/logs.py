"""Write logs and monitor files as a user would, run the command, read what it exports."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import yaml
from prometheus_client.parser import text_string_to_metric_families

from tests.support.commands import exporter

EPOCH = datetime(2026, 1, 10, tzinfo=UTC).timestamp()
AT = "2026-01-10T01:00:00Z"
EVERYTHING = {"include": ["ml_*"], "segments": ["ml_*"]}
"""``metrics`` of a monitor file: every statistic of all traffic and of each segment."""

Labels = Mapping[str, str]
Gauges = dict[str, list[tuple[dict[str, str], float]]]


def record(number: int, *, at: float, **changes: Any) -> dict[str, Any]:
    base: dict[str, Any] = {
        "ts": EPOCH + at,
        "id": f"r{number}",
        "version": "v1",
        "status": 200,
        "latency_ms": 20.0,
        "score": 0.25,
        "prediction": 0,
        "features": {"amount": 1.0, "country": "DE"},
    }
    return {**base, **changes}


def write_lines(path: Path, records: Iterable[object]) -> Path:
    """JSONL; a record that is text is written as it stands."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a", encoding="utf-8") as file:
        for record in records:
            file.write((record if isinstance(record, str) else json.dumps(record)) + "\n")
    return path


def monitor(**spec: Any) -> dict[str, Any]:
    """A ModelMonitor of a binary model over logs/predictions.jsonl and logs/labels.jsonl."""
    default: dict[str, Any] = {
        "task": "binary",
        "schedule": "1s",
        "windows": ["1h"],
        "minSamples": 1,
        "predictions": {
            "sink": {"file": {"path": "logs/predictions*.jsonl"}},
            "fields": {
                "timestamp": "ts",
                "id": "id",
                "version": "version",
                "status": "status",
                "latency": {"field": "latency_ms", "unit": "ms"},
                "score": "score",
                "prediction": "prediction",
                "features": "features",
            },
        },
        "labels": {
            "sink": {"file": {"path": "logs/labels*.jsonl"}},
            "fields": {"id": "id", "label": "label", "timestamp": "ts"},
        },
    }
    merged = {key: value for key, value in {**default, **spec}.items() if value is not None}
    return {"apiVersion": "mlslo/v1", "kind": "ModelMonitor", "metadata": {"name": "m"}, "spec": merged}


def write_monitor(folder: Path, content: Mapping[str, Any] | None = None) -> Path:
    """``monitor.yaml`` in ``folder``."""
    path = folder / "monitor.yaml"
    path.write_text(yaml.safe_dump(monitor() if content is None else dict(content), sort_keys=False))
    return path


def once(path: Path, *arguments: object, at: str | None = AT) -> Gauges:
    """The series that `mlslo-exporter once` prints."""
    when = ["--at", at] if at else []
    return parse(exporter("once", path, *when, *arguments).stdout)


def parse(text: str) -> Gauges:
    """Sample name -> its series."""
    gauges: Gauges = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            gauges.setdefault(sample.name, []).append((dict(sample.labels), sample.value))
    return gauges


def value(gauges: Gauges, name: str, **labels: str) -> float | None:
    """The one series of ``name`` with these labels, of all traffic unless they name a segment.

    None where there is none.
    """
    if "segment_value" not in labels:
        labels = {"segment": "", **labels}
    found = [
        number
        for known, number in gauges.get(name, [])
        if all(known.get(key, "" if key == "segment" else None) == text for key, text in labels.items())
    ]
    assert len(found) <= 1, f"{name}{labels} is ambiguous: {found}"
    return found[0] if found else None
