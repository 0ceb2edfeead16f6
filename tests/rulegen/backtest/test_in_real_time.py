"""A stretch of history, backtested, and driven in real time through Prometheus and Alertmanager: both say the same."""

from __future__ import annotations

import json
import math
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from tests.differential.webhooks import Webhooks
from tests.rulegen.backtest.histories import Samples, called, write_history, write_specs
from tests.support.alertmanagers import Alertmanager
from tests.support.prometheus import Prometheus
from tests.support.tools import tool
from tests.support.turns import unless_late

pytestmark = [pytest.mark.slow, pytest.mark.one_version, pytest.mark.xdist_group("real programs")]

LENGTH = 80


class Unhurried(Prometheus):
    """Sends an alert again after a minute, as Prometheus does by itself and as is simulated."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._command = [word for word in self._command if "resend-delay" not in word]


GROUP_INTERVAL = 3
# Scrape and evaluation lag by up to a second each, and then a message waits for the next flush of its group.
LATE = GROUP_INTERVAL + 2.5

SLOS: list[dict[str, Any]] = [
    {
        "name": "errors",
        "layer": "service",
        "sli": {"gauge": {"metric": "ml_prediction_error_ratio", "window": "10s"}},
        "alerts": [{"name": "Outage", "tier": "P1", "when": {"above": 0.5}, "for": "3s"}],
    },
    {
        "name": "drift",
        "layer": "data",
        "sli": {"gauge": {"metric": "ml_feature_psi", "window": "10s", "reference": "training"}},
        "alerts": [
            {"name": "Drift", "tier": "P2", "when": {"above": 0.2}, "for": "5s"},
            {"name": "Kept", "tier": "P2", "when": {"above": 0.6}, "for": "2s", "keepFiringFor": "8s"},
            {
                "name": "ManyDrift",
                "tier": "P2",
                "when": {"above": 0.2, "series": {"atLeast": 2}},
                "for": "5s",
            },
        ],
        "noData": False,
    },
    {
        "name": "auc",
        "layer": "outcome",
        "sli": {"gauge": {"metric": "ml_model_auc_roc", "window": "10s"}},
        "alerts": [
            {"name": "AucLow", "tier": "P2", "when": {"below": 0.7}, "breaches": {"atLeast": 4, "ofLast": 8}},
            {
                "name": "AucDrop",
                "tier": "P2",
                "when": {"dropFrom": {"window": "10s", "offset": "10s", "by": 0.1}},
            },
        ],
    },
]


def samples(begin: float) -> dict[str, list[tuple[float, float]]]:
    """One sample a second of each gauge. Each change is some seconds from the next, so that no race decides."""
    seconds = range(LENGTH + 1)
    common = 'model="fraud",version="1",window="10s"'
    psi: dict[str, Callable[[int], float]] = {
        # Long enough for `for`, too short for it, then beyond the higher limit with a gap.
        "amount": lambda s: 0.4 if 8 <= s < 24 else 0.9 if 44 <= s < 48 or 52 <= s < 60 else 0.05,
        "country": lambda s: 0.3 if 8 <= s < 24 or 30 <= s < 32 else 0.02,
    }
    found = {
        f"ml_prediction_error_ratio{{{common}}}": [
            (begin + s, 0.8 if 48 <= s < 64 else 0.0) for s in seconds
        ],
        # Withheld for a while: the companion says so.
        f"ml_model_auc_roc{{{common}}}": [
            (begin + s, 0.6 if 26 <= s < 34 else 0.85) for s in seconds if not 40 <= s < 56
        ],
        'ml_monitor_last_success_timestamp_seconds{model="fraud"}': [(begin + s, begin + s) for s in seconds],
    }
    for feature, value in psi.items():
        name = f'ml_feature_psi{{{common},feature="{feature}",reference="training"}}'
        found[name] = [(begin + s, value(s)) for s in seconds]
    return found


class Gauges:
    """A page of each series at the value that it has at the present second; empty where there is none."""

    def __init__(self) -> None:
        self._by_second: dict[str, dict[int, float]] = {}

    def show(self, history: Samples) -> None:
        self._by_second = {
            series: {math.floor(moment): value for moment, value in own} for series, own in history.items()
        }

    def page(self) -> str:
        now = math.floor(time.time())
        return "".join(f"{series} {own[now]!r}\n" for series, own in self._by_second.items() if now in own)


@contextmanager
def exposed(gauges: Gauges) -> Iterator[str]:
    """Serve the page, and yield its address."""

    class Page(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/plain; version=0.0.4")
            self.end_headers()
            self.wfile.write(gauges.page().encode())

        def log_message(self, *_: Any) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Page)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


# Receiver, group, what of it fires, what of it ended.
Told = tuple[str, str, frozenset[str], frozenset[str]]


def shown(labels: dict[str, str]) -> str:
    return f"{labels['alertname']} {labels.get('feature', '')}".strip()


def received(webhooks: Webhooks, begin: float) -> list[tuple[float, Told]]:
    """What came, seconds after the beginning of the history."""
    found = []
    for arrived, path, body in webhooks.received:
        by_status = {
            status: frozenset(shown(one["labels"]) for one in body["alerts"] if one["status"] == status)
            for status in ("firing", "resolved")
        }
        told = (
            path.strip("/"),
            body["groupLabels"].get("slo", ""),
            by_status["firing"],
            by_status["resolved"],
        )
        found.append((arrived - begin, told))
    return found


@unless_late(0.5)
def test_a_backtest_says_what_prometheus_and_alertmanager_say_in_real_time(tmp_path: Path) -> None:
    with Webhooks() as webhooks:
        receivers = {
            name: {"webhook_configs": [{"url": f"http://127.0.0.1:{webhooks.port}/{name}"}]}
            for name in ("oncall", "chat")
        }
        routing = {
            "target": {"prometheus": "2.42", "alertmanager": "0.25"},
            "evaluationInterval": "1s",
            "groupWait": "1s",
            "groupInterval": f"{GROUP_INTERVAL}s",
            "repeatInterval": "4h",
            "receivers": receivers,
            "inhibit": [
                {
                    "source": {"layer": "service", "tier": "P1"},
                    "target": {"layers": ["data"]},
                    "equal": ["model"],
                }
            ],
        }
        specs = write_specs(tmp_path / "specs", SLOS, routing, noData={"tier": "P2", "after": "6s"})
        out = tmp_path / "out"
        called("generate", *specs, "--out", out)
        configuration = out / "alertmanager/alertmanager.yaml"
        (tmp_path / "am").mkdir()
        gauges = Gauges()
        with exposed(gauges) as target, Alertmanager(configuration, tmp_path / "am") as alertmanager:
            rules = [path for path in (out / "rules").glob("*.yaml") if "_test" not in path.stem]
            with Unhurried(tmp_path / "prometheus", rules, [target], [alertmanager.address]):
                begin = math.ceil(time.time()) + 2
                history = samples(begin)
                gauges.show(history)
                time.sleep(begin + LENGTH - time.time())
                driven = received(webhooks, begin)
    folder = write_history(tmp_path / "history", history, begin, begin + LENGTH, "1s")
    command = [
        "backtest",
        *specs,
        "--history",
        folder,
        "--format",
        "json",
        "--tools",
        tool("prometheus").parent,
    ]
    found = json.loads(called(*command).stdout)
    simulated = [
        (
            datetime.fromisoformat(one["time"]).timestamp() - begin,
            (
                one["receiver"],
                one["groupLabels"].get("slo", ""),
                frozenset(map(shown, one["firing"])),
                frozenset(map(shown, one["resolved"])),
            ),
        )
        for one in found["messages"]
    ]
    simulated = [(moment, told) for moment, told in simulated if moment < LENGTH - 6]
    # In real time there was no monitor before the history began, and its absence ends then.
    driven = [(moment, told) for moment, told in driven if 0 < moment < LENGTH - 6 and told[1] != "monitor"]
    assert len(simulated) >= 12
    for group in {told[:2] for _, told in simulated + driven}:
        one, other = ([pair for pair in pairs if pair[1][:2] == group] for pairs in (driven, simulated))
        assert [told for _, told in one] == [told for _, told in other], group
        for (came, told), (said, _) in zip(one, other, strict=True):
            assert abs(came - said) <= LATE, (told, came, said)
