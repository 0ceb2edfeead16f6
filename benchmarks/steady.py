"""The cost of a cycle with 10,000 new rows and a window of 30 days, against one of an hour.

    .venv/bin/python -m benchmarks.steady [--quick]

Each window has its own state, filled with as many records as the other's, spread over its whole length. Then 10,000
records are appended and one cycle runs, several times, the two taking turns; the median of the CPU times counts.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from pathlib import Path

from benchmarks import data
from benchmarks.process import python
from benchmarks.table import Row, finish
from exporter.daemon.cycle import Cycle
from exporter.daemon.models import load_all

MOST = 1.2
WINDOWS = {"1h": 3600.0, "30d": 30 * 86_400.0}
NEW = 10_000
_WARM_UP = 2


class _Watched:
    """One model with a full history, in its own folder."""

    def __init__(self, folder: Path, window: str, history: int) -> None:
        folder.mkdir()
        self._log = folder / "log.jsonl"
        past, training = folder / "past.jsonl", folder / "training.json"
        seconds = WINDOWS[window]
        python("-m", "benchmarks.data", past, "--rows", 10_000, "--seed", 2)
        monitor = data.monitor(folder, windows=[window], references={"training": {"static": training.name}})
        python("-m", "exporter", "baseline", monitor, "--data", past, "--out", training)
        data.append(self._log, history, seed=3, start=time.time() - seconds, seconds=seconds)
        (model,) = load_all([monitor])
        self.cycle: Cycle = model.open(folder / "state")
        self.samples = self._run()

    def one_more(self, seed: int) -> float:
        """CPU seconds of one cycle with new rows."""
        data.append(self._log, NEW, seed=seed, start=time.time() - 2, seconds=1)
        started = time.process_time()
        samples = self._run()
        cpu = time.process_time() - started
        assert samples > self.samples, "the new rows are in the window"
        self.samples = samples
        return cpu

    def _run(self) -> float:
        snapshot = self.cycle.run()
        assert snapshot is not None
        (samples,) = snapshot.series["ml_monitor_samples"].values()
        return samples


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="a short history, two cycles")
    options = parser.parse_args()
    history, cycles = (10_000, 2) if options.quick else (500_000, 15)
    with tempfile.TemporaryDirectory(prefix="mlslo-steady-") as name:
        watched = {window: _Watched(Path(name) / window, window, history) for window in WINDOWS}
        costs: dict[str, list[float]] = {window: [] for window in WINDOWS}
        for number in range(_WARM_UP + cycles):
            for window, model in watched.items():
                cpu = model.one_more(seed=10 + number)
                if number >= _WARM_UP:
                    costs[window].append(cpu)
        for model in watched.values():
            model.cycle.close()
    medians = {window: statistics.median(found) for window, found in costs.items()}
    finish(
        f"Steady: a cycle with {NEW:,} new rows after {history:,}",
        [
            Row("window of an hour, CPU", medians["1h"] * 1000, "ms"),
            Row("window of 30 days, CPU", medians["30d"] * 1000, "ms"),
            Row("30 days against an hour", medians["30d"] / medians["1h"], "x", MOST),
        ],
        quick=options.quick,
    )


if __name__ == "__main__":
    main()
