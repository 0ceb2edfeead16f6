"""What Spark costs beside one exporter: the same records folded by both, on the same cores.

    .venv/bin/python -m benchmarks.spark [--quick] [--rows 10000000] [--keep FOLDER]

CPU of Spark is that of its driver, of Java and of Python's workers, its start included; one exporter has one process.
Records are folded without ids, each where it is read; and with ids and labels, which are brought together first.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import threading
from pathlib import Path

from benchmarks import data
from benchmarks.process import Cost, python
from benchmarks.table import Row, finish

MOST_AGAINST_LOCAL = 1.5
_UNTIL = "2026-01-01T01:00:00Z"


def _monitor(folder: Path, *, by_id: bool) -> Path:
    content = json.loads(data.monitor(folder).read_text())
    spec = content["spec"]
    if by_id:
        fields = {"id": "id", "label": "label", "timestamp": "ts"}
        spec["labels"] = {"sink": {"file": {"path": "labels.jsonl"}}, "fields": fields}
    else:
        del spec["predictions"]["fields"]["id"]
    path = folder / ("with-ids.yaml" if by_id else "without-ids.yaml")
    path.write_text(json.dumps(content))
    return path


def _labels(log: Path, labels: Path) -> None:
    import duckdb

    with labels.open("wb") as out:
        part = labels.with_suffix(".part")
        duckdb.connect(config={"threads": 1}).execute(
            f"COPY (SELECT id, (hash(id) % 2)::INTEGER AS label, ts FROM read_json('{log}', "
            f"format = 'newline_delimited', columns = {{id: 'VARCHAR', ts: 'VARCHAR'}})) TO '{part}' (FORMAT json)"
        )
        out.write(part.read_bytes())
        part.unlink()


def _folded(monitor: Path, state: Path, engine: str) -> tuple[Cost, float]:
    """Return the cost, and the CPU of all processes: Java and its workers are no children that are waited for."""
    cost = python("-m", "benchmarks.spark", "--fold", monitor, state, engine, timeout=7200)
    return cost, float(cost.output.splitlines()[-1])


def _fold(monitor: str, state: str, engine: str) -> None:
    """Fold in this process, and print the CPU seconds of it and of all below it, as they were before they ended."""
    from exporter.cli import main

    seen: dict[int, float] = {}
    stopped = threading.Event()

    def watch() -> None:
        ticks = os.sysconf("SC_CLK_TCK")
        while not stopped.wait(0.2):
            parents: dict[int, int] = {}
            spent: dict[int, float] = {}
            for entry in Path("/proc").iterdir():
                if entry.name.isdigit():
                    try:
                        words = (entry / "stat").read_text().rpartition(")")[2].split()
                    except OSError:
                        continue
                    parents[int(entry.name)] = int(words[1])
                    spent[int(entry.name)] = (int(words[11]) + int(words[12])) / ticks
            for process, cpu in spent.items():
                above: int | None = process
                while above and above != os.getpid():
                    above = parents.get(above)
                if above:
                    seen[process] = cpu

    watching = threading.Thread(target=watch)
    watching.start()
    words = ["fold", monitor, "--until", _UNTIL, "--state-dir", state, "--engine", engine]
    main([*words, *(["--spark.master", "local[2]"] if engine == "spark" else [])], standalone_mode=False)
    stopped.set()
    watching.join()
    print(sum(seen.values()))


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="20,000 records")
    parser.add_argument("--rows", type=int, default=10_000_000)
    parser.add_argument("--keep", type=Path, help="a folder for the log, which is used again")
    parser.add_argument("--fold", nargs=3, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.fold:
        _fold(*options.fold)
        return
    rows = 20_000 if options.quick else options.rows
    with tempfile.TemporaryDirectory(prefix="mlslo-spark-") as name:
        folder = Path(name) if options.keep is None else options.keep
        log, labels = folder / "log.jsonl", folder / "labels.jsonl"
        if not log.exists():
            python("-m", "benchmarks.data", log, "--rows", rows, timeout=7200)
        if not labels.exists():
            _labels(log, labels)
        found = []
        for what, by_id in (("without ids", False), ("with ids and labels", True)):
            monitor = _monitor(folder, by_id=by_id)
            (here, cpu), (there, spark) = (
                _folded(monitor, Path(name) / f"state-{engine}-{by_id}", engine)
                for engine in ("local", "spark")
            )
            found += [
                Row(f"local, {what}: CPU", cpu, "s"),
                Row("wall", here.wall, "s"),
                Row("peak memory", here.memory, "MiB"),
                Row(f"Spark, {what}: CPU of all processes", spark, "s"),
                Row("wall", there.wall, "s"),
                Row("CPU a row against local", spark / cpu, "x", MOST_AGAINST_LOCAL),
            ]
    finish(f"Spark: {rows:,} records of 20 features on two cores", found, quick=options.quick)


if __name__ == "__main__":
    main()
