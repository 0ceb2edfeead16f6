"""The daemon under a steady load: memory, CPU and scrapes of 10,000 series; and a day in fast motion.

    .venv/bin/python -m benchmarks.soak [--minutes 10] [--quick] [--only soak|day]

*Soak*: a process writes 1,000 predictions a second, and the label of each half a minute later, and renames the log once
a minute. The daemon runs as it would in a pod (`mlslo-exporter run`, a cycle each 15 s). It is scraped four times a
second, as Prometheus does it: one connection, OpenMetrics, gzip.

*Day*: the same, but time runs faster: the daemon and the writer see a clock that passes 24 hours in ``--minutes``. So
windows slide over a day, and buckets, labels and the sliding reference age as they would in one. What passes on disk
(a cycle, a transaction, a rotation) passes at its real speed. CPU and scrapes are shown for comparison: there is a
cycle for each 2 s, which are 5 minutes of that clock.

Memory is what Linux says is resident, read once a second. *Grown*: the median of the last fifth against that of the
second fifth: the first fills caches and pools.
"""

from __future__ import annotations

import argparse
import http.client
import json
import random
import re
import runpy
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks import data
from benchmarks.process import MEBIBYTE, ROOT, ProgramError, python
from benchmarks.table import Row, finish

RATE = 1000
MOST_GROWN, MOST_CORE, MOST_SCRAPE = 10.0, 0.10, 10.0
_DAY = 86_400.0
_NUMERIC, _CATEGORICAL, _REGIONS = 12, 3, 11
_LABEL_AFTER = 30.0
_ROTATION = 60.0
_OLD = 8.0
_TICK = 0.1
_SCRAPES = 4
_ACCEPT = "application/openmetrics-text;version=1.0.0;q=0.6,text/plain;version=0.0.4;q=0.3,*/*;q=0.2"


def fast_clock(speed: float, began: float) -> None:
    """Let ``time.time`` run ``speed`` times as fast in this process, from ``began`` (Unix seconds) on."""
    real = time.time
    if speed != 1:
        time.time = lambda: began + (real() - began) * speed


def write(folder: Path, rate: int, seconds: float, speed: float) -> None:
    """Write predictions, and their labels later, until ``seconds`` (real ones) have passed.

    Where time runs fast they are some real seconds old: what is written during a cycle would be from its future.
    """
    bodies = [
        line.split(b",", 2)[2] for line in (folder / "bodies.jsonl").read_bytes().splitlines(keepends=True)
    ]
    waiting: deque[tuple[float, str]] = deque()
    began = rotated = time.monotonic()
    log, labels = (folder / name for name in ("log.jsonl", "labels.jsonl"))
    number = 0
    rng = random.Random(1)
    while (passed := time.monotonic() - began) < seconds:
        now = time.time() - (0.0 if speed == 1 else _OLD * speed)
        lines = []
        while number < passed * rate:
            identity = f"s{number}"
            lines.append(b'{"ts":%.3f,"id":"%s",' % (now, identity.encode()) + bodies[number % len(bodies)])
            waiting.append((time.monotonic() + _LABEL_AFTER, identity))
            number += 1
        with log.open("ab") as file:
            file.write(b"".join(lines))
        with labels.open("a") as file:
            while waiting and waiting[0][0] <= time.monotonic():
                label = int(rng.random() < 0.4)
                file.write(json.dumps({"id": waiting.popleft()[1], "label": label, "ts": now}) + "\n")
        if time.monotonic() - rotated >= _ROTATION:
            rotated = time.monotonic()
            for path in (log, labels):
                path.rename(path.with_name(f"{path.stem}-old.jsonl"))
        time.sleep(max(0.0, _TICK - (time.monotonic() - began - passed)))
    print(number)


