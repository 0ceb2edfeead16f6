"""Events a second that the push endpoint takes, durable, and how long an answer takes while cycles run.

    .venv/bin/python -m benchmarks.push [--quick]

The real daemon, with its receiver, has one core; the senders, in this process, have the others. Events are those of
KServe's logger: request and response, 20 features each. Answers are timed from when an event was due, at 2,000 a
second, with a cycle that begins every second. Then the same events are sent again.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from benchmarks.process import ROOT
from benchmarks.table import Row, finish

RATE = 2000
LONGEST = 0.050
_CONNECTIONS = 256
_FEATURES = 20
_MONITOR = {
    "apiVersion": "mlslo/v1",
    "kind": "ModelMonitor",
    "metadata": {"name": "bench"},
    "spec": {
        "task": "binary",
        "schedule": "1s",
        "windows": ["30m"],
        "minSamples": 1,
        "predictions": {
            "sink": {"push": {"path": "/bench"}},
            "preset": "kserve",
            "fields": {
                "features": {"path": "request.data.instances.*", "names": [f"f{n}" for n in range(_FEATURES)]}
            },
        },
    },
}


class Sender(asyncio.Protocol):
    """One connection that sends a request when it has the answer to the one before."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._answered: asyncio.Future[None] | None = None
        self._content = b""

    def data_received(self, data: bytes) -> None:
        self._content += data
        head, end, body = self._content.partition(b"\r\n\r\n")
        if not end:
            return
        length = int(re.search(rb"content-length: (\d+)", head)[1])  # type: ignore[index]
        if len(body) < length or self._answered is None:
            return
        assert head.startswith(b"HTTP/1.1 200"), self._content
        self._content = b""
        self._answered.set_result(None)

    async def send(self, request: bytes) -> None:
        """Send a request and wait for its answer."""
        self._answered = asyncio.get_running_loop().create_future()
        self._transport.write(request)
        await self._answered


