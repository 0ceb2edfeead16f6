"""The status page of a wide model while cycles run: how long a person waits for it.

    .venv/bin/python -m benchmarks.pages [--seconds 60] [--quick]

100 features, 3 windows, a static reference, 1,000 predictions a second, a cycle each 5 s: a real daemon. A client asks
for the page of one window after the other, twenty times a second over one connection. A page is rendered once for each
cycle and choice, so three in a hundred answers are not from memory.
"""

from __future__ import annotations

import argparse
import http.client
import re
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

from benchmarks import data
from benchmarks.process import ROOT, python
from benchmarks.table import Row, finish

LIMIT = 50.0
_WINDOWS = ("1h", "6h", "1d")
_NUMERIC, _CATEGORICAL = 80, 20
_RATE, _EACH = 1000, 20


def _logging(folder: Path, lines: list[bytes], stopping: threading.Event) -> None:
    number = 0
    with (folder / "log.jsonl").open("ab", buffering=0) as log:
        while not stopping.wait(0.1):
            now = f'{{"ts":{time.time():.3f},'.encode()
            some = [now + lines[(number + i) % len(lines)] for i in range(_RATE // 10)]
            number += len(some)
            log.write(b"".join(some))


def _asked(port: int, seconds: float) -> tuple[list[float], int]:
    """Return how long each answer took, in ms, and the bytes of the last one."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    times: list[float] = []
    until, size = time.monotonic() + seconds, 0
    while time.monotonic() < until:
        window = _WINDOWS[len(times) % len(_WINDOWS)]
        began = time.perf_counter()
        connection.request("GET", f"/models/benchmark?window={window}", headers={"Accept-Encoding": "gzip"})
        answer = connection.getresponse()
        size = len(answer.read())
        assert answer.status == 200
        times.append((time.perf_counter() - began) * 1000)
        time.sleep(1 / _EACH)
    connection.close()
    return times, size


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--quick", action="store_true", help="5 seconds")
    options = parser.parse_args()
    seconds = 5.0 if options.quick else options.seconds
    with tempfile.TemporaryDirectory(prefix="mlslo-pages-") as name:
        folder = Path(name)
        wide = ["--numeric", _NUMERIC, "--categorical", _CATEGORICAL]
        python("-m", "benchmarks.data", folder / "training.jsonl", "--rows", 5000, "--seed", 2, *wide)
        python("-m", "benchmarks.data", folder / "bodies", "--rows", 2000, *wide)
        lines = [
            line.split(b",", 1)[1] for line in (folder / "bodies").read_bytes().splitlines(keepends=True)
        ]
        monitor = data.monitor(
            folder,
            schedule="5s",
            windows=list(_WINDOWS),
            metrics={"include": ["ml_*"]},
            maxSeries=50_000,
            references={"training": {"static": "reference.json"}},
        )
        (folder / "log.jsonl").touch()
        reference = folder / "reference.json"
        python("-m", "exporter", "baseline", monitor, "--data", folder / "training.jsonl", "--out", reference)
        stopping = threading.Event()
        writer = threading.Thread(target=_logging, args=(folder, lines, stopping), daemon=True)
        writer.start()
        command = [sys.executable, "-m", "exporter", "run", monitor, "--state-dir", folder / "state"]
        errors = folder / "errors"
        with errors.open("wb") as log:
            daemon = subprocess.Popen(
                [*map(str, command), "--web.listen-address", "127.0.0.1:0"], cwd=ROOT, stderr=log
            )
        try:
            port = None
            until = time.monotonic() + 60
            while time.monotonic() < until and port is None:
                time.sleep(0.2)
                found = re.search(r"localhost:(\d+)|127\.0\.0\.1:(\d+)", errors.read_text())
                port = int(found[1] or found[2]) if found else None
            assert port is not None, errors.read_text()
            # Two cycles, so that there is a page.
            time.sleep(11)
            times, size = _asked(port, seconds)
        finally:
            stopping.set()
            daemon.terminate()
            daemon.wait(30)
    centiles = statistics.quantiles(times, n=100)
    finish(
        f"Status page of {_NUMERIC + _CATEGORICAL} features, {len(times):,} requests while cycles run",
        [
            Row("p50", centiles[49], "ms"),
            Row("p99", centiles[98], "ms", LIMIT),
            Row("longest", max(times), "ms"),
            Row("the page, compressed", size / 1024, "KiB"),
        ],
        quick=options.quick,
    )


if __name__ == "__main__":
    main()
