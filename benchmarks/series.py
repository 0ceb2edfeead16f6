"""Series of three monitors, and the cycle of the largest: with every statistic, and by default.

    .venv/bin/python -m benchmarks.series [--quick]

*Wide* has 50 features, 20 segment values, 3 windows and 2 references; *usual* 20 features, 5 segment values, 2 windows
and labels; *small* 5 features and nothing else. Each is measured twice over the same log: with
``metrics: {include: ["ml_*"], segments: ["ml_*"]}``, which was the default once, and without. The two take turns; the
least CPU time of a cycle without new rows counts.
"""

from __future__ import annotations

import argparse
import json
import shutil
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks import data
from benchmarks.process import python
from benchmarks.table import Row, finish
from exporter.daemon.cycle import Cycle
from exporter.daemon.models import load_all
from exporter.measure.exposition import Snapshot, render

MOST_SERIES = 5000
MOST_TIME = 1 / 3
_WEEK = 7 * 86_400.0
_EVERYTHING = {"metrics": {"include": ["ml_*"], "segments": ["ml_*"]}, "maxSeries": 1_000_000}
_CYCLES = 5


@dataclass(frozen=True)
class _Case:
    """``numeric``, ``categorical``: features; ``regions``: values of the segment, one more feature, where above 0."""

    name: str
    numeric: int
    categorical: int
    regions: int
    windows: tuple[str, ...]
    past: bool
    labels: bool = False

    @property
    def columns(self) -> dict[str, int]:
        return {"numeric": self.numeric, "categorical": self.categorical, "regions": self.regions}

    def spec(self) -> dict[str, Any]:
        references: dict[str, Any] = {"training": {"static": "training.json"}}
        if self.past:
            references["week"] = {"sliding": "7d", "offset": "1d"}
        spec: dict[str, Any] = {"windows": list(self.windows), "references": references}
        if self.regions:
            spec["segments"] = ["features.region"]
        if self.labels:
            fields = {"id": "id", "label": "label", "timestamp": "ts"}
            spec["labels"] = {"sink": {"file": {"path": "labels.jsonl"}}, "fields": fields}
        return spec


CASES = (
    _Case("wide", 40, 9, 20, ("1h", "1d", "7d"), past=True),
    _Case("usual", 15, 4, 5, ("1h", "1d"), past=False, labels=True),
    _Case("small", 4, 1, 0, ("1h",), past=False),
)
QUICK = (_Case("wide", 4, 1, 3, ("1h", "1d"), past=True), *CASES[2:])


@dataclass
class _Measured:
    """``bytes``: of the page. ``cpu``: seconds of the cheapest cycle."""

    series: int
    bytes: int
    cpu: float


def measure(case: _Case, rows: int) -> tuple[_Measured, _Measured]:
    """Return what the case costs with every statistic, and by default."""
    with tempfile.TemporaryDirectory(prefix="mlslo-series-") as name:
        folder = Path(name)
        past, training, log = folder / "past.jsonl", folder / "training.json", folder / "log.jsonl"
        columns = [word for key, number in case.columns.items() for word in (f"--{key}", number)]
        python("-m", "benchmarks.data", past, "--rows", 10_000, "--seed", 2, *columns)
        monitor = data.monitor(folder, **case.spec())
        python("-m", "exporter", "baseline", monitor, "--data", past, "--out", training)
        end = time.time()
        data.append(log, rows, seed=3, start=end - _WEEK, seconds=_WEEK, **case.columns)
        # The newest are in the shortest window.
        data.append(log, rows // 10, seed=4, start=end - 3000, seconds=2900, **case.columns)
        if case.labels:
            _label(log, folder / "labels.jsonl")
        cycles: list[Cycle] = []
        for changes in (_EVERYTHING, {}):
            own = folder / f"{len(cycles)}"
            own.mkdir()
            for file in folder.glob("*.json*"):
                shutil.copy(file, own)
            (model,) = load_all([data.monitor(own, **case.spec(), **changes)])
            cycles.append(model.open(None))
        found = [_first(cycle, end) for cycle in cycles]
        for _ in range(_CYCLES):
            for cycle, one in zip(cycles, found, strict=True):
                one.cpu = min(one.cpu, _again(cycle, end))
        for cycle in cycles:
            cycle.close()
        return found[0], found[1]


def _label(log: Path, labels: Path) -> None:
    with labels.open("w") as file:
        for number, line in enumerate(log.read_text().splitlines()):
            item = json.loads(line)
            file.write(json.dumps({"id": item["id"], "label": number % 3 == 0, "ts": item["ts"]}) + "\n")


def _run(cycle: Cycle, at: float) -> Snapshot:
    snapshot = cycle.run(at=at)
    assert snapshot is not None
    return snapshot


def _first(cycle: Cycle, at: float) -> _Measured:
    snapshot = _run(cycle, at)
    page = render([snapshot], {})
    series = sum(not line.startswith(b"#") for line in page.splitlines())
    return _Measured(series, len(page), float("inf"))


def _again(cycle: Cycle, at: float) -> float:
    started = time.process_time()
    _run(cycle, at)
    return time.process_time() - started


def rows_of(case: _Case, every: _Measured, default: _Measured) -> Iterator[Row]:
    """Yield what is said of a case."""
    kibibytes = (default.bytes / 1024, every.bytes / 1024)
    yield Row(f"{case.name}: series", default.series, "", MOST_SERIES, note=f"{every.series:,} of everything")
    yield Row(f"{case.name}: page", kibibytes[0], "KiB", note=f"{kibibytes[1]:,.0f} KiB of everything")
    limit = MOST_TIME if case is CASES[0] else None
    note = f"{default.cpu * 1000:,.0f} ms, {every.cpu * 1000:,.0f} ms of everything"
    yield Row(f"{case.name}: cycle against everything", default.cpu / every.cpu, "x", limit, note=note)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="few features, a short log")
    options = parser.parse_args()
    cases, rows = (QUICK, 5000) if options.quick else (CASES, 100_000)
    table = [row for case in cases for row in rows_of(case, *measure(case, rows))]
    finish("Series by default", table, quick=options.quick)


if __name__ == "__main__":
    main()
