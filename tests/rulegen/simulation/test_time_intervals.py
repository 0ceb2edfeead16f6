"""Whether it is inside of a time interval now: the simulation's answer is that of a real Alertmanager."""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from rulegen.simulation.timeintervals import TimeInterval
from rulegen.spec.time_intervals import MONTHS, WEEKDAYS
from tests.differential import zones
from tests.differential.webhooks import Webhooks
from tests.support.alertmanagers import Alertmanager

pytestmark = [pytest.mark.chain, pytest.mark.xdist_group("real programs")]

# Clocks of both were changed this month, most of the time: an hour or two before now.
CHANGED = (zones.Zone("Spring", 7200, -90, 3600), zones.Zone("Autumn", 7200, -90, -3600))


def entries(names: list[str]) -> list[dict[str, Any]]:
    """Every day of the month from both of its ends, every weekday, month, and hour, in every zone."""
    found: list[dict[str, Any]] = []
    for name in names:
        kinds: list[tuple[str, list[Any]]] = [
            ("days_of_month", [*range(-31, 0), *range(1, 32), "5:-5", "-10:-1", "28:31", "27:-1"]),
            ("weekdays", [*WEEKDAYS, "monday:friday"]),
            ("months", [*MONTHS, "1:12", "march:june", "11"]),
            ("years", ["2000:2020", "2021:2100"]),
        ]
        found += [{key: [str(value)], "location": name} for key, values in kinds for value in values]
        hours = [{"start_time": f"{hour:02}:00", "end_time": f"{hour + 1:02}:00"} for hour in range(24)]
        found += [{"times": [hour], "location": name} for hour in hours]
    return found


class WithZones(Alertmanager):
    def __init__(self, configuration: Path, data: Path, folder: Path) -> None:
        super().__init__(configuration, data)
        self._command = ["env", f"ZONEINFO={folder}", *self._command]


def test_every_kind_of_range_in_months_with_changed_clocks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(zones, "ZONES", CHANGED)
    monkeypatch.setattr(zones, "NAMES", {f"Test/{zone.name}": zone for zone in CHANGED})
    folder = tmp_path / "zones"
    folder.mkdir()
    zones.write(folder, int(time.time()))
    with zones.known(folder), Webhooks() as webhooks:
        drawn = entries(["UTC", "Europe/Berlin", *zones.NAMES])
        url = f"http://127.0.0.1:{webhooks.port}/"
        configuration = {
            "route": {
                "receiver": "all",
                "group_by": ["n"],
                "group_wait": "0s",
                "routes": [
                    {"matchers": [f'n="{n}"'], "active_time_intervals": [str(n)]} for n in range(len(drawn))
                ],
            },
            "receivers": [{"name": "all", "webhook_configs": [{"url": url}]}],
            "time_intervals": [{"name": str(n), "time_intervals": [entry]} for n, entry in enumerate(drawn)],
        }
        (tmp_path / "alertmanager.yaml").write_text(json.dumps(configuration))
        with WithZones(tmp_path / "alertmanager.yaml", tmp_path, folder) as server:
            before = datetime.now(UTC)
            server.fire(*({"labels": {"n": str(n)}} for n in [*range(len(drawn)), "last"]))
            deadline = time.monotonic() + 100
            while not any(body["groupLabels"] == {"n": "last"} for _, _, body in list(webhooks.received)):
                assert time.monotonic() < deadline
                time.sleep(0.05)
            time.sleep(1)
            after = datetime.now(UTC)
        told = {body["groupLabels"]["n"] for _, _, body in webhooks.received} - {"last"}
        inside = [
            {str(n) for n, entry in enumerate(drawn) if TimeInterval.of(entry).contains(now)}
            for now in (before, after)
        ]
    # Of what begins or ends meanwhile nobody can say.
    assert inside[0] & inside[1] <= told <= inside[0] | inside[1]
    assert 20 < len(told) < len(drawn) / 2
