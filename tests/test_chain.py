"""The whole chain with nothing replaced but Slack and PagerDuty: a log goes in, somebody is told.

Two models share one exporter, one Prometheus and the rules. `payments` fails and drifts at once; `loans` only
drifts. The same alerts go to two Alertmanagers: the second one has the data layer muted.
"""

from __future__ import annotations

import json
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml

from examples.standins import Delivery, Standins, headline
from tests.support.alertmanagers import Alertmanager
from tests.support.commands import exporter, served
from tests.support.logs import monitor, write_lines
from tests.support.prometheus import Prometheus

pytestmark = [pytest.mark.chain, pytest.mark.timeout(1800), pytest.mark.xdist_group("real programs")]

MODELS = ("payments", "loans")


def slo(model: str) -> dict[str, Any]:
    return {
        "apiVersion": "mlslo/v1",
        "kind": "ModelSLO",
        "metadata": {
            "name": model,
            "labels": {"team": "risk"},
            "annotations": {"runbook_url": f"https://runbooks.example.org/{model}"},
        },
        "spec": {
            "model": model,
            "slos": [
                {
                    "name": "errors",
                    "layer": "service",
                    "sli": {"gauge": {"metric": "ml_prediction_error_ratio", "window": "10s"}},
                    "alerts": [{"name": "Outage", "tier": "P1", "when": {"above": 0.5}, "for": "2s"}],
                },
                {
                    "name": "drift",
                    "layer": "data",
                    "sli": {"gauge": {"metric": "ml_feature_psi", "window": "10s", "reference": "training"}},
                    # Longer than the outage takes to fire: the inhibiting alert must come first.
                    "alerts": [{"name": "FeatureDrift", "tier": "P2", "when": {"above": 0.5}, "for": "12s"}],
                },
            ],
        },
    }


def routing(standins: Standins, secrets: Path, *, muted: bool) -> dict[str, Any]:
    secrets.mkdir(exist_ok=True)
    (secrets / "pagerduty").write_text("0123456789abcdef" * 2)
    (secrets / "slack").write_text(standins.slack_url)
    spec: dict[str, Any] = {
        "target": {"prometheus": "2.42", "alertmanager": "0.25"},
        "evaluationInterval": "1s",
        "tiers": {
            "P1": {"severity": "critical", "receivers": ["oncall", "ml-slack"]},
            "P2": {"severity": "warning", "receivers": ["ml-slack"]},
        },
        "groupBy": ["model", "slo"],
        "groupWait": "1s",
        "groupInterval": "2s",
        "repeatInterval": "4h",
        "receivers": {
            "oncall": {
                "pagerduty_configs": [
                    {"routing_key_file": str(secrets / "pagerduty"), "url": standins.pagerduty_url}
                ]
            },
            "ml-slack": {
                "slack_configs": [{"api_url_file": str(secrets / "slack"), "channel": "#ml-alerts"}]
            },
            "dead-mans-switch": {"webhook_configs": [{"url": standins.webhook_url}]},
        },
        "inhibit": [
            {"source": {"layer": "service", "tier": "P1"}, "target": {"layers": ["data"]}, "equal": ["model"]}
        ],
        "suppressLowerTiers": True,
        "watchdog": {"receivers": ["dead-mans-switch"]},
    }
    if muted:
        spec["timeIntervals"] = {"retraining": {"times": ["00:00-24:00"]}}
        spec["mute"] = [{"during": "retraining", "layers": ["data"]}]
        spec["accept"] = [{"lint": "alert-reaches-nobody", "reason": "that nobody is told is what is tested"}]
    return {"apiVersion": "mlslo/v1", "kind": "AlertRouting", "metadata": {"name": "default"}, "spec": spec}


class Traffic(threading.Thread):
    """Predictions of both models, thirty a second each; what is wrong with them can be changed."""

    def __init__(self, folder: Path) -> None:
        super().__init__(daemon=True)
        self._folder = folder
        self._ended = threading.Event()
        self.failing: set[str] = set()
        self.drifted: set[str] = set()

    def run(self) -> None:
        generator = random.Random(1)
        number = 0
        while not self._ended.wait(0.1):
            for model in MODELS:
                shift = 3.0 if model in self.drifted else 0.0
                status = 503 if model in self.failing else 200
                records = [
                    {
                        "ts": time.time(),
                        "id": f"{number}-{i}",
                        "status": status,
                        "score": generator.random(),
                        "features": {"amount": generator.gauss(shift, 1)},
                    }
                    for i in range(3)
                ]
                write_lines(self._folder / model / "logs/predictions.jsonl", records)
            number += 1

    def end(self) -> None:
        self._ended.set()
        self.join()


@dataclass
class Chain:
    traffic: Traffic
    standins: Standins
    muted: Standins
    prometheus: Prometheus
    alertmanager: Alertmanager
    phases: dict[str, float] = field(default_factory=dict)

    def wait(self, what: str, found: Callable[[], bool], seconds: float = 300) -> None:
        deadline = time.monotonic() + seconds
        while not found():
            states = {rule["name"]: rule.get("state") for rule in self.prometheus.rules()}
            told = [
                f"{item.kind}: {headline(item)}"
                for item in self.standins.deliveries
                if item.kind != "webhook"
            ]
            assert time.monotonic() < deadline, f"{what} never came: {states} {told} {self.standins.refused}"
            time.sleep(0.2)


def told(standins: Standins, kind: str, model: str) -> list[Delivery]:
    """Deliveries of one kind about one model."""
    return [item for item in standins.deliveries if item.kind == kind and model in json.dumps(item.payload)]


