"""A fleet of exporters and its aggregator: bytes an exporter, seconds a merge, gauges that are not one exporter's.

    .venv/bin/python -m benchmarks.aggregate [--quick] [--exporters 20] [--rows 1000]

50 features, 20 segment values, windows of an hour, a day and a week, each exporter with ``--rows`` records of random
numbers spread over the week and its own web server, all in this process. Then each logs 100 records more. Every gauge
is compared with that of one exporter over all logs. No two values of a number are alike, so that few bins are empty:
real logs are smaller.
"""

from __future__ import annotations

import argparse
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

from benchmarks import data
from benchmarks.process import python
from benchmarks.table import Row, finish
from exporter.daemon.daemon import Daemon
from exporter.daemon.fleet_cycle import FleetCycle
from exporter.daemon.models import load_all
from exporter.measure.exposition import Snapshot
from exporter.state import Store
from exporter.state.sent import Asked, Sent
from exporter.web import fleet as web
from exporter.web.fleet import HTTPFleet
from exporter.web.server import Server
from tests.support.fleet import different

_WEEK = 7 * 86_400.0
_SHAPE = {"numeric": 40, "categorical": 10, "regions": 20}
_MOST_SECONDS = 15.0


class _Counted(HTTPFleet):
    """Counts the bytes of all answers."""

    received = 0

    def ask(
        self, instance: str, model: str, asked: Asked, tag: str, timeout: float | None
    ) -> tuple[Sent, str] | None:
        return super().ask(instance, model, asked, tag, 120.0 if timeout is None else timeout)


def _monitor(folder: Path, reference: Path | None) -> Path:
    references = {} if reference is None else {"training": {"static": str(reference)}}
    return data.monitor(
        folder,
        schedule="1h",
        windows=["1h", "1d", "7d"],
        segments=["features.region"],
        references=references,
    )


@contextmanager
def _exporter(folder: Path) -> Iterator[tuple[Daemon, str]]:
    """Run an exporter with its server; its cycles are those that ``_cycle`` asks for."""
    daemon = Daemon([folder / "monitor.yaml"], folder / "state", look_every=1e6)
    server = Server(("127.0.0.1", 0), daemon, summaries=True)
    threads = [threading.Thread(target=run) for run in (daemon.run, server.serve_forever)]
    for thread in threads:
        thread.start()
    try:
        yield daemon, server.url
    finally:
        daemon.stop()
        server.shutdown()
        server.server_close()
        for thread in threads:
            thread.join()


def _cycle(daemon: Daemon) -> None:
    """Have a cycle run, and wait for it."""
    (watched,) = daemon._watched.values()
    before, watched.due = watched.snapshot, 0.0
    daemon._wake.set()
    while watched.snapshot is before:
        time.sleep(0.02)


def _merged(cycle: FleetCycle, fleet: _Counted) -> tuple[Snapshot, float, float]:
    """Return the page of a round, its seconds of CPU time, and bytes received."""
    fleet.received = 0
    started = time.process_time()
    snapshot = cycle.run()
    assert snapshot is not None
    return snapshot, time.process_time() - started, fleet.received


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="three exporters of 500 records")
    parser.add_argument("--exporters", type=int, default=20)
    parser.add_argument("--rows", type=int, default=1000)
    options = parser.parse_args()
    number, rows = (3, 500) if options.quick else (options.exporters, options.rows)
    with tempfile.TemporaryDirectory(prefix="mlslo-fleet-") as name, ExitStack() as stack:
        folder = Path(name)
        past = folder / "past.jsonl"
        data.append(past, 10_000, seed=1, **_SHAPE)
        plain = _monitor(folder, folder / "training.json")
        python("-m", "exporter", "baseline", plain, "--data", past, "--out", folder / "training.json")
        daemons, urls, whole = [], [], folder / "whole"
        whole.mkdir()
        _monitor(whole, folder / "training.json")
        now = time.time()

        def log(place: int, seed: int, size: int, start: float, seconds: float) -> None:
            part = folder / f"part{place}.jsonl"
            data.append(part, size, seed=seed, start=start, seconds=seconds, **_SHAPE)
            for target in (folder / f"pod{place}" / "log.jsonl", whole / "log.jsonl"):
                with target.open("ab") as file:
                    file.write(part.read_bytes())
            part.unlink()

        for place in range(number):
            own = folder / f"pod{place}"
            own.mkdir()
            _monitor(own, folder / "training.json")
            log(place, 10 + place, rows, now - _WEEK + 7200, _WEEK - 7200 - 600)
            daemon, url = stack.enter_context(_exporter(own))
            daemons.append(daemon)
            urls.append(url)
            while not daemon.ready():
                time.sleep(0.05)
        fleet = _Counted(urls, [])
        original = web._content

        def content(answer: object, until: float) -> bytes:
            found = original(answer, until)  # type: ignore[arg-type]
            fleet.received += len(found)
            return found

        web._content = content
        (model,) = load_all([plain])
        cycle = stack.enter_context(closing(FleetCycle(model, Store(folder / "fleet.sqlite"), fleet)))
        first, all_seconds, all_bytes = _merged(cycle, fleet)
        _, quiet_seconds, quiet_bytes = _merged(cycle, fleet)
        for place, daemon in enumerate(daemons):
            log(place, 1000 + place, 100, time.time() - 120, 60)
            _cycle(daemon)
        found, some_seconds, some_bytes = _merged(cycle, fleet)
        (one,) = load_all([whole / "monitor.yaml"])
        with closing(one.open(None)) as alone:
            expected = alone.run()
        assert expected is not None
        told = different(found, expected, ["ml_sink_late_records_total", "ml_state_set_aside_total"])
        print("\n".join(told[:20]))
        assert first.series["ml_fleet_exporters"]["benchmark", "merged"] == number
        series = sum(map(len, expected.series.values()))
        state = (folder / "fleet.sqlite").stat().st_size
    finish(
        f"Fleet: {number} exporters of {rows:,} records, 50 features, 20 segment values",
        [
            Row("gauges that differ from one exporter's", len(told), f"of {series:,}", 0),
            Row("all buckets, an exporter", all_bytes / number / 1e6, "MB"),
            Row("after 100 records, an exporter", some_bytes / number / 1e6, "MB"),
            Row("after nothing, an exporter", quiet_bytes / number / 1e3, "kB"),
            Row("first round, CPU", all_seconds, "s"),
            Row("round after 100 records each, CPU", some_seconds, "s", _MOST_SECONDS),
            Row("round after nothing, CPU", quiet_seconds, "s"),
            Row("state of the aggregator", state / 1e6, "MB"),
        ],
        quick=options.quick,
    )


if __name__ == "__main__":
    main()
