"""Cost of Spark beside one process: the same records folded by both, and a reference built, on the same cores.

    .venv/bin/python -m benchmarks.spark [--quick] [--rows 10000000] [--keep FOLDER] [--only WHAT]

CPU of Spark is that of its driver, of Java and of Python's workers. All is done twice, with all records and with a
quarter of them: what a record costs is the slope between the two, and the rest is the start.
Records are folded without ids, each where it is read; and with ids and labels, which are brought together first.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from time import thread_time

from benchmarks import data
from benchmarks.process import Cost, python
from benchmarks.table import Row, finish

MOST_AGAINST_LOCAL = 1.5
_UNTIL = "2026-01-01T01:00:00Z"
_WHAT = ("fold", "fold with ids and labels", "baseline")


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


def _spent(*words: object) -> tuple[Cost, float]:
    """Return the cost, and the CPU of all processes: Java and its workers are no children that are waited for."""
    cost = python("-m", "benchmarks.spark", "--run", *words, timeout=7200)
    return cost, float(cost.output.splitlines()[-1])


def _run(words: list[str]) -> None:
    """Run a command in this process; print the CPU seconds of it and of all below it, until they ended."""
    from exporter.cli import main

    seen: dict[int, float] = {}
    stopped = threading.Event()
    looking = 0.0

    def watch() -> None:
        nonlocal looking
        ticks = os.sysconf("SC_CLK_TCK")
        while not stopped.wait(0.5):
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
        looking = thread_time()

    watching = threading.Thread(target=watch)
    watching.start()
    main(words, standalone_mode=False)
    stopped.set()
    watching.join()
    print(sum(seen.values()) - looking)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="20,000 records")
    parser.add_argument("--rows", type=int, default=10_000_000)
    parser.add_argument("--keep", type=Path, help="a folder for the log, which is used again")
    parser.add_argument("--only", choices=_WHAT, action="append", help="instead of all")
    parser.add_argument("--run", nargs=argparse.REMAINDER, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.run:
        _run(options.run)
        return
    rows = 20_000 if options.quick else options.rows
    with tempfile.TemporaryDirectory(prefix="mlslo-spark-") as name:
        folder = Path(name) if options.keep is None else options.keep
        for size, number in (("all", rows), ("quarter", rows // 4)):
            (folder / size).mkdir(parents=True, exist_ok=True)
            log, labels = folder / size / "log.jsonl", folder / size / "labels.jsonl"
            if not log.exists():
                python("-m", "benchmarks.data", log, "--rows", number, timeout=7200)
            if not labels.exists():
                _labels(log, labels)
        found: list[Row] = []
        for what in options.only or _WHAT:
            found += _compared(what, rows, folder, Path(name))
    finish(f"Spark: {rows:,} records of 20 features on two cores", found, quick=options.quick)


def _compared(what: str, rows: int, folder: Path, work: Path) -> Iterator[Row]:
    """Measure one command by both engines, with all records and with a quarter of them."""
    costs: dict[tuple[str, str], tuple[Cost, float]] = {}
    for size in ("quarter", "all"):
        for engine in ("local", "spark"):
            monitor = _monitor(folder / size, by_id="ids" in what)
            place = work / f"{what.replace(' ', '-')}-{size}-{engine}"
            words = ["fold", monitor, "--until", _UNTIL, "--state-dir", place]
            if what == "baseline":
                words = ["baseline", monitor, "--out", place, "--data", folder / size / "log.jsonl"]
            master = ["--spark.master", "local[2]"] if engine == "spark" else []
            costs[size, engine] = _spent(*words, "--engine", engine, *master)
    slopes = {}
    for engine, label in (("local", "one process"), ("spark", "Spark")):
        (cost, cpu), (_, less) = costs["all", engine], costs["quarter", engine]
        slopes[engine] = (cpu - less) / (rows - rows // 4)
        yield Row(f"{what}, {label}: CPU", cpu, "s")
        yield Row("wall", cost.wall, "s")
        yield Row("CPU a million records", 1e6 * slopes[engine], "s")
        yield Row("CPU besides", cpu - rows * slopes[engine], "s")
    (_, here), (_, there) = costs["all", "local"], costs["all", "spark"]
    yield Row("CPU against one process", there / here, "x")
    yield Row("CPU a record against one process", slopes["spark"] / slopes["local"], "x", MOST_AGAINST_LOCAL)


if __name__ == "__main__":
    main()
