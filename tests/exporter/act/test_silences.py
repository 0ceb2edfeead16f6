"""Silences of a real Alertmanager, as its API tells them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from exporter.act.outcomes import Counters
from exporter.act.record import Entry, Record
from exporter.act.silences import Silences
from mlslo.actions import AlertmanagerApi
from tests.support.acting import until
from tests.support.alertmanagers import Alertmanager
from tests.support.servers import free_port

FAILURES = "ml_action_alertmanager_failures_total"


@pytest.fixture
def record(tmp_path: Path) -> Iterator[Record]:
    found = Record(tmp_path)
    yield found
    found.close()


def test_who_silences_an_alert_that_goes_on_is_recorded_once(record: Record, tmp_path: Path) -> None:
    path = tmp_path / "alertmanager.yaml"
    path.write_text(yaml.safe_dump({"route": {"receiver": "none"}, "receivers": [{"name": "none"}]}))
    with Alertmanager(path, tmp_path) as real:
        names = ("Drift", "Collapse", "Stale")
        real.fire(*({"labels": {"alertname": name, "model": "fraud"}} for name in names))
        until(lambda: len(real.alerts()) == len(names))
        of = {one["labels"]["alertname"]: one["fingerprint"] for one in real.alerts()}
        for alert in ("Collapse", "Stale"):
            record.append(Entry(1.0, "firing", alert, "fraud", of[alert], 1.0))
        record.append(Entry(2.0, "resolved", "Stale", "fraud", of["Stale"], 1.0))
        settings = AlertmanagerApi.model_validate({"url": real.url})
        silences = Silences(settings, Path(), record, Counters(record, [], 0.0))
        assert silences.update(3.0) == 0
        real.silence(model="fraud")
        until(lambda: silences.update(4.0))
        # Stale has ended, and of Drift it was never heard.
        (found,) = record.entries(kind="silenced")
        assert (found.alert, found.who, found.started) == ("Collapse", "anna", 1.0)
        assert json.loads(found.detail)["comment"] == "known"
        assert silences.update(5.0) == 0


@pytest.mark.parametrize("token", [None, "no such file"], ids=["away", "token"])
def test_an_alertmanager_that_cannot_be_asked_is_counted_and_said_once(
    record: Record, token: str | None, caplog: pytest.LogCaptureFixture
) -> None:
    settings = AlertmanagerApi.model_validate({"url": f"http://127.0.0.1:{free_port()}", "tokenFile": token})
    counters = Counters(record, [], 0.0)
    silences = Silences(settings, Path(), record, counters)
    silences.poll()
    silences.poll()
    assert counters.series(0.0)[FAILURES] == {(): 2.0}
    (said,) = caplog.messages
    assert "silences not read" in said
