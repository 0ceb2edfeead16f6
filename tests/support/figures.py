"""Logs with whatever a record may lack or have wrong, and all figures of them, to compare how they are written."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.support.commands import exporter
from tests.support.logs import EPOCH, Gauges, monitor, once, write_lines, write_monitor

Record = dict[str, Any]

FIELDS: Record = {
    "timestamp": "ts",
    "id": "id",
    "version": "version",
    "status": "status",
    "latency": {"field": "took", "unit": "ms"},
    "score": "score",
    "prediction": "prediction",
    "fallback": "fell",
    "features": ["amount", "country", "opened", "note", "known", "vector"],
}
TYPES = {
    "amount": {"type": "numeric"},
    "country": {"type": "categorical"},
    "opened": {"type": "timestamp"},
    "note": {"type": "text"},
    "known": {"type": "boolean"},
    "vector": {"type": "embedding"},
}
LABEL_FIELDS = {"id": "id", "label": "label", "timestamp": "ts"}


def plain(count: int = 240) -> Iterator[Record]:
    """Records of which some lack a field, or have one that is wrong."""
    rng = np.random.default_rng(5)
    for number in range(count):
        record: Record = {
            "ts": EPOCH + 2.0 * number,
            "id": f"r{number}",
            "version": "v2" if number % 3 else "1.0",
            "status": 500 if number % 17 == 0 else 200,
            "took": round(float(rng.gamma(2.0, 20.0)), 3),
            "score": round(float(rng.beta(2, 3)), 4),
            "prediction": int(rng.integers(2)),
            "fell": number % 11 == 0,
            "shap": {"amount": float(rng.normal()), "known": float(rng.normal())},
            "region": ["north", "south", "3.0", 3][number % 4],
            "amount": float(rng.lognormal()),
            "country": ["DE", "FR", "", "[DE]"][number % 4],
            "opened": f"2025-12-{1 + number % 28:02}T10:00:00Z",
            "note": "[see 1] and some words" if number % 5 else "né",
            "known": bool(number % 2),
            "vector": [1.0, float(number), 0.5],
        }
        odd = rng.choice(["ts", "id", "status", "took", "score", "prediction", "amount", "country", "vector"])
        if number % 9 == 0:
            record[odd] = None
        if number % 9 == 1:
            del record[odd]
        if number % 9 == 2:
            record[odd] = {"text": "x"}
        if number % 9 == 3:
            record[odd] = [0, 1]
        yield record


def labels(count: int = 240) -> Iterator[Record]:
    for number in range(count):
        label: Any = "x" if number % 13 == 0 else int(number % 3 == 0)
        yield {"ts": EPOCH + 2.0 * number + 60, "id": f"r{number}", "label": label}


def content(fields: Record, label_fields: Record, **spec: Any) -> Record:
    """A monitor file over logs of this folder."""
    region = spec.pop("region", "region")
    made = monitor(
        features=spec.pop("features", TYPES),
        segments=[region],
        fairness={"attributes": [region]},
        references={"training": {"static": "reference.json"}},
        **spec,
    )
    made["spec"]["predictions"]["fields"] = fields
    made["spec"]["labels"]["fields"] = label_fields
    return made


def figures(
    folder: Path, records: list[Record], labels: list[Record], content: Record, training: list[Record]
) -> Gauges:
    """All that ``once`` exports, over a reference of ``training``, but what the files themselves tell."""
    folder.mkdir(exist_ok=True)
    write_lines(folder / "logs/predictions.jsonl", records)
    write_lines(folder / "logs/labels.jsonl", labels)
    data = write_lines(folder / "training.jsonl", training)
    path = write_monitor(folder, content)
    exporter("baseline", path, "--data", data, "--out", folder / "reference.json")
    gauges = once(path)
    for name in (
        "ml_sink_lag_bytes",
        "ml_reference_info",
        "ml_reference_created_timestamp_seconds",
        "ml_field_present_ratio",
    ):
        gauges.pop(name, None)
    for name in [name for name in gauges if name.startswith(("ml_exporter_", "ml_monitor_", "python_"))]:
        del gauges[name]
    return gauges


def comparable(gauges: Gauges, region: str = "region") -> dict[str, list[tuple[Any, float]]]:
    """Series in an order, with the name of the segment as plain logs have it."""
    return {
        name: sorted(
            (sorted((key, "region" if text == region else text) for key, text in labels.items()), value)
            for labels, value in series
        )
        for name, series in gauges.items()
    }


def assert_same(found: Gauges, expected: Gauges, region: str = "region") -> None:
    left, right = comparable(found, region), comparable(expected)
    assert left.keys() == right.keys()
    for name, series in right.items():
        assert left[name] == series, name


def assert_close(found: Gauges, expected: Gauges) -> None:
    """As ``assert_same``, but for the last digits."""
    left, right = comparable(found), comparable(expected)
    assert left.keys() == right.keys()
    for name, series in right.items():
        assert [labels for labels, _ in left[name]] == [labels for labels, _ in series], name
        assert [number for _, number in left[name]] == pytest.approx([number for _, number in series]), name
