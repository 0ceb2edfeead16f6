"""What a real Alertmanager says of silences and groups."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from exporter.act.alertmanager import Alertmanager, AlertmanagerError
from exporter.act.group_keys import fingerprints
from exporter.act.record import Entry, Record
from exporter.act.silences import SilencePoller, record_silences
from mlslo.actions import AlertmanagerApi
from tests.support.acting import Receiver, until
from tests.support.alertmanagers import Alertmanager as RealAlertmanager
from tests.support.servers import free_port

# Label values that Alertmanager quotes in keys, and a team whose pages a route below takes.
ALERTS = [
    {"labels": {"alertname": "Drift", "model": "fraud", "tier": "P1", "feature": 'a "b" \\ ü'}},
    {"labels": {"alertname": "Drift", "model": "churn", "tier": "P1", "team": "growth-eu"}},
    {"labels": {"alertname": "Collapse", "model": "fraud", "tier": "P1"}},
    {"labels": {"alertname": "Stale", "model": "fraud", "tier": "P2"}},
    # In groups of the same labels as others: of another receiver, and of another route.
    {"labels": {"alertname": "Stale", "model": "churn", "tier": "P2"}},
    {"labels": {"alertname": "Late", "model": "fraud", "tier": "P3"}},
]


@pytest.fixture(scope="module")
def pagerduty() -> Iterator[Receiver]:
    with Receiver() as started:
        yield started


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory, pagerduty: Receiver) -> Iterator[RealAlertmanager]:
    """Pages by four routes, three of them of one receiver."""
    folder = tmp_path_factory.mktemp("alertmanager")
    details = {"fingerprints": "{{ range .Alerts }}{{ .Fingerprint }} {{ end }}"}
    paging = [{"url": f"{pagerduty.url}/page", "routing_key": "k" * 32, "details": details}]
    routes = [
        {
            "matchers": ['tier="P1"', 'alertname!="Collapse"'],
            "receiver": "oncall",
            "group_by": ["alertname", "model", "feature"],
            "routes": [{"matchers": ['team=~"growth-.+"'], "receiver": "growth", "group_by": ["model"]}],
        },
        {"matchers": ['tier=~"P1|P2"'], "receiver": "oncall", "group_by": ["model"]},
        {"matchers": ["tier=P3"], "receiver": "oncall", "group_by": ["model"]},
    ]
    route = {"receiver": "oncall", "group_wait": "0s", "group_interval": "1s", "routes": routes}
    receivers = [{"name": name, "pagerduty_configs": paging} for name in ("oncall", "growth")]
    path = folder / "alertmanager.yaml"
    path.write_text(yaml.safe_dump({"route": route, "receivers": receivers}))
    with RealAlertmanager(path, folder) as started:
        started.fire(*ALERTS)
        yield started


def asking(url: str, **more: str) -> Alertmanager:
    return Alertmanager(AlertmanagerApi.model_validate({"url": url, **more}), Path())


def test_a_deduplication_key_leads_to_the_alerts_of_its_group(
    real: RealAlertmanager, pagerduty: Receiver
) -> None:
    def paged() -> dict[str, set[str]]:
        return {
            one.body["dedup_key"]: set(one.body["payload"]["custom_details"]["fingerprints"].split())
            for one in list(pagerduty.calls)
        }

    until(lambda: len({one for own in paged().values() for one in own}) == len(ALERTS))
    asked = asking(real.url)
    # Two of the six are one group.
    assert len(paged()) == 5
    for key, alerts in paged().items():
        assert set(fingerprints(asked, key)) == alerts
    assert fingerprints(asked, "0" * 64) == []


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
    real.silence(model="fraud")
    until(lambda: record_silences(asked, record, 4.0))
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
