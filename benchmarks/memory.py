"""Memory of the daemon at rest.

    .venv/bin/python -m benchmarks.memory [--quick]

50 features, 3 windows, 2 references, 20 segment values; a week of records is read, then a few more cycles run, each
with new records, while /metrics is scraped. Resident memory is what Linux says after the last of them.
"""

from __future__ import annotations

import argparse
import re
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

from benchmarks import data
from benchmarks.process import ROOT, ProgramError, python
from benchmarks.table import Row, finish

MOST = 256.0
# Numeric features, categorical ones (and the segment itself is one), and the segment's values.
COLUMNS, QUICK_COLUMNS = (40, 9, 20), (4, 1, 3)
WEEK = 7 * 86_400.0
_PATIENCE = 900.0


def _resident(process: int, what: str = "VmRSS") -> float:
    """MiB, as /proc has it."""
    status = Path(f"/proc/{process}/status").read_text()
    found = re.search(rf"^{what}:\s+(\d+) kB", status, re.MULTILINE)
    assert found is not None
    return int(found[1]) / 1024


def _scrape(port: int) -> str:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=60) as answer:
        return str(answer.read().decode())


def _sample(page: str, name: str, **labels: str) -> float:
    """The largest value of the series with these labels; 0 where there is none."""
    wanted = [f'{key}="{value}"' for key, value in labels.items()]
    lines = [
        line for line in page.splitlines() if line.startswith(name) and all(text in line for text in wanted)
    ]
    return max((float(line.rsplit(" ", 1)[1]) for line in lines), default=0.0)


class _Daemon:
    """``mlslo-exporter run`` on a free port of this machine."""

    def __init__(self, monitor: Path, errors: Path) -> None:
        self._errors = errors
        command = [
            sys.executable,
            "-m",
            "exporter",
            "run",
            str(monitor),
            "--web.listen-address",
            "127.0.0.1:0",
        ]
        command += ["--state-dir", str(monitor.parent / "state")]
        with errors.open("wb") as file:
            self.process = subprocess.Popen(command, cwd=ROOT, stderr=file)
        self._until = time.monotonic() + _PATIENCE
        self.port = self._listening()

    def page_with(self, records: int) -> str:
        """The page once all of ``records`` are counted in it."""
        while True:
            page = _scrape(self.port)
            if _sample(page, "ml_sink_records_total", sink="predictions") >= records and _sample(
                page, "ml_monitor_samples"
            ):
                return page
            self._wait()

    def stop(self) -> None:
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(30)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def _listening(self) -> int:
        while True:
            found = re.search(r"http://127\.0\.0\.1:(\d+)/", self._errors.read_text())
            if found:
                return int(found[1])
            self._wait()

    def _wait(self) -> None:
        if self.process.poll() is not None or time.monotonic() > self._until:
            raise ProgramError(f"the daemon did not get there: {self._errors.read_text()[-2000:]}")
        time.sleep(0.2)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="few features, a short history")
    options = parser.parse_args()
    # Whoever ends the benchmark ends its daemon.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    history, new, cycles = (5000, 1000, 1) if options.quick else (200_000, 10_000, 4)
    numeric, categorical, values = QUICK_COLUMNS if options.quick else COLUMNS
    columns = ("--numeric", numeric, "--categorical", categorical, "--regions", values)
    with tempfile.TemporaryDirectory(prefix="mlslo-memory-") as name:
        folder = Path(name)
        log, past, training = folder / "log.jsonl", folder / "past.jsonl", folder / "training.json"
        python("-m", "benchmarks.data", past, "--rows", 20_000, "--seed", 2, *columns)
        monitor = data.monitor(
            folder,
            # Longer than a cycle takes: at rest is between two of them.
            schedule="6s",
            windows=["1h", "1d", "7d"],
            segments=["features.region"],
            references={"training": {"static": training.name}, "week": {"sliding": "7d", "offset": "1d"}},
        )
        python("-m", "exporter", "baseline", monitor, "--data", past, "--out", training)
        start = time.time() - WEEK
        python(
            *("-m", "benchmarks.data", log, "--rows", history, "--seed", 3, *columns),
            *("--start", start, "--seconds", WEEK),
        )
        daemon = _Daemon(monitor, folder / "errors.txt")
        try:
            page = daemon.page_with(history)
            first = _resident(daemon.process.pid)
            for number in range(1, cycles + 1):
                python(
                    *("-m", "benchmarks.data", log, "--rows", new, "--seed", 10 + number, *columns),
                    *("--start", time.time() - 2, "--seconds", 1),
                )
                page = daemon.page_with(history + number * new)
            for _ in range(5):
                page = _scrape(daemon.port)
            resident = _resident(daemon.process.pid)
            peak = _resident(daemon.process.pid, "VmHWM")
        finally:
            daemon.stop()
    series = sum(line.startswith("ml_") for line in page.splitlines())
    segments = len(set(re.findall(r'segment_value="([^"]+)"', page)))
    features = numeric + categorical + 1
    finish(
        f"Memory of the daemon at rest: {features} features, 3 windows, 2 references, {values} segment values",
        [
            Row("resident", resident, "MiB", MOST, note=f"{series:,} series"),
            Row("segment values with series", segments, limit=values, at_least=True),
            Row("last cycle, wall", _sample(page, "ml_monitor_cycle_duration_seconds"), "s"),
            Row("resident after the history was read", first, "MiB"),
            Row(f"peak, {history:,} records read", peak, "MiB"),
        ],
        quick=options.quick,
    )


if __name__ == "__main__":
    main()