def events(number: int, seed: int) -> Iterator[bytes]:
    """Yield the events of ``number`` / 2 predictions, in binary mode."""
    random = np.random.default_rng(seed)
    rows = np.round(random.normal(size=(number // 2, _FEATURES)), 4).tolist()
    now = datetime.now(UTC).isoformat()
    for position, row in enumerate(rows):
        for kind, body in (("request", {"instances": [row]}), ("response", {"predictions": [0.5]})):
            content = json.dumps(body).encode()
            yield (
                b"POST /bench HTTP/1.1\r\nHost: x\r\nUser-Agent: Go-http-client/1.1\r\n"
                b"Content-Length: %d\r\nCe-Component: predictor\r\nCe-Endpoint: \r\nCe-Id: %d-%d\r\n"
                b"Ce-Inferenceservicename: bench\r\nCe-Metadata: {}\r\nCe-Namespace: default\r\n"
                b"Ce-Source: http://localhost:9081/\r\nCe-Specversion: 1.0\r\nCe-Time: %s\r\n"
                b"Ce-Type: org.kubeflow.serving.inference.%s\r\nContent-Type: application/json\r\n"
                b"Accept-Encoding: gzip\r\n\r\n%s"
                % (len(content), seed, position, now.encode(), kind.encode(), content)
            )


def batches(number: int, each: int, seed: int) -> Iterator[bytes]:
    """Yield the events of ``number`` / 2 predictions in CloudEvents' batch mode, ``each`` a request."""
    random = np.random.default_rng(seed)
    now = datetime.now(UTC).isoformat()
    found: list[dict[str, object]] = []
    for position, row in enumerate(np.round(random.normal(size=(number // 2, _FEATURES)), 4).tolist()):
        for kind, body in (("request", {"instances": [row]}), ("response", {"predictions": [0.5]})):
            found.append(
                {
                    "specversion": "1.0",
                    "id": f"{seed}-{position}",
                    "source": "http://localhost:9081/",
                    "type": f"org.kubeflow.serving.inference.{kind}",
                    "time": now,
                    "data": body,
                }
            )
        if len(found) >= each or position == number // 2 - 1:
            content = json.dumps(found).encode()
            found = []
            yield (
                b"POST /bench HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n"
                b"Content-Type: application/cloudevents-batch+json\r\n\r\n%s" % (len(content), content)
            )


async def send_all(
    port: int, requests: Sequence[bytes], rate: float | None = None
) -> tuple[float, list[float]]:
    """Send as fast as answers come, or at ``rate``; return the seconds that all took, and that each took."""
    loop = asyncio.get_running_loop()
    senders = [(await loop.create_connection(Sender, "127.0.0.1", port))[1] for _ in range(_CONNECTIONS)]
    waiting = iter(enumerate(requests))
    times: list[float] = []
    started = time.perf_counter()

    async def work(sender: Sender) -> None:
        for number, request in waiting:
            due = time.perf_counter() if rate is None else started + number / rate
            if (early := due - time.perf_counter()) > 0:
                await asyncio.sleep(early)
            await sender.send(request)
            times.append(time.perf_counter() - due)

    await asyncio.gather(*(work(sender) for sender in senders))
    wall = time.perf_counter() - started
    for sender in senders:
        sender._transport.close()
    return wall, times


@contextmanager
def daemon(folder: Path) -> Iterator[tuple[int, str, int]]:
    """The exporter on one core: port of the endpoint, address of its metrics, pid of the receiver."""
    monitor = folder / "monitor.yaml"
    monitor.write_text(json.dumps(_MONITOR))
    log = folder / "log"
    core = {min(os.sched_getaffinity(0))}
    with log.open("wb") as output:
        process = subprocess.Popen(
            [
                *(sys.executable, "-m", "exporter", "run", monitor, "--state-dir", folder / "state"),
                *("--web.listen-address", "127.0.0.1:0", "--push.listen-address", "127.0.0.1:0"),
            ],
            stderr=output,
            cwd=ROOT,
            preexec_fn=lambda: os.sched_setaffinity(0, core),
        )
    try:
        until = time.monotonic() + 60
        while "received at" not in (said := log.read_text()):
            assert process.poll() is None, said
            assert time.monotonic() < until, said
            time.sleep(0.05)
        page = re.search(r"http://\S+/metrics", said)
        port = re.search(r"received at http://127.0.0.1:(\d+)", said)
        children = Path(f"/proc/{process.pid}/task").glob("*/children")
        child = next(int(text) for path in children if (text := path.read_text().strip()))
        assert page is not None
        assert port is not None
        yield int(port[1]), page[0], child
    finally:
        process.terminate()
        process.wait(30)


def _counters(page: str) -> dict[str, float]:
    with urllib.request.urlopen(page, timeout=10) as answer:
        text = answer.read().decode()
    found = re.findall(r"^(ml_\w+)\{(?:.*outcome=\"(\w+)\")?.*\} (\S+)$", text, re.MULTILINE)
    return {f"{name} {outcome}".strip(): float(value) for name, outcome, value in found}


def _cpu(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _resident(pid: int) -> float:
    found = re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    return int(found[1]) / 1024 if found else 0.0


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="few events")
    options = parser.parse_args()
    number, seconds = (400, 1) if options.quick else (20_000, 20)
    others = sorted(os.sched_getaffinity(0))[1:]
    with tempfile.TemporaryDirectory(prefix="mlslo-push-") as name, daemon(Path(name)) as (port, page, child):
        if others:
            os.sched_setaffinity(0, others)
        paced = list(events((400 if options.quick else RATE) * seconds, 1))
        before = _cpu(child)
        took, times = asyncio.run(send_all(port, paced, 400 if options.quick else RATE))
        share = (_cpu(child) - before) / took
        fast = list(events(number, 2))
        wall, _ = asyncio.run(send_all(port, fast))
        batched = list(batches(number * 2, 100, 3))
        together, _ = asyncio.run(send_all(port, batched))
        asyncio.run(send_all(port, fast))
        expected = len(paced) + 3 * number
        until = time.monotonic() + 60
        while (found := _counters(page)).get("ml_push_events_total repeated") != number:
            assert time.monotonic() < until, found
            time.sleep(0.2)
        while (found := _counters(page)).get("ml_predictions_total", 0) < expected / 2:
            assert time.monotonic() < until, found
            time.sleep(0.2)
        resident = _resident(child)
        predictions = found["ml_predictions_total"]
    finish(
        "push: KServe's events, durable, on one core",
        [
            Row("one event a request, events a second", number / wall, at_least=True, limit=RATE),
            Row("100 events a request, events a second", number * 2 / together),
            Row(
                "at 2,000 a second, p99 of an answer",
                float(np.quantile(times, 0.99)) * 1000,
                "ms",
                LONGEST * 1000,
            ),
            Row("at 2,000 a second, median of an answer", statistics.median(times) * 1000, "ms"),
            Row("at 2,000 a second, longest answer", max(times) * 1000, "ms"),
            Row("at 2,000 a second, the receiver's share of the core", share),
            Row("cycle, the last one", found["ml_monitor_cycle_duration_seconds"], "s"),
            Row("predictions lost or counted twice", abs(predictions - expected / 2), limit=0.5),
            Row("the receiver, resident", resident, "MiB"),
        ],
        quick=options.quick,
    )


if __name__ == "__main__":
    main()
