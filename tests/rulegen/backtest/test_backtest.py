"""`mlslo-rulegen backtest` over small histories, by a real Prometheus."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from datetime import datetime
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
import yaml

from rulegen.backtest.history import Folder
from rulegen.backtest.programs import Workshop
from tests.rulegen.backtest.histories import START, called, rfc3339, write_history, write_specs
from tests.support.paths import ROOT
from tests.support.tools import tool

pytestmark = pytest.mark.slow

HOUR = 3600
SLOS: list[dict[str, Any]] = [
    {"name": "availability", "layer": "service", "objective": 99, "timeWindow": "30d", "sli": {"errors": {}}},
    {
        "name": "drift",
        "layer": "data",
        "sli": {"gauge": {"metric": "ml_feature_psi", "window": "1h", "reference": "training"}},
        "alerts": [{"name": "Drift", "tier": "P2", "when": {"above": 0.2}, "for": "10m"}],
    },
    {
        "name": "auc",
        "layer": "outcome",
        "sli": {"gauge": {"metric": "ml_model_auc_roc", "window": "1h"}},
        "alerts": [{"name": "AucLow", "tier": "P1", "when": {"below": 0.7}, "for": "5m"}],
    },
]
NO_DATA = {"noData": {"tier": "P2", "after": "20m"}}
PSI = 'ml_feature_psi{model="fraud",version="1",window="1h",reference="training",feature="amount"}'


def replayed(
    folder: Path, psi: Callable[[float], float | None], hours: float = 6, step: int = 300, auc: bool = True
) -> Path:
    """Write a history of the counters, of a feature's PSI, by hours, and of an AUC that is low in the fourth hour."""
    steps = range(0, round(hours * HOUR) + 1, step)
    samples: dict[str, list[tuple[float, float]]] = {
        'ml_predictions_total{model="fraud",version="1"}': [(START + s, s * 2) for s in steps],
        'ml_monitor_last_success_timestamp_seconds{model="fraud"}': [(START + s, START + s) for s in steps],
        'ml_sink_up{model="fraud",sink="predictions"}': [(START + s, 1) for s in steps],
        PSI: [(START + s, value) for s in steps if (value := psi(s / HOUR)) is not None],
    }
    if auc:
        samples['ml_model_auc_roc{model="fraud",version="1",window="1h"}'] = [
            (START + s, 0.65 if 3 <= s / HOUR < 4 else 0.8) for s in steps
        ]
    return write_history(folder, samples, START, START + hours * HOUR, f"{step}s")


def bumps(hour: float) -> float:
    """High for half an hour, then for less than the `for`."""
    return 0.3 if 1 <= hour < 1.5 or hour == 2 else 0.1


def judged(specs: list[Path], history: Path, *more: object, code: int = 0) -> dict[str, Any]:
    words = [*specs, "--history", history, "--tools", tool("prometheus").parent, "--format", "json", *more]
    found: dict[str, Any] = json.loads(called("backtest", *words, code=code).stdout)
    return found


def episodes(found: dict[str, Any]) -> list[tuple[str, float, float | None]]:
    """Return the alert, the minute at which it begins, and how many minutes it lasts."""
    return [
        (
            one["labels"]["alertname"],
            (time_of(one["from"]) - START) / 60,
            None if one["seconds"] is None else one["seconds"] / 60,
        )
        for one in found["episodes"]
    ]


