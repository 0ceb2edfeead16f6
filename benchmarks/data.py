"""Prediction logs to measure with: the same seed gives the same records.

    .venv/bin/python -m benchmarks.data LOG --rows 1000000 [--seed 1] [--start 1767225600] [--seconds 3600]
        [--numeric 16] [--categorical 4] [--regions 0]

Normal features n0, n1, …, categorical ones c0, c1, … of ten levels, and where wanted a feature ``region``.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

START = 1_767_225_600  # 2026-01-01T00:00:00Z
LEVELS = 10
_CHUNK = 100_000


def monitor(folder: Path, **spec: Any) -> Path:
    """``monitor.yaml`` in ``folder``, of a binary model that logs to log*.jsonl there."""
    default = {
        "task": "binary",
        "windows": ["1h"],
        "predictions": {
            "sink": {"file": {"path": "log*.jsonl"}},
            "fields": {
                "timestamp": "ts",
                "id": "id",
                "version": "version",
                "status": "status",
                "latency": {"field": "latency_ms", "unit": "ms"},
                "score": "score",
                "features": "features",
            },
        },
    }
    content = {
        "apiVersion": "mlslo/v1",
        "kind": "ModelMonitor",
        "metadata": {"name": "benchmark"},
        "spec": {**default, **spec},
    }
    path = folder / "monitor.yaml"
    path.write_text(json.dumps(content, indent=2))
    return path


def columns(numeric: int, categorical: int) -> str:
    """The records' types, as DuckDB's read_json takes them."""
    features = [f"n{i} DOUBLE" for i in range(numeric)] + [f"c{i} VARCHAR" for i in range(categorical)]
    return (
        "{ts: 'VARCHAR', id: 'VARCHAR', version: 'VARCHAR', status: 'INTEGER', latency_ms: 'DOUBLE', "
        f"score: 'DOUBLE', features: 'STRUCT({', '.join(features)})'}}"
    )


def append(
    path: Path,
    rows: int,
    *,
    seed: int,
    start: float = START,
    seconds: float = 3600,
    numeric: int = 16,
    categorical: int = 4,
    regions: int = 0,
) -> None:
    """Append ``rows`` records, evenly spread over ``seconds`` from ``start`` (Unix seconds) on."""
    import duckdb
    import numpy as np

    rng = np.random.default_rng(seed)
    connection = duckdb.connect(config={"threads": 1})
    features = [f"'n{i}': n{i}" for i in range(numeric)]
    features += [f"'c{i}': 'level ' || c{i}" for i in range(categorical)]
    features += ["'region': 'region ' || region"] if regions else []
    part = path.with_name(path.name + ".part")
    with path.open("ab") as log:
        for first in range(0, rows, _CHUNK):
            number = np.arange(first, min(first + _CHUNK, rows))
            chunk: dict[str, Any] = {"number": number, "moment": start + number * (seconds / rows)}
            for i in range(numeric):
                chunk[f"n{i}"] = rng.normal(size=len(number)).round(6)
            for i in range(categorical):
                chunk[f"c{i}"] = rng.integers(0, LEVELS, len(number))
            if regions:
                chunk["region"] = rng.integers(0, regions, len(number))
            chunk["score"] = rng.random(len(number)).round(4)
            chunk["latency"] = rng.gamma(2, 10, len(number)).round(2)
            connection.register("chunk", chunk)
            connection.execute(
                "COPY (SELECT strftime(make_timestamp((moment * 1000000)::BIGINT), '%Y-%m-%dT%H:%M:%S.%fZ') AS ts, "
                f"'s{seed}r' || number AS id, 'v1' AS version, 200 AS status, latency AS latency_ms, score, "
                f"{{{', '.join(features)}}} AS features FROM chunk ORDER BY number) TO '{part}' (FORMAT json)"
            )
            log.write(part.read_bytes())
            connection.unregister("chunk")
    part.unlink()


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("log", type=Path)
    parser.add_argument("--rows", type=int, required=True)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--start", type=float, default=START)
    parser.add_argument("--seconds", type=float, default=3600)
    parser.add_argument("--numeric", type=int, default=16)
    parser.add_argument("--categorical", type=int, default=4)
    parser.add_argument("--regions", type=int, default=0)
    options = vars(parser.parse_args())
    append(options.pop("log"), options.pop("rows"), **options)


if __name__ == "__main__":
    main()