@dataclass
class Watched:
    """``memory``: MiB, by second. ``scrapes``: ms. ``core``: share of one. ``page``: the last."""

    memory: list[float] = field(default_factory=list)
    scrapes: list[float] = field(default_factory=list)
    core: float = 0.0
    page: str = ""

    @property
    def series(self) -> int:
        return sum(line.startswith("ml_") for line in self.page.splitlines())

    @property
    def grown(self) -> float:
        """MiB from the second fifth to the last."""
        fifth = max(1, len(self.memory) // 5)
        return statistics.median(self.memory[-fifth:]) - statistics.median(self.memory[fifth : 2 * fifth])

    def value(self, name: str) -> float:
        """The sum of a metric's series."""
        found = re.findall(rf"^{name}(?:\{{.*\}})? (\S+)$", self.page, re.MULTILINE)
        return sum(map(float, found))


class Scraper(threading.Thread):
    """Scrapes as Prometheus does: one connection, OpenMetrics, gzip."""

    def __init__(self, port: int) -> None:
        super().__init__(daemon=True)
        self._port = port
        self._stopping = threading.Event()
        self.times: list[float] = []

    def run(self) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=30)
        while not self._stopping.wait(1 / _SCRAPES):
            began = time.perf_counter()
            connection.request("GET", "/metrics", headers={"Accept": _ACCEPT, "Accept-Encoding": "gzip"})
            connection.getresponse().read()
            self.times.append((time.perf_counter() - began) * 1000)
        connection.close()

    def stop(self) -> None:
        self._stopping.set()
        self.join()

    def page(self) -> str:
        """The page as plain text, over a connection of its own."""
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=30)
        connection.request("GET", "/metrics")
        text = connection.getresponse().read().decode()
        connection.close()
        return text


def _cpu(process: int) -> float:
    """Seconds, user and system."""
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / 100


def _resident(process: int) -> float:
    pages = int(Path(f"/proc/{process}/statm").read_text().split()[1])
    return pages * 4096 / MEBIBYTE


