"""A real Alertmanager in a folder of its own, and what it is told."""

import json
import urllib.request
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from tests.support.servers import Server
from tests.support.tools import tool


class Alertmanager(Server):
    """Alertmanager with one configuration file; ``web`` is its --web.config.file."""

    def __init__(self, configuration: Path, data: Path, web: Path | None = None) -> None:
        super().__init__(data / "alertmanager.log")
        self._command = [
            str(tool("alertmanager")),
            f"--config.file={configuration}",
            f"--storage.path={data}",
            f"--web.listen-address={self.address}",
            "--cluster.listen-address=",
            *([f"--web.config.file={web}"] if web else []),
        ]

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

    def silence(self, **labels: str) -> None:
        """Silence alerts with these labels for an hour, as Anna."""
        now = datetime.now(UTC)
        silence = {
            "matchers": [
                {"name": name, "value": value, "isRegex": False, "isEqual": True}
                for name, value in labels.items()
            ],
            "startsAt": now.isoformat(),
            "endsAt": (now + timedelta(hours=1)).isoformat(),
            "createdBy": "anna",
            "comment": "known",
        }
        self._post(silence, "silences")

    def _post(self, data: object, path: str = "alerts") -> None:
        request = urllib.request.Request(
            f"{self.url}/api/v2/{path}", json.dumps(data).encode(), {"Content-Type": "application/json"}
        )
        urllib.request.urlopen(request, timeout=60).close()

    def alerts(self) -> list[dict[str, Any]]:
        """Return the alerts that it knows, with the state of each."""
        with urllib.request.urlopen(f"{self.url}/api/v2/alerts", timeout=60) as answer:
            found: list[dict[str, Any]] = json.load(answer)
            return found

    def inhibited(self, model: str) -> set[str]:
        """Names of the model's alerts that others silence."""
        return {
            alert["labels"]["alertname"]
            for alert in self.alerts()
            if alert["labels"].get("model") == model and alert["status"]["inhibitedBy"]
        }
