"""The example server: real requests, its log, and what the exporter makes of it."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from shutil import copy
from typing import Any

import pytest

from tests.support.logs import once
from tests.support.paths import ROOT

pytestmark = pytest.mark.slow


@pytest.fixture
def server(tmp_path: Path) -> Iterator[str]:
    """The example server, logging to ``tmp_path / "logs"``; its URL."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "uvicorn", "examples.server.app:app", "--port", str(port)]
    environment = {**os.environ, "PREDICTION_LOG": str(tmp_path / "logs" / "predictions.jsonl")}
    process = subprocess.Popen(command, cwd=ROOT, env=environment, stderr=subprocess.DEVNULL)
    url = f"http://127.0.0.1:{port}"
    try:
        until = time.monotonic() + 60
        while time.monotonic() < until and process.poll() is None:
            try:
                urllib.request.urlopen(f"{url}/docs", timeout=60).close()
                break
            except OSError:
                time.sleep(0.05)
        yield url
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) in (0, -signal.SIGTERM)
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()


def _predict(url: str, rows: list[list[float]], **headers: str) -> dict[str, Any]:
    request = urllib.request.Request(
        f"{url}/predict", json.dumps({"rows": rows}).encode(), {"Content-Type": "application/json", **headers}
    )
    with urllib.request.urlopen(request, timeout=60) as answer:
        found: dict[str, Any] = json.load(answer)
        found["id"] = answer.headers["X-Request-Id"]
        return found


def test_what_the_server_logs_is_what_the_exporter_counts(server: str, tmp_path: Path) -> None:
    row = [14.1, 19.3, 0.096, 0.18]
    single = _predict(server, [row], **{"X-Request-Id": "visit-1"})
    several = _predict(server, [row, [20.6, 29.3, 0.118, 0.24]])
    with pytest.raises(urllib.error.HTTPError, match="422"):
        _predict(server, [[1.0]])
    file = tmp_path / "logs" / "predictions.jsonl"
    until = time.monotonic() + 100
    while time.monotonic() < until and (not file.exists() or file.read_bytes().count(b"\n") < 4):
        time.sleep(0.05)
    records = [json.loads(line) for line in file.read_text().splitlines()]
    assert [record["id"] for record in records[:3]] == ["visit-1", f"{several['id']}/0", f"{several['id']}/1"]
    assert [record["status"] for record in records] == [200, 200, 200, 422]
    assert [record["score"] for record in records[:3]] == [*single["scores"], *several["scores"]]
    copy(ROOT / "examples/server/monitor.yaml", tmp_path)
    gauges = once(tmp_path / "monitor.yaml")
    assert gauges["ml_predictions_total"] == [({"model": "breast-cancer", "version": "1.0.0"}, 4.0)]
    assert gauges["ml_prediction_errors_total"][0][0]["code"] == "422"