@contextmanager
def started(*arguments: object, errors: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A module of this repository in a process of its own, ended with the block."""
    command = [sys.executable, *map(str, arguments)]
    with errors.open("wb") as file:
        process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=file)
    try:
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        assert process.stdout is not None
        process.stdout.close()


def measure(folder: Path, rate: int, seconds: float, speed: float) -> Watched:
    """Run the daemon beside the writer for ``seconds``."""
    columns = ("--numeric", _NUMERIC, "--categorical", _CATEGORICAL, "--regions", _REGIONS)
    past, training = folder / "past.jsonl", folder / "training.json"
    python("-m", "benchmarks.data", past, "--rows", 20_000, "--seed", 2, *columns)
    python("-m", "benchmarks.data", folder / "bodies.jsonl", "--rows", 20_000, "--seed", 3, *columns)
    monitor = data.monitor(folder, **_spec(speed, training))
    python("-m", "exporter", "baseline", monitor, "--data", past, "--out", training)
    clock = (speed, time.time())
    again = ("-m", "benchmarks.soak", "--clock", *clock)
    errors = folder / "errors.txt"
    options = ("--web.listen-address", "127.0.0.1:0", "--state-dir", folder / "state")
    with started(*again, "--daemon", monitor, *options, errors=errors) as daemon:
        port = _port(daemon, errors)
        writing = ("--write", folder, "--rate", rate, "--seconds", seconds)
        with started(*again, *writing, errors=folder / "writer.txt") as writer:
            watched = _watch(daemon, writer, port, seconds)
            assert writer.stdout is not None
            written = int(writer.stdout.read() or 0)
        # What is left is read by the next cycles.
        until = time.monotonic() + 90
        while (counted := watched.value("ml_predictions_total")) < written and time.monotonic() < until:
            time.sleep(1)
            watched.page = Scraper(port).page()
        rejected = re.findall(r"^ml_sink_rejected_records_total.* [1-9].*$", watched.page, re.MULTILINE)
        if counted != written or rejected:
            print(*rejected, sep="\n", file=sys.stderr)
            raise ProgramError(
                f"{written} predictions were written, {counted:g} counted: {errors.read_text()[-2000:]}"
            )
    return watched


def _spec(speed: float, training: Path) -> dict[str, Any]:
    fields = {"id": "id", "label": "label", "timestamp": "ts"}
    return {
        "schedule": "15s" if speed == 1 else "2s",
        "windows": ["30m", "6h", "1d"],
        "segments": ["features.region"],
        "references": {"training": {"static": training.name}, "before": {"sliding": "6h", "offset": "1h"}},
        "labels": {"sink": {"file": {"path": "labels*.jsonl"}}, "fields": fields, "maxDelay": "2h"},
        "metrics": {"include": ["ml_*"], "segments": ["ml_*"]},
    }


def _port(daemon: subprocess.Popen[bytes], errors: Path) -> int:
    until = time.monotonic() + 60
    while daemon.poll() is None and time.monotonic() < until:
        if found := re.search(r"http://127\.0\.0\.1:(\d+)/", errors.read_text()):
            return int(found[1])
        time.sleep(0.1)
    raise ProgramError(f"the daemon did not come up: {errors.read_text()[-2000:]}")


def _watch(
    daemon: subprocess.Popen[bytes], writer: subprocess.Popen[bytes], port: int, seconds: float
) -> Watched:
    watched = Watched()
    scraper = Scraper(port)
    scraper.start()
    before, began = _cpu(daemon.pid), time.monotonic()
    until = began + seconds
    while writer.poll() is None and time.monotonic() < until + 30:
        time.sleep(1)
        watched.memory.append(_resident(daemon.pid))
    watched.core = (_cpu(daemon.pid) - before) / (time.monotonic() - began)
    scraper.stop()
    watched.page = scraper.page()
    # The first scrapes are of an empty page.
    watched.scrapes = sorted(scraper.times[len(scraper.times) // 5 :])
    return watched


def rows(watched: Watched, what: str, *, judged: bool) -> Iterator[Row]:
    """Yield what is said of a run. ``judged``: where CPU and scrapes have limits."""
    times = watched.scrapes
    tenth = len(times) // 100
    note = f"{statistics.median(watched.memory):.0f} MiB resident, {max(watched.memory):.0f} at the peak"
    yield Row(f"{what}: memory grown", watched.grown, "MiB", MOST_GROWN, note=note)
    counted = f"{watched.value('ml_predictions_total'):,.0f} predictions, each counted once"
    yield Row(f"{what}: of a core", watched.core, "", MOST_CORE if judged else None, note=counted)
    series = f"{watched.series:,} series, {len(times)} scrapes"
    yield Row(f"{what}: scrape, p50", statistics.median(times), "ms", note=series)
    yield Row(
        f"{what}: scrape, p99",
        times[-1 - tenth],
        "ms",
        MOST_SCRAPE if judged else None,
        note=f"longest {times[-1]:.1f} ms",
    )
    yield Row(f"{what}: last cycle", watched.value("ml_monitor_cycle_duration_seconds"), "s")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--minutes", type=float, default=10.0, help="of each of the two")
    parser.add_argument("--quick", action="store_true", help="half a minute each")
    parser.add_argument("--only", choices=["soak", "day"])
    parser.add_argument("--clock", type=float, nargs=2, default=(1.0, 0.0), help=argparse.SUPPRESS)
    parser.add_argument("--write", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--rate", type=int, default=RATE, help=argparse.SUPPRESS)
    parser.add_argument("--seconds", type=float, help=argparse.SUPPRESS)
    parser.add_argument("--daemon", nargs=argparse.REMAINDER, help=argparse.SUPPRESS)
    options = parser.parse_args()
    fast_clock(*options.clock)
    if options.daemon:
        sys.argv = ["mlslo-exporter", "run", *options.daemon]
        runpy.run_module("exporter", run_name="__main__")
        return
    if options.write:
        write(options.write, options.rate, options.seconds, options.clock[0])
        return
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    seconds = 30.0 if options.quick else options.minutes * 60
    table: list[Row] = []
    for what, speed in (("soak", 1.0), ("day", _DAY / seconds)):
        if options.only in (None, what):
            with tempfile.TemporaryDirectory(prefix=f"mlslo-{what}-") as name:
                watched = measure(Path(name), RATE, seconds, speed)
            table += rows(watched, what, judged=what == "soak")
    finish(f"Soak: {RATE:,} predictions a second for {seconds / 60:g} minutes", table, quick=options.quick)


if __name__ == "__main__":
    main()
