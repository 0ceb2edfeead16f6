"""From a log of a million records to every data and prediction gauge, against merely parsing it, and a peer.

    .venv/bin/python -m benchmarks.cold [--quick] [--no-peers]

Each program is a process of its own; the exporter and DuckDB take turns, and the best of each counts.
"""

from __future__ import annotations

import argparse
import tempfile
from dataclasses import replace
from pathlib import Path

from benchmarks import data, peers
from benchmarks.process import Cost, ProgramError, python, run
from benchmarks.table import Row, finish

NUMERIC, CATEGORICAL = 16, 4
# Of this scipy's import is 0.07.
MOST_CPU, MOST_MEMORY = 2.2, 320.0
LEAST_FASTER, LEAST_SMALLER = 10.0, 4.0
_TURNS = 3


def parse(log: Path) -> None:
    """DuckDB reads every column of a log, and does nothing with them but to count the values."""
    import duckdb

    names = [f"features.n{i}" for i in range(NUMERIC)] + [f"features.c{i}" for i in range(CATEGORICAL)]
    counts = ", ".join(
        f"count({name})" for name in ["ts", "id", "version", "status", "latency_ms", "score", *names]
    )
    connection = duckdb.connect(config={"threads": 1})
    print(
        connection.execute(
            f"SELECT {counts} FROM read_json('{log}', format = 'newline_delimited', "
            f"columns = {data.columns(NUMERIC, CATEGORICAL)})"
        ).fetchone()
    )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="20,000 records")
    parser.add_argument("--no-peers", action="store_true", help="without Evidently")
    parser.add_argument("--parse", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.parse:
        parse(options.parse)
        return
    rows, reference_rows = (20_000, 5_000) if options.quick else (1_000_000, 100_000)
    with tempfile.TemporaryDirectory(prefix="mlslo-cold-") as name:
        folder = Path(name)
        log, past = folder / "log.jsonl", folder / "past.jsonl"
        python("-m", "benchmarks.data", log, "--rows", rows, "--seed", 1)
        python("-m", "benchmarks.data", past, "--rows", reference_rows, "--seed", 2)
        training = folder / "training.json"
        monitor = data.monitor(folder, references={"training": {"static": training.name}})
        python("-m", "exporter", "baseline", monitor, "--data", past, "--out", training)
        turns = [
            (
                python("-m", "benchmarks.cold", "--parse", log),
                python("-m", "exporter", "once", monitor, "--at", "2026-01-01T01:00:00Z"),
            )
            for _ in range(1 if options.quick else _TURNS)
        ]
        parsing, once = (
            replace(min(costs, key=lambda cost: cost.cpu), wall=min(cost.wall for cost in costs))
            for costs in zip(*turns, strict=True)
        )
        gauges = sum(line.startswith(("ml_feature", "ml_prediction_")) for line in once.output.splitlines())
        rows_of_table = [
            Row(f"DuckDB parses {rows:,} records, CPU", parsing.cpu, "s"),
            Row("its peak memory", parsing.memory, "MiB"),
            Row("once, CPU", once.cpu, "s", note=f"{gauges} data and prediction series"),
            Row("once, CPU against parsing", once.cpu / parsing.cpu, "x", MOST_CPU),
            Row("once, peak memory", once.memory, "MiB", MOST_MEMORY),
            Row("once, wall", once.wall, "s"),
        ]
        if not options.no_peers:
            rows_of_table += _peer(once, log, past)
    finish("Cold: a log becomes every data and prediction gauge", rows_of_table, quick=options.quick)


def _peer(once: Cost, log: Path, past: Path) -> list[Row]:
    what = "Evidently's wall time and memory against once"
    try:
        peer = run([*peers.evidently(), "files", past, log], timeout=1800)
    except ProgramError as error:
        return [Row(what, None, "x", note=str(error).splitlines()[-1][:120])]
    return [
        Row("Evidently's drift preset, wall", peer.wall, "s", note=peer.output.strip()[-60:]),
        Row("its peak memory", peer.memory, "MiB"),
        Row("its wall time against once", peer.wall / once.wall, "x", LEAST_FASTER, at_least=True),
        Row("its memory against once", peer.memory / once.memory, "x", LEAST_SMALLER, at_least=True),
    ]


if __name__ == "__main__":
    main()
