"""docs/alert-to-action.md: its files run in real programs, and its commands print what it says."""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import re
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest

from exporter.act.outcomes import OUTCOMES
from mlslo.catalogue import METRICS
from tests.support.acting import Act, Receiver, until
from tests.support.alertmanagers import Alertmanager
from tests.support.paths import ROOT
from tests.support.sessions import Command, blocks, play, typed

PAGE = (ROOT / "docs/alert-to-action.md").read_text(encoding="utf-8")
SECRETS = {"alertmanager-token": "t0ken", "pagerduty": "hush", "slack": "quiet"}
ALERTS: dict[str, dict[str, Any]] = {
    name: {"labels": {"alertname": name, "model": "fraud", "tier": tier}}
    for name, tier in (
        ("ModelCollapse", "P1"),
        ("QualityLow", "P1"),
        ("FeatureDrift", "P2"),
        ("LabelsStale", "P2"),
        ("ScoreShift", "P2"),
    )
}


def sign(secret: str, signed: bytes) -> str:
    return hmac.new(SECRETS[secret].encode(), signed, hashlib.sha256).hexdigest()


def webhook(key: str) -> tuple[bytes, dict[str, str]]:
    """Return PagerDuty's webhook about an incident."""
    event = {
        "event_type": "incident.acknowledged",
        "occurred_at": datetime.now(UTC).isoformat(),
        "agent": {"summary": "Anna Berg"},
        "data": {"incident_key": key},
    }
    body = json.dumps({"event": event}).encode()
    return body, {"X_PagerDuty_Signature": f"v1={sign('pagerduty', body)}"}


def press(button: dict[str, Any]) -> tuple[bytes, dict[str, str]]:
    """Return Slack's request for a button of a message."""
    payload = {
        "type": "interactive_message",
        "actions": [button],
        "callback_id": "mlslo",
        "user": {"name": "ben"},
    }
    body = urlencode({"payload": json.dumps(payload)}).encode()
    now = f"{time.time():.0f}"
    signature = f"v0={sign('slack', f'v0:{now}:'.encode() + body)}"
    return body, {"X_Slack_Signature": signature, "X_Slack_Request_Timestamp": now}


@pytest.mark.slow
@pytest.mark.xdist_group("real programs")
def test_the_page_works_as_it_stands(tmp_path: Path) -> None:
    files = {block.file: block.text for block in blocks(PAGE) if block.file}
    (tmp_path / "secrets").mkdir()
    with Receiver() as receiver:
        for name, text in {**SECRETS, "slack-url": f"{receiver.url}/slack"}.items():
            (tmp_path / "secrets" / name).write_text(text + "\n")
        configuration = tmp_path / "alertmanager.yaml"
        alertmanager = Alertmanager(configuration, tmp_path / "data")
        actions = files["actions.yaml"].replace("http://localhost:9093", alertmanager.url).replace("1m", "1s")
        (tmp_path / "actions.yaml").write_text(actions.replace("http://localhost:8080", receiver.url))
        with Act(tmp_path, tmp_path / "actions.yaml") as act:
            text = files["alertmanager.yaml"].replace("http://localhost:9849", act.url).replace("10s", "1s")
            text = text.replace("/etc/alertmanager", str(tmp_path / "secrets"))
            paging = f"pagerduty_configs: [{{url: '{receiver.url}/page', "
            configuration.write_text(text.replace("pagerduty_configs: [{", paging))
            (tmp_path / "data").mkdir()
            with alertmanager:
                played(act, alertmanager, receiver)
            session = [
                Command(command.text.replace("http://localhost:9849", act.url), command.expected)
                for command in typed(PAGE)
            ]
            play(session, tmp_path, dict(os.environ))


def played(act: Act, alertmanager: Alertmanager, receiver: Receiver) -> None:
    """Let the alerts fire, and people do what the page says that they did."""
    alertmanager.fire(*ALERTS.values())
    until(lambda: len(act.entries(kind="firing")) == len(ALERTS))
    until(lambda: act.entries(kind="acted"))
    named = {one["fingerprint"]: one["labels"]["alertname"] for one in alertmanager.alerts()}

    def messages(path: str, alert: str) -> list[Any]:
        return [call.body for call in receiver.to(path) if alert in json.dumps(call.body)]

    until(lambda: messages("/page", "QualityLow") and messages("/slack", "FeatureDrift"))
    body, headers = webhook(messages("/page", "QualityLow")[0]["dedup_key"])
    # The attacks first: what is refused leaves no trace but its count.
    assert act.ask("/callbacks/pagerduty", body)[0] == 401
    assert act.ask("/callbacks/pagerduty", body + b" ", **headers)[0] == 403
    assert act.ask("/callbacks/teams", body)[0] == 404
    assert act.entries(kind="acknowledged") == []
    assert act.ask("/callbacks/pagerduty", body, **headers)[0] == 200
    (button,) = messages("/slack", "FeatureDrift")[0]["attachments"][0]["actions"]
    body, headers = press(button)
    assert act.ask("/callbacks/slack", body, **headers)[0] == 200
    found = {(named[one.fingerprint], one.who) for one in act.entries(kind="acknowledged")}
    assert found == {("QualityLow", "Anna Berg"), ("FeatureDrift", "ben")}
    alertmanager.silence(model="fraud", alertname="ScoreShift")
    until(lambda: act.entries(kind="silenced"))
    alertmanager.resolve(*(alert for name, alert in ALERTS.items() if name != "ScoreShift"))
    until(lambda: len(act.entries(kind="resolved")) == len(ALERTS) - 1)
    page = act.ask("/metrics")[1]
    assert 'ml_action_callbacks_total{outcome="refused",source="pagerduty"} 2.0' in page
    # It asked before Alertmanager was there.
    assert "ml_action_alertmanager_failures_total 0.0" not in page
    assert "ml_action_alertmanager_failures_total " in page
    assert sum("callback of pagerduty refused" in line["msg"] for line in act.lines()) == 2


def test_it_names_every_outcome_and_metric() -> None:
    assert all(f"| `{outcome}` |" in PAGE for outcome in OUTCOMES)
    assert {name for name in METRICS if name.startswith(("ml_alert_", "ml_action_"))} - set(
        re.findall(r"ml_\w+", PAGE)
    ) == {"ml_action_requests_total"}
