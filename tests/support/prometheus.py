"""A real Prometheus in a folder of its own."""

import json
import urllib.parse
import urllib.request
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from tests.support.servers import Server
from tests.support.tools import tool


def instant(url: str, expression: str) -> list[dict[str, Any]]:
    """Return the instant vector of ``expression`` now, as the server at ``url`` has it."""
    query = urllib.parse.urlencode({"query": expression})
    with urllib.request.urlopen(f"{url}/api/v1/query?{query}", timeout=60) as answer:
        found: list[dict[str, Any]] = json.load(answer)["data"]["result"]
        return found


class Prometheus(Server):
    """Scrapes and evaluates every second."""

    def __init__(
        self, folder: Path, rules: Sequence[Path], targets: Sequence[str], alertmanagers: Sequence[str]
    ) -> None:
        folder.mkdir()
        super().__init__(folder / "prometheus.log")
        configuration = {
            "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
            "rule_files": [str(path) for path in rules],
            "scrape_configs": [{"job_name": "mlslo", "file_sd_configs": [{"files": ["targets.json"]}]}],
            "alerting": {"alertmanagers": [{"static_configs": [{"targets": list(alertmanagers)}]}]},
        }
        (folder / "prometheus.yml").write_text(yaml.safe_dump(configuration))
        self._targets = folder / "targets.json"
        self.scrape(targets)
        self._command = [
            str(tool("prometheus")),
            f"--config.file={folder / 'prometheus.yml'}",
            f"--storage.tsdb.path={folder / 'data'}",
            f"--web.listen-address={self.address}",
            "--rules.alert.resend-delay=2s",
        ]

    def scrape(self, targets: Sequence[str]) -> None:
        """Scrape these targets from now on; the series of others become stale."""
        written = self._targets.with_suffix(".new")
        written.write_text(json.dumps([{"targets": list(targets)}]))
        written.rename(self._targets)

    def query(self, expression: str) -> list[dict[str, Any]]:
        """The instant vector of ``expression``."""
        return instant(self.url, expression)

    def rules(self) -> list[dict[str, Any]]:
        """Every rule, with its health and state."""
        with urllib.request.urlopen(f"{self.url}/api/v1/rules", timeout=60) as answer:
            return [rule for group in json.load(answer)["data"]["groups"] for rule in group["rules"]]
