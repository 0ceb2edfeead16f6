"""What a real Alertmanager says of silences and groups."""

from __future__ import annotations

import json
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import yaml

from exporter.act.alertmanager import Alertmanager, AlertmanagerError
from exporter.act.group_keys import fingerprints
from exporter.act.record import Entry, Record
from exporter.act.silences import SilencePoller, record_silences
from mlslo.actions import AlertmanagerApi
from tests.support.alertmanagers import Alertmanager as RealAlertmanager
from tests.support.servers import free_port

# Label values that Alertmanager quotes in keys, and a team whose pages a route below takes.
ALERTS = [
    {"labels": {"alertname": "Drift", "model": "fraud", "tier": "P1", "feature": 'a "b" \\ ü'}},
    {"labels": {"alertname": "Drift", "model": "churn", "tier": "P1", "team": "growth-eu"}},
    {"labels": {"alertname": "Collapse", "model": "fraud", "tier": "P1"}},
    {"labels": {"alertname": "Stale", "model": "fraud", "tier": "P2"}},
]


class PagerDuty(BaseHTTPRequestHandler):
    """Takes events of version 2, as the documented API does."""

    events: list[dict[str, Any]]

    def do_POST(self) -> None:
        event = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.events.append(event)
        self.send_response(202)
        self.end_headers()
        self.wfile.write(b'{"status": "success"}')

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name of the base class
        pass


@pytest.fixture(scope="module")
def events() -> list[dict[str, Any]]:
    return []


@pytest.fixture(scope="module")
def real(
    tmp_path_factory: pytest.TempPathFactory, events: list[dict[str, Any]]
) -> Iterator[RealAlertmanager]:
    """Pages by three routes, two of them of one receiver."""
    folder = tmp_path_factory.mktemp("alertmanager")
    handler = type("Handler", (PagerDuty,), {"events": events})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_address[1]}/v2/enqueue"
        (folder / "key").write_text("k")
        details = {"fingerprints": "{{ range .Alerts }}{{ .Fingerprint }} {{ end }}"}
        paging = [{"url": url, "routing_key": "k" * 32, "details": details}]
        routes = [
            {
                "matchers": ['tier="P1"', 'alertname!="Collapse"'],
                "receiver": "oncall",
                "group_by": ["alertname", "model", "feature"],
                "routes": [{"matchers": ['team=~"growth-.+"'], "receiver": "growth"}],
            },
            {"matchers": ['tier=~"P1|P2"'], "receiver": "oncall", "group_by": ["model"]},
        ]
        route = {"receiver": "oncall", "group_wait": "0s", "group_interval": "1s", "routes": routes}
        receivers = [{"name": name, "pagerduty_configs": paging} for name in ("oncall", "growth")]
        path = folder / "alertmanager.yaml"
        path.write_text(yaml.safe_dump({"route": route, "receivers": receivers}))
        with RealAlertmanager(path, folder) as started:
            started.fire(*ALERTS)
            yield started
        server.shutdown()


def asking(url: str, **more: str) -> Alertmanager:
    return Alertmanager(AlertmanagerApi.model_validate({"url": url, **more}), Path())


def wait_for(holds: Callable[[], object]) -> None:
    until = time.monotonic() + 60
    while not holds():
        assert time.monotonic() < until, "it does not come"
        time.sleep(0.05)


def test_a_deduplication_key_leads_to_the_alerts_of_its_group(
    real: RealAlertmanager, events: list[dict[str, Any]]
) -> None:
    def paged() -> dict[str, set[str]]:
        return {
            one["dedup_key"]: set(one["payload"]["custom_details"]["fingerprints"].split())
            for one in list(events)
        }

    wait_for(lambda: len({one for own in paged().values() for one in own}) == len(ALERTS))
    asked = asking(real.url)
    # Collapse and Stale are one group; a route whose receiver and labels are the same has another key.
    assert len(paged()) == 3
    for key, alerts in paged().items():
        assert set(fingerprints(asked, key)) == alerts
    assert fingerprints(asked, "0" * 64) == []


def silence(url: str, **labels: str) -> None:
    now = datetime.now(UTC)
    body = {
        "matchers": [{"name": k, "value": v, "isRegex": False, "isEqual": True} for k, v in labels.items()],
        "startsAt": now.isoformat(), "endsAt": (now + timedelta(hours=1)).isoformat(),
        "createdBy": "anna", "comment": "known",
    }  # fmt: skip
    headers = {"Content-Type": "application/json"}
    urllib.request.urlopen(
        urllib.request.Request(f"{url}/api/v2/silences", json.dumps(body).encode(), headers), timeout=10
    ).close()


def test_who_silences_an_alert_that_goes_on_is_recorded_once(real: RealAlertmanager, tmp_path: Path) -> None:
    asked, record = asking(real.url), Record(tmp_path)
    of = {
        one["labels"]["alertname"]: one["fingerprint"]
        for one in real.alerts()
        if one["labels"]["model"] == "fraud"
    }
    for alert in ("Collapse", "Stale"):
        record.append(Entry(1.0, "firing", alert, "fraud", of[alert], 1.0))
    record.append(Entry(2.0, "resolved", "Stale", "fraud", of["Stale"], 1.0))
    assert record_silences(asked, record, 3.0) == 0
    silence(real.url, model="fraud")
    wait_for(lambda: record_silences(asked, record, 4.0))
    # Stale has ended, and of Drift it was never heard.
    (found,) = record.entries(kind="silenced")
    assert (found.alert, found.who, found.started) == ("Collapse", "anna", 1.0)
    assert json.loads(found.detail)["comment"] == "known"
    assert record_silences(asked, record, 5.0) == 0
    record.close()


def test_an_alertmanager_that_is_away_or_is_none_is_counted_and_said_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    record = Record(tmp_path)
    poller = SilencePoller(asking(f"http://127.0.0.1:{free_port()}"), record, 1.0)
    poller.poll()
    poller.poll()
    assert poller.failures == 2
    (said,) = caplog.messages
    assert "not read" in said
    lost = asking("http://127.0.0.1:1", tokenFile=str(tmp_path / "token"))
    with pytest.raises(AlertmanagerError, match="token"):
        lost.ask("status")
    record.close()
