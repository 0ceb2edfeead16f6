"""A real Prometheus in a folder of its own."""

import json
import subprocess
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

import yaml

from tests.alertmanagers import free_port
from tests.tools import tool


class Prometheus:
    """Scrapes and evaluates every second until the `with` block ends.

    Raises RuntimeError, with its log, where it does not come up.
    """

    def __init__(
        self, folder: Path, rules: Sequence[Path], targets: Sequence[str], alertmanagers: Sequence[str]
    ) -> None:
        folder.mkdir()
        configuration = {
            "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
            "rule_files": [str(path) for path in rules],
            "scrape_configs": [{"job_name": "mlslo", "static_configs": [{"targets": list(targets)}]}],
            "alerting": {"alertmanagers": [{"static_configs": [{"targets": list(alertmanagers)}]}]},
        }
        (folder / "prometheus.yml").write_text(yaml.safe_dump(configuration))
        self._log = folder / "prometheus.log"
        self.url = f"http://127.0.0.1:{free_port()}"
        self._command = [
            str(tool("prometheus")),
            f"--config.file={folder / 'prometheus.yml'}",
            f"--storage.tsdb.path={folder / 'data'}",
            f"--web.listen-address={self.url.removeprefix('http://')}",
            "--rules.alert.resend-delay=2s",
        ]

    def __enter__(self) -> Self:
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(self._command, stdout=log, stderr=subprocess.STDOUT)
        for _ in range(400):
            if self._process.poll() is not None:
                break
            try:
                urllib.request.urlopen(f"{self.url}/-/ready", timeout=5).close()
            except urllib.error.URLError:
                time.sleep(0.05)
            else:
                return self
        self.__exit__()
        raise RuntimeError(f"Prometheus did not come up:\n{self._log.read_text()}")

    def __exit__(self, *_: object) -> None:
        if self._process.poll() is None:
            self._process.terminate()
            self._process.wait(20)

    def query(self, expression: str) -> list[dict[str, Any]]:
        """The instant vector of ``expression``."""
        query = urllib.parse.urlencode({"query": expression})
        with urllib.request.urlopen(f"{self.url}/api/v1/query?{query}", timeout=10) as answer:
            found: list[dict[str, Any]] = json.load(answer)["data"]["result"]
            return found

    def rules(self) -> list[dict[str, Any]]:
        """Every rule, with its health and state."""
        with urllib.request.urlopen(f"{self.url}/api/v1/rules", timeout=10) as answer:
            return [rule for group in json.load(answer)["data"]["groups"] for rule in group["rules"]]
