"""The same records through every log: how fast the exporter takes them in, against files.

    .venv/bin/python -m benchmarks.sinks [--quick] [--features] [--only NAME,...]

Each read is a process of its own, over a state of its own: the real reader, decoder, fold and store, nothing measured.
All logs are read in turns, and the best of each counts. A server that is not here is left out, and said. A server of
the tests takes its part of the machine; so the CPU of the reading process alone is compared as well, and objects are
read from a folder too, without a server. ``--features`` counts the 20 features, by a reference.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import re
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks import data
from benchmarks.process import MEBIBYTE, ProgramError, python
from benchmarks.table import Row, finish
from tests.support.sinks import SinkServer, UnavailableError, server_class

_TURNS = 3
_SLICE = 50_000
_PATIENCE = 300.0

Fill = Callable[[Any, Sequence[bytes]], None]


def append(server: SinkServer, records: Sequence[bytes]) -> None:
    """Fill a log as its writers do, in slices."""
    for start in range(0, len(records), _SLICE):
        server.append(records[start : start + _SLICE])


def parquet_objects(server: Any, records: Sequence[bytes]) -> None:
    """Fill a bucket with Parquet, an object for each slice."""
    import pyarrow as pa
    from pyarrow import parquet

    for start in range(0, len(records), _SLICE):
        content = io.BytesIO()
        rows = [json.loads(record) for record in records[start : start + _SLICE]]
        parquet.write_table(pa.Table.from_pylist(rows), content, compression="zstd")
        server.put(server.key(f"part-{start:09d}.parquet"), content.getvalue())


def messages(server: Any, records: Sequence[bytes]) -> None:
    """Fill a topic, partition by partition."""
    server.fill(records)


class FolderServer(SinkServer):
    """Objects of a folder, which the client of object stores reads itself."""

    name = "folder"

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._objects = 0

    def sink(self) -> dict[str, Any]:
        return {"objects": {"url": f"file://{self._folder}/dt=%Y-%m-%d/"}}

    def append(self, records: Sequence[bytes], *, late: bool = False) -> None:  # noqa: ARG002 - by their keys
        self._objects += 1
        self.put(self.key(f"part-{self._objects:06d}.jsonl"), b"\n".join([*records, b""]))

    def key(self, name: str) -> str:
        return f"{datetime.now(UTC):dt=%Y-%m-%d}/{name}"

    def put(self, key: str, content: bytes) -> None:
        path = self._folder / key
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(content)

    def close(self) -> None:
        """Nothing was started."""


@dataclass
class Log:
    """One log: its ``server``, how it is filled, and how fast it must be, of files.

    ``speeds``: records a second. ``cpu``: seconds of the reading process, of all its threads. ``memory``: MiB.
    """

    name: str
    server: str
    least: float | None = None
    fill: Fill = append
    speeds: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)
    memory: float = 0.0

    @property
    def fastest(self) -> float | None:
        return max(self.speeds, default=None)


LOGS = (
    Log("file, JSONL", "file"),
    Log("Kafka (mock broker)", "kafka", least=0.5, fill=messages),
    Log("S3 (moto), JSONL", "objects", least=0.7),
    Log("S3 (moto), Parquet", "objects", least=2.0, fill=parquet_objects),
    Log("objects of a folder, JSONL", "folder", least=0.7),
    Log("objects of a folder, Parquet", "folder", least=2.0, fill=parquet_objects),
    Log("PostgreSQL", "postgresql"),
    Log("push, from the inbox", "push"),
    Log("Loki (stand-in)", "loki"),
    Log("OpenSearch (stand-in)", "opensearch"),
)
"""Files first: the others are compared with them."""


def read(monitor: Path, state: Path, rows: int) -> None:
    """Read a log to its end, and print how long that took, and the peak of memory."""
    from exporter.daemon.cycle import Cycle
    from exporter.daemon.models import load_all

    took = cpu = 0.0
    whole = Cycle._read

    def timed(cycle: Cycle, *arguments: Any, **named: Any) -> bool:
        nonlocal took, cpu
        began, spent = time.perf_counter(), time.process_time()
        done = whole(cycle, *arguments, **named)
        took, cpu = took + time.perf_counter() - began, cpu + time.process_time() - spent
        return done

    Cycle._read = timed  # type: ignore[method-assign, assignment]
    (model,) = load_all([monitor])
    cycle = model.open(state)
    until = time.monotonic() + _PATIENCE
    while time.monotonic() < until:
        cycle.run(at=data.START + 3600.0)
        counted = sum(cycle._store.counters.totals("ml_predictions_total").values())
        if counted >= rows:
            break
        time.sleep(0.05)
    cycle.close()
    peak = re.search(r"VmHWM:\s*(\d+) kB", Path("/proc/self/status").read_text())
    assert peak is not None
    memory = int(peak[1]) * 1024 / MEBIBYTE
    print(json.dumps({"counted": counted, "seconds": took, "cpu": cpu, "memory": memory}))


class Filled:
    """A log that is filled, and read again and again, each time from a state of its own."""

    def __init__(
        self, log: Log, records: Sequence[bytes], folder: Path, reference: Path | None = None
    ) -> None:
        """Raises UnavailableError."""
        self.log = log
        self._reference = reference
        self._rows = len(records)
        self._folder = folder
        self._turn = 0
        (folder / "server").mkdir(parents=True)
        server = FolderServer if log.server == FolderServer.name else server_class(log.server)
        self.server = server(folder / "server")
        try:
            log.fill(self.server, records)
        except BaseException:
            self.server.close()
            raise

    def read(self) -> None:
        """Read all of it. Raises ProgramError where records are missing, or too many."""
        self._turn += 1
        folder = self._folder / f"turn-{self._turn}"
        folder.mkdir()
        state = self.server.state(folder)
        if state.exists():
            # An inbox is read into the state that is beside it, once.
            return
        sink = self.server.sink()
        for settings in sink.values():
            if "group" in settings:
                # One that has committed nothing.
                settings["group"] += f"-{self._turn}"
        monitor = data.monitor(folder)
        content = json.loads(monitor.read_text())
        content["spec"]["predictions"]["sink"] = sink
        content["metadata"]["name"] = state.stem
        if self._reference is not None:
            content["spec"]["references"] = {"training": {"static": str(self._reference)}}
        monitor.write_text(json.dumps(content))
        before = dict(os.environ)
        os.environ.update(self.server.environment())
        try:
            cost = python("-m", "benchmarks.sinks", "--read", monitor, state.parent, self._rows)
        finally:
            os.environ.clear()
            os.environ.update(before)
        found = json.loads(cost.output.splitlines()[-1])
        if found["counted"] != self._rows:
            raise ProgramError(f"{self.log.name}: {found['counted']} of {self._rows} records are counted")
        self.log.speeds.append(self._rows / found["seconds"])
        self.log.cpu.append(found["cpu"])
        self.log.memory = max(self.log.memory, found["memory"])


def _with_seconds(line: bytes) -> bytes:
    """Return a record whose time is a number, as the tables of the tests have it."""
    record = json.loads(line)
    return json.dumps({**record, "ts": datetime.fromisoformat(record["ts"]).timestamp()}).encode()


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="5,000 records")
    parser.add_argument("--features", action="store_true", help="count the features, by a reference")
    parser.add_argument("--rows", type=int, default=300_000)
    parser.add_argument("--only", help="servers beside files, with commas between them")
    parser.add_argument("--read", nargs=3, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.read:
        read(Path(options.read[0]), Path(options.read[1]), int(options.read[2]))
        return
    only = None if options.only is None else {"file", *options.only.split(",")}
    logs = [log for log in LOGS if only is None or log.server in only]
    notes: dict[str, str] = {}
    with tempfile.TemporaryDirectory(prefix="mlslo-sinks-") as name:
        folder = Path(name)
        python(
            "-m", "benchmarks.data", folder / "log.jsonl", "--rows", 5000 if options.quick else options.rows
        )
        reference = folder / "training.json" if options.features else None
        if reference is not None:
            python("-m", "benchmarks.data", folder / "past.jsonl", "--rows", 20_000, "--seed", 2)
            monitor = data.monitor(folder, references={"training": {"static": reference.name}})
            python("-m", "exporter", "baseline", monitor, "--data", folder / "past.jsonl", "--out", reference)
        records = [_with_seconds(line) for line in (folder / "log.jsonl").read_bytes().splitlines()]
        filled: list[Filled] = []
        try:
            for number, log in enumerate(logs):
                try:
                    filled.append(Filled(log, records, folder / str(number), reference))
                except UnavailableError as error:
                    notes[log.name] = f"left out: {error}"
            for _ in range(1 if options.quick else _TURNS):
                for one in filled:
                    try:
                        one.read()
                    except ProgramError as error:
                        notes[one.log.name] = str(error).splitlines()[-1]
        finally:
            for one in filled:
                one.server.close()
    files = logs[0]
    rows = []
    for log in logs:
        note = notes.get(log.name, f"{log.memory:.0f} MiB")
        rows.append(Row(f"{log.name}: records a second", log.fastest, note=note))
        if log is files or not files.speeds or not (log.speeds or log.least):
            continue
        speed = max(log.speeds) / max(files.speeds) if log.speeds else None
        cpu = min(files.cpu) / min(log.cpu) if log.cpu else None
        rows.append(Row(f"{log.name}: of files", speed, "x", log.least, at_least=True))
        rows.append(Row(f"{log.name}: of files, by CPU", cpu, "x", log.least, at_least=True))
    finish(f"logs: {len(records):,} records of 20 features", rows, quick=options.quick)


if __name__ == "__main__":
    main()
