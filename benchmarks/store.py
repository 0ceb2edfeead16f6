"""SQLite against a DuckDB file, as the store of the state.

    .venv/bin/python -m benchmarks.store [--predictions 1000000] [--labels 100000] [--cycles 200]

Each engine runs in a process of its own and does what a cycle does: write the summaries of its time buckets and
the log's position in one transaction; let predictions wait; join labels to them. The table shows CPU seconds and
sizes, and DuckDB's ratio to SQLite's, all from one run.
"""

from __future__ import annotations

import argparse
import json
import resource
import sqlite3
import subprocess
import sys
import tempfile
import time
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

BUCKETS_PER_CYCLE = 3
VECTOR = 7000  # float64 values: 20 features, latency and score


class SQLite:
    """As exporter/state does it."""

    def __init__(self, path: Path) -> None:
        self.connection = sqlite3.connect(path, isolation_level=None)
        self.connection.execute("PRAGMA journal_mode = WAL")
        self.connection.execute("PRAGMA synchronous = NORMAL")
        self.connection.execute("CREATE TABLE positions (key TEXT PRIMARY KEY, position TEXT)")
        self.connection.execute("CREATE TABLE summaries (start INTEGER PRIMARY KEY, vector BLOB)")
        self.connection.execute(
            "CREATE TABLE pending (id INTEGER PRIMARY KEY, time INTEGER, version INTEGER, score REAL, "
            "predicted INTEGER, labelled INTEGER)"
        )
        self.connection.execute("CREATE TEMP TABLE arrived (id INTEGER PRIMARY KEY, label INTEGER)")

    def cycle(self, number: int, vectors: list[bytes]) -> None:
        self.connection.execute("BEGIN IMMEDIATE")
        for offset, vector in enumerate(vectors):
            self.connection.execute(
                "INSERT OR REPLACE INTO summaries VALUES (?, ?)", (number + offset, vector)
            )
        self.connection.execute("INSERT OR REPLACE INTO positions VALUES ('log', ?)", (str(number),))
        self.connection.execute("COMMIT")

    def wait(self, ids: np.ndarray, scores: np.ndarray) -> None:
        self.connection.execute("BEGIN IMMEDIATE")
        rows = ((id_, 0, 1, score, 0, 0) for id_, score in zip(ids.tolist(), scores.tolist(), strict=True))
        self.connection.executemany("INSERT OR IGNORE INTO pending VALUES (?, ?, ?, ?, ?, ?)", rows)
        self.connection.execute("COMMIT")

    def join(self, ids: np.ndarray) -> int:
        self.connection.execute("BEGIN IMMEDIATE")
        self.connection.executemany(
            "INSERT OR IGNORE INTO arrived VALUES (?, 1)", ((id_,) for id_ in ids.tolist())
        )
        found = self.connection.execute(
            "SELECT p.version, p.time, p.score, a.label FROM arrived a JOIN pending p ON p.id = a.id "
            "WHERE NOT p.labelled"
        ).fetchall()
        self.connection.execute("UPDATE pending SET labelled = 1 WHERE id IN (SELECT id FROM arrived)")
        self.connection.execute("COMMIT")
        return len(found)

    def close(self) -> None:
        self.connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        self.connection.close()


class DuckDB:
    """The same tables; rows go in and out as numpy columns, its fastest way without further packages."""

    def __init__(self, path: Path) -> None:
        import duckdb

        self.connection = duckdb.connect(str(path), config={"threads": 1})
        self.connection.execute("CREATE TABLE positions (key VARCHAR PRIMARY KEY, position VARCHAR)")
        self.connection.execute("CREATE TABLE summaries (start BIGINT PRIMARY KEY, vector BLOB)")
        self.connection.execute(
            "CREATE TABLE pending (id BIGINT PRIMARY KEY, time BIGINT, version INTEGER, score DOUBLE, "
            "predicted TINYINT, labelled TINYINT)"
        )

    def cycle(self, number: int, vectors: list[bytes]) -> None:
        self.connection.execute("BEGIN")
        for offset, vector in enumerate(vectors):
            self.connection.execute(
                "INSERT OR REPLACE INTO summaries VALUES (?, ?)", (number + offset, vector)
            )
        self.connection.execute("INSERT OR REPLACE INTO positions VALUES ('log', ?)", (str(number),))
        self.connection.execute("COMMIT")

    def wait(self, ids: np.ndarray, scores: np.ndarray) -> None:
        self.connection.register("batch", {"id": ids, "score": scores})
        self.connection.execute("INSERT OR IGNORE INTO pending SELECT id, 0, 1, score, 0, 0 FROM batch")

    def join(self, ids: np.ndarray) -> int:
        self.connection.register("arrived", {"id": ids})
        self.connection.execute("BEGIN")
        found = self.connection.execute(
            "SELECT p.version, p.time, p.score FROM arrived a JOIN pending p ON p.id = a.id WHERE p.labelled = 0"
        ).fetchnumpy()
        self.connection.execute("UPDATE pending SET labelled = 1 WHERE id IN (SELECT id FROM arrived)")
        self.connection.execute("COMMIT")
        return len(found["score"])

    def close(self) -> None:
        self.connection.execute("CHECKPOINT")
        self.connection.close()


