"""Budgets of the calendar: the rules' PromQL by promtool, against dates of the time zone database."""

from __future__ import annotations

import json
import random
import subprocess
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import yaml
from click.testing import CliRunner

from rulegen.cli import main
from rulegen.promql.conventions import LOCAL_TIME_RECORD, PERIOD_ELAPSED_RECORD, PERIOD_RECORD
from rulegen.slo.calendar import Calendar
from rulegen.spec.time_windows import CalendarWindow
from tests.support.paths import ROOT, ROUTING
from tests.support.tools import installed, tool

# Arithmetic, and a test that asks the oldest and the newest promtool by itself.
pytestmark = pytest.mark.one_version

ZOO = ROOT / "tests/zoo/calendars.yaml"
ZONES = (
    "UTC", "Europe/Berlin", "America/New_York", "Pacific/Auckland", "Australia/Lord_Howe", "Africa/Cairo",
    "Asia/Kathmandu", "America/Santiago", "Asia/Jerusalem", "Europe/Dublin",
)  # fmt: skip


def _begin(kind: str, day: date) -> date:
    if kind == "week":
        return day - timedelta(days=day.weekday())
    return day.replace(day=1, month=day.month if kind == "month" else (day.month - 1) // 3 * 3 + 1)


def _part(kind: str, local: datetime) -> float:
    """The part of the period that is over on the clock; a quarter is three months that count alike."""
    begin = _begin(kind, local.date())
    if kind == "quarter":
        return ((local.month - begin.month) + _part("month", local)) / 3
    end = begin + timedelta(days=7) if kind == "week" else _begin("month", begin + timedelta(days=31))
    minutes = (local - datetime(begin.year, begin.month, begin.day)) // timedelta(minutes=1)
    return minutes / ((end - begin).days * 1440)


def _moments(zone: ZoneInfo, rng: random.Random) -> list[datetime]:
    """Any, and those around the midnight of days on which something begins, and around changes of the clock."""
    found = [
        datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=rng.randrange(20 * 365 * 86_400))
        for _ in range(4)
    ]
    for _ in range(3):
        first = datetime(rng.randrange(2026, 2046), rng.randrange(1, 13), 1)
        monday = first + timedelta(days=7 * rng.randrange(4) - first.weekday())
        for local in (first, monday, monday + timedelta(hours=3)):
            midnight = local.replace(tzinfo=zone).astimezone(UTC)
            found += [midnight + timedelta(seconds=second) for second in (-1, 0, 1)]
    return found


@pytest.mark.parametrize("zone", ZONES)
def test_rules_know_the_period_of_every_moment(zone: str, tmp_path: Path) -> None:
    known, rng = ZoneInfo(zone), random.Random(zone)
    checks: list[dict[str, Any]] = []
    for kind in ("month", "quarter", "week"):
        window = CalendarWindow.model_validate({"calendar": kind, "zone": zone})
        records = {one.name: one.expression for one in Calendar(window, lambda name: f"<{name}>").records({})}
        clock = f"({records[LOCAL_TIME_RECORD]})"
        for moment in _moments(known, rng):
            local = moment.astimezone(known).replace(tzinfo=None)
            expected = {
                LOCAL_TIME_RECORD: (local - datetime(1970, 1, 1)).total_seconds(),
                PERIOD_RECORD: int(f"{_begin(kind, local.date()):%Y%m%d}"),
                PERIOD_ELAPSED_RECORD: round(1e9 * _part(kind, local)),
            }
            for name, value in expected.items():
                query = records[name].replace(f"<{LOCAL_TIME_RECORD}>", clock)
                query = f"round(1e9 * ({query}))" if name == PERIOD_ELAPSED_RECORD else query
                time = f"{round(moment.timestamp())}s"
                checks.append({"expr": query, "eval_time": time, "exp_samples": [{"value": value}]})
    test = {"interval": "1000d", "promql_expr_test": checks}
    path = tmp_path / "period_test.yaml"
    path.write_text(json.dumps({"rule_files": [], "evaluation_interval": "1000d", "tests": [test]}))
    done = subprocess.run([tool("promtool"), "test", "rules", path], capture_output=True, text=True)
    assert done.returncode == 0, (done.stdout + done.stderr)[:3000]


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("calendars")
    result = CliRunner().invoke(main, ["generate", str(ZOO), str(ROUTING), "--out", str(folder)])
    assert result.exit_code == 0, result.stderr
    return folder


@pytest.mark.parametrize("version", [*dict.fromkeys((*installed()[:1], *installed()[-1:]))] or [None])
def test_promtool_passes_every_generated_test(out: Path, version: str | None) -> None:
    tests = sorted((out / "rules").glob("zoo-calendars_*test.yaml"))
    assert len(tests) == 2
    promtool = tool("promtool", version=version)
    done = subprocess.run([promtool, "test", "rules", *tests], capture_output=True, text=True)
    assert done.returncode == 0, (done.stdout + done.stderr)[:3000]


def test_a_budget_begins_anew_in_a_test_of_its_own(out: Path) -> None:
    tests = yaml.safe_load((out / "rules/zoo-calendars_records_test.yaml").read_text())["tests"]
    names = [one["name"] for one in tests if "budget" in one["name"]]
    # A quarter's end is too far away for a test where clocks are ahead of UTC.
    assert names == [
        "Records of month: the budget begins anew with each month of America/New_York",
        "Records of quarter: the budget is that of each quarter of Africa/Cairo",
        "Records of week: the budget begins anew with each week of Pacific/Auckland",
        "Records of plain-week: the budget begins anew with each week",
    ]


def test_alerts_of_a_calendar_say_which_period(out: Path) -> None:
    groups = yaml.safe_load((out / "rules/zoo-calendars.yaml").read_text())["groups"]
    alerts = {
        (rule["labels"]["slo"], rule["alert"]): rule
        for group in groups
        for rule in group["rules"]
        if "alert" in rule
    }
    plain = alerts["quarter", "ErrorBudgetFastBurn"]["annotations"]
    assert "as fast as the objective of 95% over a quarter of Africa/Cairo allows" in plain["summary"]
    assert (
        "Left of the budget of the quarter that began on {{ with query `model_slo:ml_slo_period"
        in plain["description"]
    )
    # Factors are those of 90 days, over windows in proportion.
    assert "above 14.4 over both 3h and 15m (2% of the budget)" in plain["description"]
    assert {rule.get("for") for (slo, name), rule in alerts.items() if slo == "month" and "Burn" in name} == {
        "3m"
    }
    for rule in alerts.values():
        assert not {"period", "revision"} & set(rule["labels"]), "who is told stays"
