"""A real Alertmanager in a folder of its own, and what it is told."""

import json
import socket
import subprocess
import time
import urllib.error
import urllib.request
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Self

from tests.tools import tool


def free_port() -> int:
    """A loopback port that nobody listens on."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


class Alertmanager:
    """Runs until the `with` block ends. Raises RuntimeError, with its log, where it does not come up."""

    def __init__(self, configuration: Path, data: Path) -> None:
        self._log = data / "alertmanager.log"
        self.url = f"http://127.0.0.1:{free_port()}"
        self._command = [
            str(tool("alertmanager")),
            f"--config.file={configuration}",
            f"--storage.path={data}",
            f"--web.listen-address={self.url.removeprefix('http://')}",
            "--cluster.listen-address=",
        ]

    def __enter__(self) -> Self:
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(self._command, stdout=log, stderr=subprocess.STDOUT)
        for _ in range(200):
            if self._process.poll() is not None:
                break
            try:
                urllib.request.urlopen(f"{self.url}/-/ready", timeout=5).close()
            except urllib.error.URLError:
                time.sleep(0.05)
            else:
                return self
        self.__exit__()
        raise RuntimeError(f"Alertmanager did not come up:\n{self.log}")

    def __exit__(self, *_: object) -> None:
        if self._process.poll() is None:
            self._process.terminate()
            self._process.wait(10)

    @property
    def log(self) -> str:
        return self._log.read_text()

    def fire(self, *alerts: dict[str, Any]) -> None:
        """Alerts that fire from now on; each is `{"labels": {...}, "annotations": {...}}`."""
        now = datetime.now(UTC)
        times = {"startsAt": now.isoformat(), "endsAt": (now + timedelta(hours=1)).isoformat()}
        self._post([{**alert, **times} for alert in alerts])

    def resolve(self, *alerts: dict[str, Any]) -> None:
        """The same alerts are over."""
        now = datetime.now(UTC)
        # Alertmanager keeps the earlier start of the two.
        times = {"startsAt": (now - timedelta(milliseconds=1)).isoformat(), "endsAt": now.isoformat()}
        self._post([{**alert, **times} for alert in alerts])

    def _post(self, alerts: list[dict[str, Any]]) -> None:
        request = urllib.request.Request(
            f"{self.url}/api/v2/alerts",
            json.dumps(alerts).encode(),
            {"Content-Type": "application/json"},
        )
        urllib.request.urlopen(request, timeout=10).close()

    def alerts(self) -> list[dict[str, Any]]:
        """What it knows, with the state of each."""
        with urllib.request.urlopen(f"{self.url}/api/v2/alerts", timeout=10) as answer:
            found: list[dict[str, Any]] = json.load(answer)
            return found

    def inhibited(self, model: str) -> set[str]:
        """Names of the model's alerts that others silence."""
        return {
            alert["labels"]["alertname"]
            for alert in self.alerts()
            if alert["labels"].get("model") == model and alert["status"]["inhibitedBy"]
        }