def time_of(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()


Judged = tuple[list[Path], Path, dict[str, Any]]
"""Specs, a history, and what `backtest` finds."""


@pytest.fixture(scope="module")
def usual(tmp_path_factory: pytest.TempPathFactory) -> Judged:
    folder = tmp_path_factory.mktemp("usual")
    specs, history = write_specs(folder, SLOS, **NO_DATA), replayed(folder / "history", bumps)
    return specs, history, judged(specs, history)


def test_episodes_of_steps_of_five_minutes_and_no_false_alarm_of_missing_data(usual: Judged) -> None:
    *_, found = usual
    # The gauge is known from its step on; `for` counts from there. No SLONoData: rates exist between steps, too.
    assert episodes(found) == [("Drift", 70, 20), ("AucLow", 185, 55)]
    assert [one["worst"] for one in found["episodes"]] == [0.3, 0.65]
    told = {(one["alert"], one["receiver"], one["kind"], one["count"]) for one in found["notified"]}
    assert told == {("Drift", "chat", "message", 1), ("AucLow", "oncall", "page", 1)}
    assert found["notJudged"] == []
    assert found["note"] is None


def test_an_age_does_not_grow_within_a_long_step(tmp_path: Path) -> None:
    """The daemon would have renewed the time of its last success; a label's that stood still is still told."""
    companions = {"labelsStale": {"tier": "P2", "after": "3h"}}
    specs = write_specs(tmp_path, SLOS, companions=companions, **NO_DATA)
    step = 2 * HOUR
    history = replayed(tmp_path / "history", lambda _hour: 0.1, hours=12, step=step, auc=False)
    text = next(history.glob("openmetrics/*.om"))
    watermark = 'ml_label_watermark_timestamp_seconds{model="fraud"}'
    # Labels of the first 4 hours, the first of which came at 2.
    seen = [
        f"{watermark} {START + min(s, 4 * HOUR)} {START + s}" for s in range(2 * HOUR, 12 * HOUR + 1, step)
    ]
    text.write_text("\n".join([*seen, text.read_text()]))
    assert episodes(judged(specs, history)) == [("ModelLabelsStale", 7 * 60 + 1, None)]


def test_a_step_that_is_longer_than_what_rules_look_back_to_is_said(tmp_path: Path) -> None:
    specs = write_specs(tmp_path, SLOS)
    note = judged(specs, replayed(tmp_path / "hours", bumps, step=HOUR))["note"]
    assert note.startswith(
        "The history's step is 1h, and ErrorBudgetFastBurn, ErrorBudgetSlowBurn look back over less (5m at least)"
    )


def test_budgets_of_groups_and_of_the_calendar(tmp_path: Path) -> None:
    """Of three tenants, one of which fails half of its requests, the two largest have a budget."""
    grouped = {**SLOS[0], "name": "by-tenant", "groupBy": ["tenant"], "maxGroups": 2}
    calendar = {"timeWindow": {"calendar": "month", "zone": "Europe/Berlin"}, "alerting": {"for": "2m"}}
    specs = write_specs(tmp_path, [grouped, {**SLOS[0], "name": "month", **calendar}])
    steps = range(0, 6 * HOUR + 1, 300)
    samples: dict[str, list[tuple[float, float]]] = {}
    for rate, failing, tenant in ((1, 0.0, "acme"), (2, 0.0, "blue"), (3, 0.5, "cyan")):
        labels = f'model="fraud",version="1",tenant="{tenant}"'
        samples[f"ml_predictions_total{{{labels}}}"] = [(START + s, float(s * rate)) for s in steps]
        samples[f"ml_prediction_errors_total{{{labels}}}"] = [(START + s, s * rate * failing) for s in steps]
    found = judged(specs, write_history(tmp_path / "history", samples, START, START + 6 * HOUR, "5m"))
    told = [(one["slo"], one["alert"], one["count"]) for one in found["notified"]]
    assert told == [
        ("by-tenant", "ErrorBudgetFastBurn", 1),
        ("month", "ErrorBudgetFastBurn", 1),
        ("by-tenant", "SLOTooManyGroups", 1),
    ]
    assert {one["labels"].get("tenant") for one in found["episodes"]} == {"cyan", None}
    assert found["notJudged"] == []


def test_a_gauge_that_is_withheld_is_missed_from_that_step_on(tmp_path: Path) -> None:
    specs = write_specs(tmp_path, SLOS, **NO_DATA)
    history = replayed(tmp_path / "history", lambda hour: None if 2 <= hour < 3 else 0.1)
    found = judged(specs, history)
    assert episodes(found) == [("SLONoData", 140, 40), ("AucLow", 185, 55)]
    assert found["episodes"][0]["labels"]["slo"] == "drift"


def test_what_the_history_has_no_series_of_is_not_judged(tmp_path: Path) -> None:
    specs = write_specs(tmp_path, SLOS, **NO_DATA)
    found = judged(specs, replayed(tmp_path / "history", bumps, auc=False))
    assert [name for name, _, _ in episodes(found)] == ["Drift"]
    assert [(one["slo"], one["alert"]) for one in found["notJudged"]] == [
        ("auc", "AucLow"),
        ("auc", "SLONoData"),
    ]


def test_a_running_prometheus_gives_what_a_folder_gives(tmp_path: Path) -> None:
    specs = write_specs(tmp_path, SLOS, **NO_DATA)
    history = replayed(tmp_path / "history", bumps, step=60)
    tools = tool("prometheus").parent
    folder = Folder.read(history)
    with Workshop(tools) as workshop, folder.opened(workshop) as server:
        words = [
            *specs,
            "--prometheus",
            server.url,
            "--from",
            rfc3339(START),
            "--to",
            rfc3339(START + 6 * HOUR),
        ]
        done = called("backtest", *words, "--tools", tools, "--format", "json")
    running, kept = json.loads(done.stdout), judged(specs, history)
    assert running["episodes"] == kept["episodes"] != []
    assert running["messages"] == kept["messages"]


def test_blocks_give_what_text_gives_and_stay_as_they_are(usual: Judged, tmp_path: Path) -> None:
    specs, text, from_text = usual
    history = shutil.copytree(text, tmp_path / "history")
    words = ["tsdb", "create-blocks-from", "openmetrics", *map(str, history.glob("openmetrics/*"))]
    command = [str(tool("promtool")), *words, str(history / "blocks")]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    shutil.rmtree(history / "openmetrics")
    before = {path: path.read_bytes() for path in history.rglob("*") if path.is_file()}
    assert judged(specs, history) == {**from_text, "history": str(history)}
    assert {path: path.read_bytes() for path in history.rglob("*") if path.is_file()} == before


def test_a_budget_that_is_exceeded_is_named_with_its_place(tmp_path: Path) -> None:
    tiers = {
        "P1": {"severity": "critical", "receivers": ["oncall"], "expectedPages": {"perMonth": 1}},
        "P2": {"severity": "warning", "receivers": ["chat"], "expectedPages": {"perMonth": 0.5}},
    }
    specs = write_specs(tmp_path, SLOS, {"tiers": tiers})
    history = replayed(tmp_path / "history", bumps)
    done = called(
        "backtest",
        *specs,
        "--history",
        history,
        "--tools",
        tool("prometheus").parent,
        "--format",
        "markdown",
        code=1,
    )
    place = next(i for i, line in enumerate(specs[1].read_text().splitlines(), 1) if "perMonth: 0.5" in line)
    assert f"{specs[1]}:{place}:" in done.stderr
    assert "tier P2: 1 pages in 6h, expected at most 0.5 a month" in done.stderr
    assert done.stderr.count("\n") == 1
    assert done.stdout.startswith("### What these alerts would have done")
    assert "| P2 | Drift | fraud drift | chat | message |  | 1 |" in done.stdout


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def test_what_a_change_adds_and_removes_against_a_folder_and_a_revision(tmp_path: Path) -> None:
    specs = write_specs(tmp_path / "repository", SLOS)
    history = replayed(tmp_path / "history", bumps)
    called("generate", *specs, "--out", tmp_path / "out")
    git = ["git", "-C", str(tmp_path / "repository"), "-c", "user.name=a", "-c", "user.email=a@example.org"]
    for words in (["init", "-q"], ["add", "."], ["commit", "-qm", "first"]):
        subprocess.run([*git, *words], check=True)
    edit(specs[0], "above: 0.2", "above: 0.4")
    edit(specs[0], "below: 0.7", "below: 0.6")
    edit(specs[0], "name: AucLow", "name: AucVeryLow")
    edit(specs[0], "below: 0.6", "below: 0.66")
    for compared in (["--out", tmp_path / "out"], ["--against", "HEAD"]):
        found = judged(specs, history, *compared)
        changes = {one["alert"]: one for one in found["changes"]}
        assert set(changes) == {"Drift", "AucLow", "AucVeryLow"}
        assert [one["from"] for one in changes["Drift"]["removed"]] == [rfc3339(START + 70 * 60)]
        assert changes["AucLow"]["after"] is None
        assert changes["AucVeryLow"]["before"] is None
        assert changes["AucVeryLow"]["after"] == {"oncall": 1}
    subprocess.run([*git, "commit", "-qam", "second"], check=True)
    assert judged(specs, history, "--against", "HEAD")["changes"] == []


MISTAKES = {
    "no tools": (["--history", "history", "--tools", "nowhere"], "prometheus: not found in nowhere"),
    "no history": (["--history", "nothing"], "nothing/history.json: cannot be read"),
    "both": (
        ["--history", "history", "--prometheus", "http://localhost:1"],
        "expected one of --history and --prometheus",
    ),
    "none": ([], "expected one of --history and --prometheus"),
    "no server": (
        ["--prometheus", "http://127.0.0.1:1", "--from", "2026-01-01T00:00:00Z"],
        "http://127.0.0.1:1: cannot be reached",
    ),
    "no from": (["--prometheus", "http://127.0.0.1:1"], "expected --from"),
    "no time": (["--history", "history", "--from", "yesterday"], "expected a time such as"),
    "outside": (["--history", "history", "--from", "2030-01-01T00:00:00Z"], "expected --from before --to"),
    "no revision": (["--history", "history", "--against", "nothing"], "git"),
    "no folder": (["--history", "history", "--out", "nothing"], "nothing: expected rules/*.yaml"),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_is_one_line(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", f"{tool('prometheus').parent}:{os.environ['PATH']}")
    specs = write_specs(Path("specs"), SLOS)
    replayed(Path("history"), bumps)
    words, message = MISTAKES[name]
    done = called("backtest", *specs, *words, code=2)
    assert message in done.stderr.splitlines()[-1]
    assert "Traceback" not in done.stderr


def test_a_server_that_refuses_is_one_line_without_the_password(tmp_path: Path) -> None:
    asked: list[str | None] = []

    class Refusing(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            asked.append(self.headers["Authorization"])
            self.send_response(401)
            self.end_headers()

        def log_message(self, *_: Any) -> None: ...

    (tmp_path / "secret").write_text("reader:hidden\n")
    specs = write_specs(tmp_path, SLOS)
    with HTTPServer(("127.0.0.1", 0), Refusing) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_port}"
        words = ["--prometheus", url, "--from", rfc3339(START), "--tools", tool("prometheus").parent]
        done = called("backtest", *specs, *words, "--basic-auth-file", tmp_path / "secret", code=2)
        server.shutdown()
    assert asked == ["Basic cmVhZGVyOmhpZGRlbg=="]
    assert done.stderr == f"{url}: 401 Unauthorized: it wants a user and a password\n"


def test_a_history_of_another_model_is_refused(tmp_path: Path) -> None:
    specs = write_specs(tmp_path, SLOS)
    history = replayed(tmp_path / "history", bumps)
    edit(history / "history.json", '["fraud"]', '["other"]')
    done = called("backtest", *specs, "--history", history, "--tools", tool("prometheus").parent, code=2)
    assert "it is a history of other, and the specs are of fraud" in done.stderr


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_nothing_is_left_of_a_command_that_is_killed(how: signal.Signals, tmp_path: Path) -> None:
    specs = write_specs(tmp_path, SLOS)
    history = replayed(tmp_path / "history", bumps, hours=40)
    command = [sys.executable, "-m", "rulegen", "backtest", *map(str, specs)]
    command += ["--history", str(history), "--tools", str(tool("prometheus").parent)]
    environment = {**os.environ, "TMPDIR": str(tmp_path / "temporary")}
    (tmp_path / "temporary").mkdir()
    process = subprocess.Popen(command, cwd=ROOT, env=environment, stderr=subprocess.DEVNULL)
    wait(lambda: any((tmp_path / "temporary").glob("*/prometheus.log")))
    (workshop,) = (tmp_path / "temporary").iterdir()
    assert running(workshop)
    process.send_signal(how)
    process.wait(60)
    wait(lambda: not running(workshop) and not workshop.exists())


def running(workshop: Path) -> list[str]:
    """Return the processes whose command line names the folder."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = path.read_bytes()
        except OSError:
            continue
        if str(workshop).encode() in words:
            found.append(words.decode())
    return found


def wait(found: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 300
    while not found():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_an_alert_may_not_page_more_often_than_its_tier(tmp_path: Path) -> None:
    slos = yaml.safe_load(yaml.safe_dump(SLOS))
    slos[1]["alerts"][0]["expectedPages"] = {"perMonth": 3}
    tiers = {
        "P1": {"severity": "critical", "receivers": ["oncall"]},
        "P2": {"severity": "warning", "receivers": ["chat"], "expectedPages": {"perMonth": 2}},
    }
    specs = write_specs(tmp_path, slos, {"tiers": tiers})
    done = called("check", *specs, "--out", tmp_path / "out", code=2)
    assert "expected at most 2, which all of tier P2 may have, got 3" in done.stderr