@pytest.fixture(scope="module")
def chain(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chain]:
    folder = tmp_path_factory.mktemp("chain")
    generator = random.Random(0)
    monitors = []
    for model in MODELS:
        home = folder / model
        content = monitor(
            labels=None, windows=["10s"], minSamples=50, references={"training": {"static": "training.json"}}
        )
        content["metadata"]["name"] = model
        write_lines(
            home / "training.jsonl", ({"features": {"amount": generator.gauss(0, 1)}} for _ in range(5000))
        )
        (home / "monitor.yaml").write_text(yaml.safe_dump(content))
        (home / "slo.yaml").write_text(yaml.safe_dump(slo(model)))
        exporter(
            "baseline",
            home / "monitor.yaml",
            "--data",
            home / "training.jsonl",
            "--out",
            home / "training.json",
        )
        monitors.append(home / "monitor.yaml")
    specs = [*monitors, *(folder / model / "slo.yaml" for model in MODELS)]
    with ExitStack() as stack:
        traffic = Traffic(folder)
        traffic.start()
        stack.callback(traffic.end)
        alertmanagers, standins = [], []
        for name, muted in (("plain", False), ("muted", True)):
            services = stack.enter_context(Standins())
            path = folder / f"routing-{name}.yaml"
            path.write_text(yaml.safe_dump(routing(services, folder / f"secrets-{name}", muted=muted)))
            out = folder / f"generated-{name}"
            command = [sys.executable, "-W", "error", "-m", "rulegen", "generate", *specs, path, "--out", out]
            subprocess.run([str(part) for part in command], check=True, timeout=60)
            data = folder / f"alertmanager-{name}"
            data.mkdir()
            alertmanagers.append(
                stack.enter_context(Alertmanager(out / "alertmanager/alertmanager.yaml", data))
            )
            standins.append(services)
        address = _start_exporter(stack, folder, monitors)
        rules = [
            path
            for path in (folder / "generated-plain/rules").glob("*.yaml")
            if not path.stem.endswith("_test")
        ]
        targets = [manager.address for manager in alertmanagers]
        prometheus = stack.enter_context(Prometheus(folder / "prometheus", rules, [address], targets))
        yield Chain(traffic, standins[0], standins[1], prometheus, alertmanagers[0])


def _start_exporter(stack: ExitStack, folder: Path, monitors: list[Path]) -> str:
    command = [sys.executable, "-W", "error", "-m", "exporter", "run", *map(str, monitors)]
    options = ["--web.listen-address", "127.0.0.1:0", "--state-dir", str(folder / "state")]
    process = subprocess.Popen([*command, *options], stderr=subprocess.PIPE, text=True)

    def stop() -> None:
        process.send_signal(signal.SIGTERM)
        with process.stderr or ExitStack():
            process.communicate(timeout=60)

    stack.callback(stop)
    assert process.stderr is not None
    line = process.stderr.readline()
    assert "/metrics" in line, line
    return served(line).removeprefix("http://")


def test_a_log_wakes_the_right_person_once(chain: Chain) -> None:
    """One story, told in order: healthy, broken, repaired."""
    # Healthy: the dead man's switch hears from us, nobody else does.
    chain.wait("a healthy window", lambda: len(chain.prometheus.query("ml_feature_psi < 0.3")) == 2)
    chain.wait("the watchdog", lambda: any(item.kind == "webhook" for item in chain.standins.deliveries))
    assert all(rule["health"] == "ok" for rule in chain.prometheus.rules())
    assert [item for item in chain.standins.deliveries if item.kind != "webhook"] == []

    # payments fails and drifts, loans only drifts.
    chain.traffic.failing = {"payments"}
    chain.traffic.drifted = {"payments", "loans"}
    chain.wait("the page", lambda: bool(told(chain.standins, "pagerduty", "payments")))
    chain.wait("the message", lambda: bool(told(chain.standins, "slack", "loans")))
    chain.wait("inhibition", lambda: chain.alertmanager.inhibited("payments") == {"FeatureDrift"})
    pages = told(chain.standins, "pagerduty", "payments")
    assert [page.effect for page in pages] == ["triggered"]
    assert pages[0].payload["payload"]["severity"] == "critical"
    assert "Outage" in headline(pages[0]) or "errors" in headline(pages[0])
    # P1 goes to Slack as well, P2 to Slack only.
    chain.wait("P1 in Slack", lambda: bool(told(chain.standins, "slack", "payments")))
    assert told(chain.standins, "pagerduty", "loans") == []
    # The outage keeps the drift of the same model quiet, not that of the other one.
    assert not any(
        "FeatureDrift" in json.dumps(item.payload) for item in told(chain.standins, "slack", "payments")
    )
    assert chain.alertmanager.inhibited("loans") == set()
    # Where the data layer is muted, the drift is not told, and the page comes all the same.
    chain.wait("the page of the muted one", lambda: bool(told(chain.muted, "pagerduty", "payments")))
    assert told(chain.muted, "slack", "loans") == []

    # Repaired: both are resolved, and nothing else is said.
    chain.traffic.failing = set()
    chain.traffic.drifted = set()
    chain.wait("the resolved incident", lambda: chain.standins.open_incidents == {})
    chain.wait("the resolved message", lambda: len(told(chain.standins, "slack", "loans")) == 2)
    chain.wait(
        "quiet",
        lambda: (
            {rule.get("state") for rule in chain.prometheus.rules() if rule["name"] != "Watchdog"}
            <= {"inactive", None}
        ),
    )
    time.sleep(4)  # two group intervals, in which nothing more may come
    effects = [page.effect for page in told(chain.standins, "pagerduty", "payments")]
    assert effects == ["triggered", "resolved"]
    assert len(told(chain.standins, "slack", "loans")) == 2
    assert told(chain.muted, "slack", "loans") == []
    assert chain.standins.refused == []
    assert chain.muted.refused == []