ENGINES: dict[str, Callable[[Path], Any]] = {"SQLite": SQLite, "DuckDB": DuckDB}


def measure(engine: str, predictions: int, labels: int, cycles: int) -> dict[str, float]:
    """CPU seconds, bytes and memory of one engine, in this process."""
    generator = np.random.default_rng(0)
    ids = generator.integers(-(2**63), 2**63 - 1, predictions, dtype=np.int64)
    scores = generator.random(predictions)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "state"
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        store = ENGINES[engine](path)
        vectors = [
            zlib.compress(generator.poisson(0.2, VECTOR).astype(np.float64).tobytes(), 1)
            for _ in range(BUCKETS_PER_CYCLE)
        ]
        started, cpu = time.perf_counter(), time.process_time()
        for number in range(cycles):
            store.cycle(number // 10, vectors)
        commit = (time.perf_counter() - started) / cycles * 1000
        commit_cpu = (time.process_time() - cpu) / cycles * 1000
        summaries_size = sum(file.stat().st_size for file in Path(folder).iterdir())
        cpu = time.process_time()
        for start in range(0, predictions, 10_000):
            store.wait(ids[start : start + 10_000], scores[start : start + 10_000])
        waiting = time.process_time() - cpu
        cpu = time.process_time()
        joined = store.join(generator.choice(ids, labels, replace=False))
        joining = time.process_time() - cpu
        assert joined == labels
        store.close()
        size = sum(file.stat().st_size for file in Path(folder).iterdir())
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    return {
        "one cycle's commit, wall ms": commit,
        "one cycle's commit, CPU ms": commit_cpu,
        f"{cycles} cycles on disk, MB": summaries_size / 1e6,
        f"{predictions:,} predictions wait, CPU s": waiting,
        f"{labels:,} labels joined, CPU s": joining,
        "bytes on disk per waiting prediction": (size - summaries_size) / predictions,
        "memory above the start, MB": peak / 1024,
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--predictions", type=int, default=1_000_000)
    parser.add_argument("--labels", type=int, default=100_000)
    parser.add_argument("--cycles", type=int, default=200)
    parser.add_argument("--engine", choices=ENGINES, help=argparse.SUPPRESS)
    options = parser.parse_args()
    sizes = (options.predictions, options.labels, options.cycles)
    if options.engine:
        print(json.dumps(measure(options.engine, *sizes)))
        return
    found = {}
    for engine in ENGINES:
        command = [sys.executable, "-m", "benchmarks.store", "--engine", engine]
        arguments = ["--predictions", sizes[0], "--labels", sizes[1], "--cycles", sizes[2]]
        done = subprocess.run([*command, *map(str, arguments)], check=True, capture_output=True, text=True)
        found[engine] = json.loads(done.stdout)
    print(f"| {'what':<42} | {'SQLite':>9} | {'DuckDB':>9} | {'ratio':>6} |")
    print(f"|{'-' * 44}|{'-' * 11}|{'-' * 11}|{'-' * 8}|")
    for what, sqlite in found["SQLite"].items():
        duckdb = found["DuckDB"][what]
        print(f"| {what:<42} | {sqlite:>9.3g} | {duckdb:>9.3g} | {duckdb / sqlite if sqlite else 0:>6.2f} |")


if __name__ == "__main__":
    main()
