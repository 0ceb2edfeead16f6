"""An error budget for each group: by promtool where time is long, by Prometheus and Alertmanager where they meet."""

from __future__ import annotations

import json
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner, Result

from examples.standins import Delivery, Standins, headline
from rulegen.cli import main
from tests.support.alertmanagers import Alertmanager
from tests.support.paths import CONTRACT, ROOT
from tests.support.prometheus import Prometheus
from tests.support.tools import installed, tool

ZOO, NATIVE = ROOT / "tests/zoo/groups.yaml", ROOT / "tests/zoo/native.yaml"


def a_slo(**keys: Any) -> dict[str, Any]:
    slo = {
        "name": "answers", "layer": "service", "objective": 99, "timeWindow": "30d", "groupBy": ["tenant"],
        "sli": {"errors": {}}, **keys,
    }  # fmt: skip
    return {
        "apiVersion": "mlslo/v1",
        "kind": "ModelSLO",
        "metadata": {"name": "fraud"},
        "spec": {"model": "fraud", "slos": [slo], "noData": {"tier": "P2", "after": "10m"}},
    }


def generated(folder: Path, slo: dict[str, Any] | Path, routing: Path = CONTRACT / "routing.yaml") -> Path:
    path = slo if isinstance(slo, Path) else folder / "slo.yaml"
    if not isinstance(slo, Path):
        path.write_text(yaml.safe_dump(slo))
    result = CliRunner().invoke(main, ["generate", str(path), str(routing), "--out", str(folder / "out")])
    assert result.exit_code == 0, result.stderr
    return folder / "out"


def promtool(version: str | None, *tests: Path) -> None:
    done = subprocess.run(
        [tool("promtool", version=version), "test", "rules", *tests], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.one_version
@pytest.mark.slow
@pytest.mark.parametrize("version", sorted({*installed()[:1], *installed()[-1:]}))
def test_promtool_passes_the_tests_of_groups(tmp_path: Path, version: str) -> None:
    promtool(version, *generated(tmp_path, ZOO).glob("rules/zoo-groups*_test.yaml"))


@pytest.mark.one_version
@pytest.mark.slow
@pytest.mark.parametrize("version", installed()[-1:])
def test_promtool_passes_the_tests_of_groups_that_are_counted_twice(tmp_path: Path, version: str) -> None:
    """By the same counters, of a month in one SLO: too many groups of the one are too many of the other."""
    spec = a_slo(maxGroups=3)
    month = {"timeWindow": {"calendar": "month", "zone": "Europe/Berlin"}, "alerting": {"for": "2m"}}
    spec["spec"]["slos"].append({**spec["spec"]["slos"][0], "name": "month", **month})
    promtool(version, *generated(tmp_path, spec).glob("rules/fraud*_test.yaml"))


@pytest.mark.one_version
@pytest.mark.slow
@pytest.mark.parametrize("version", installed()[1:])
def test_promtool_passes_the_tests_of_native_histograms(tmp_path: Path, version: str) -> None:
    routing = tmp_path / "routing.yaml"
    text = (CONTRACT / "routing.yaml").read_text()
    routing.write_text(text.replace('prometheus: "2.42"', 'prometheus: "2.53"'))
    promtool(version, *generated(tmp_path, NATIVE, routing).glob("rules/zoo-native*_test.yaml"))


def test_native_histograms_need_a_prometheus_that_has_them(tmp_path: Path) -> None:
    arguments = ["generate", str(NATIVE), str(CONTRACT / "routing.yaml"), "--out", str(tmp_path / "out")]
    result = CliRunner().invoke(main, arguments)
    first = f"{NATIVE}:12:37: native needs Prometheus 2.53, target.prometheus is 2.42"
    assert (result.exit_code, result.stderr.splitlines()[0].split(";")[0]) == (2, first)
    assert not (tmp_path / "out").exists()


def test_a_generated_test_fails_where_groups_are_not_told_apart(tmp_path: Path) -> None:
    """Each rule that loses its groups is caught by promtool; that of what is known takes 5 tenants for one."""
    out = generated(tmp_path, a_slo(maxGroups=3))
    rules = out / "rules" / "fraud.yaml"
    text = rules.read_text()
    for old, new in (
        (
            "sum by (model, tenant) (rate(ml_prediction_errors_total",
            "sum by (model) (rate(ml_prediction_errors_total",
        ),
        ("sum by (model, tenant) (rate(ml_predictions_total", "sum by (model) (rate(ml_predictions_total"),
        ("scalar(3 - ", "scalar(4 - "),
        ("topk(\n", "bottomk(\n"),
        ("unless on (tenant)\n        last_over_time", "and on (tenant)\n        last_over_time"),
        ("group(model_slo:ml_slo_events:rate5m", "absent(model_slo:ml_slo_events:rate5m"),
        (',tenant!=""}[1d]) >= 10', ',tenant!=""}[1d]) >= 1'),
    ):
        assert old in text, old
        rules.write_text(text.replace(old, new))
        with pytest.raises(AssertionError, match="FAILED"):
            promtool(None, out / "rules" / "fraud_test.yaml")


def told(folder: Path, alerts: list[dict[str, Any]], slo: dict[str, Any], **expect: Any) -> Result:
    """Simulate alerts of ``slo`` that fire for an hour."""
    spec = {"start": "2026-10-25T09:00:00Z", "length": "1h", "alerts": alerts, "expect": expect}
    scenario = {
        "apiVersion": "mlslo/v1",
        "kind": "AlertScenario",
        "metadata": {"name": "groups"},
        "spec": spec,
    }
    (folder / "slo.yaml").write_text(yaml.safe_dump(slo))
    (folder / "scenario.yaml").write_text(yaml.safe_dump(scenario))
    files = [folder / "slo.yaml", CONTRACT / "routing.yaml", "--scenario", folder / "scenario.yaml"]
    return CliRunner().invoke(main, ["simulate", *map(str, files)])


FAST = {"alert": "ErrorBudgetFastBurn", "model": "fraud", "slo": "answers", "from": "1m"}
SLOW = {"alert": "ErrorBudgetSlowBurn", "model": "fraud", "slo": "answers", "from": "5m"}
DRIFT = {
    "name": "drift",
    "layer": "data",
    "sli": {"gauge": {"metric": "ml_features_drifted_ratio", "window": "1h", "reference": "training"}},
    "alerts": [{"name": "Drift", "tier": "P2", "when": {"above": 0.3}, "for": "10m"}],
}


def test_one_tenant_s_page_neither_silences_nor_joins_another_s(tmp_path: Path) -> None:
    """What is about no tenant (the drift of the model) it silences, as the routing file says."""
    slo = a_slo()
    # Another SLO by the same names of alerts, which has no groups.
    other = {**slo["spec"]["slos"][0], "name": "everybody", "groupBy": None}
    other = {key: value for key, value in other.items() if value is not None}
    slo["spec"]["slos"] += [
        other,
        DRIFT,
        {**a_slo()["spec"]["slos"][0], "name": "latency", "sli": {"latency": {"below": "250ms"}}},
    ]
    acme, blue = {"labels": {"tenant": "acme"}}, {"labels": {"tenant": "blue"}}
    result = told(
        tmp_path,
        [
            {**FAST, **acme}, {**SLOW, **acme}, {**SLOW, **blue}, {**FAST, **blue, "from": "20m"},
            {"alert": "Drift", "labels": {"version": "1"}, "from": "10m"},
            {**SLOW, "slo": "everybody"}, {**SLOW, "slo": "latency", **blue},
            {"alert": "SLONoData", "model": "fraud", "slo": "answers", "from": "10m"},
        ],
        slo,
        notified=[
            {"alert": "ErrorBudgetFastBurn", "receiver": "oncall", "status": "firing", "times": 1, **acme},
            {"alert": "ErrorBudgetFastBurn", "receiver": "oncall", "status": "firing", "times": 1, **blue},
            {"alert": "ErrorBudgetSlowBurn", "slo": "answers", "until": "20m", **blue},
            {"alert": "ErrorBudgetSlowBurn", "slo": "latency", **blue},
            {"alert": "ErrorBudgetSlowBurn", "slo": "everybody"},
            {"alert": "SLONoData"},
        ],
        heldBack=[
            {"alert": "ErrorBudgetSlowBurn", "slo": "answers", "because": "inhibited", **acme},
            {"alert": "ErrorBudgetSlowBurn", "slo": "answers", "because": "inhibited", "from": "21m", **blue},
            {"alert": "Drift", "because": "inhibited"},
        ],
        notNotified=[{"alert": "ErrorBudgetSlowBurn", "slo": "answers", **acme}, {"alert": "Drift"}],
    )  # fmt: skip
    assert result.exit_code == 0, result.output


def test_a_scenario_says_which_group_it_is_about(tmp_path: Path) -> None:
    result = told(tmp_path, [FAST], a_slo())
    assert result.exit_code == 2
    assert "'tenant'" in result.stderr, result.stderr


def test_groups_in_the_operator_s_form_and_in_words(tmp_path: Path) -> None:
    """A dashboard's row for each, the worst first; what is said of a change; an AlertmanagerConfig's `groupBy`."""
    before = a_slo()
    del before["spec"]["slos"][0]["groupBy"]
    generated(tmp_path, before)
    (tmp_path / "slo.yaml").write_text(yaml.safe_dump(a_slo()))
    files = [str(tmp_path / "slo.yaml"), str(CONTRACT / "routing.yaml"), "--out", str(tmp_path / "out")]
    result = CliRunner().invoke(main, ["check", *files])
    assert result.exit_code == 1
    assert "SLO answers: one error budget → an error budget for each tenant, 100 at most" in result.output
    assert "SLOTooManyGroups" in result.output
    out = generated(tmp_path, a_slo())
    configuration = yaml.safe_load((out / "alertmanager/alertmanager.yaml").read_text())
    assert configuration["route"]["group_by"] == ["model", "slo", "tenant"]
    panels = {
        panel["title"]: panel for panel in json.loads((out / "dashboards/fraud.json").read_text())["panels"]
    }
    table = panels["answers: error budget left by tenant"]
    assert table["type"] == "table"
    assert table["options"]["sortBy"] == [{"displayName": "left", "desc": False}]
    assert "tenant=NAME" in (out / "runbooks/fraud.md").read_text()


def of_tenants(expression: str, time: str, tenants: Mapping[str, float]) -> dict[str, Any]:
    return {
        "expr": expression,
        "eval_time": time,
        "exp_samples": [
            {"labels": f'{{tenant="{name}"}}', "value": value} for name, value in tenants.items()
        ],
    }


@pytest.mark.slow
def test_a_group_that_is_gone_is_told_for_a_day_and_then_forgotten(tmp_path: Path) -> None:
    """`small` goes after an hour, and is back two days later; `brief` was there for five minutes only."""
    out = generated(tmp_path, a_slo(maxGroups=3))
    count = "ml_predictions_total"
    known = 'count by (tenant) (model_slo:ml_slo_events:known_groups{slo="answers"})'
    gone = 'count by (tenant) (ALERTS{{alertname="SLOGroupNoData",alertstate="{}"}})'
    day, hour = 24 * 60, 60
    test = {
        "rule_files": ["fraud.yaml"],
        "evaluation_interval": "1m",
        "tests": [
            {
                "interval": "1m",
                "input_series": [
                    {"series": f'{count}{{model="fraud",tenant="big"}}', "values": f"0+60x{3 * day}"},
                    {
                        "series": f'{count}{{model="fraud",tenant="small"}}',
                        "values": f"0+6x{hour} _x{2 * day} 0+6x{day}",
                    },
                    {"series": f'{count}{{model="fraud",tenant="brief"}}', "values": "0+6x3"},
                    # There is room for it when another is forgotten.
                    {"series": f'{count}{{model="fraud",tenant="late"}}', "values": f"_x30 0+1x{3 * day}"},
                ],
                "promql_expr_test": [
                    of_tenants(gone.format(state), at, who)
                    for state, at, who in (
                        ("firing", "1h", {}),
                        ("pending", "1h10m", {"small": 1}),
                        ("firing", "1h20m", {"small": 1}),
                        ("firing", "24h50m", {"small": 1}),
                        ("firing", "25h10m", {}),
                        ("firing", "49h10m", {}),
                    )
                ]
                + [
                    of_tenants(known, at, dict.fromkeys(who, 1))
                    for at, who in (
                        ("40m", ("big", "brief", "small")),
                        ("25h50m", ("big", "late")),
                        ("49h10m", ("big", "late", "small")),
                    )
                ],
            }
        ],
    }  # fmt: skip
    path = out / "rules" / "own_test.yaml"
    path.write_text(yaml.safe_dump(test))
    promtool(None, path)


class Tenants(threading.Thread):
    """An exporter of requests by tenant, 40 a second of each; some fail, some are gone."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.failing: set[str] = set()
        self.gone: set[str] = set()
        self._ended = threading.Event()
        self.counts = {(tenant, code): 0 for tenant in ("acme", "blue", "corp") for code in ("200", "500")}

    def run(self) -> None:
        while not self._ended.wait(0.1):
            for tenant in ("acme", "blue", "corp"):
                self.counts[tenant, "500" if tenant in self.failing else "200"] += 4

    def end(self) -> None:
        self._ended.set()
        self.join()

    def page(self) -> str:
        lines = [
            f'http_requests_total{{tenant="{tenant}",code="{code}"}} {count}'
            for (tenant, code), count in self.counts.items()
            # The counter of a code appears with its first request.
            if count and tenant not in self.gone
        ]
        return "# TYPE http_requests_total counter\n" + "".join(f"{line}\n" for line in lines)


@contextmanager
def exporting(tenants: Tenants) -> Iterator[str]:
    class Page(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = tenants.page().encode()
            self.send_response(200)
            self.send_header("Content-Type", "text/plain; version=0.0.4")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Page)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    tenants.start()
    try:
        yield f"127.0.0.1:{server.server_port}"
    finally:
        tenants.end()
        server.shutdown()
        server.server_close()


def a_routing(folder: Path, standins: Standins) -> Path:
    (folder / "key").write_text("0123456789abcdef" * 2)
    (folder / "slack").write_text(standins.slack_url)
    page = {"routing_key_file": str(folder / "key"), "url": standins.pagerduty_url}
    chat = {"api_url_file": str(folder / "slack"), "channel": "#ml-alerts"}
    spec = {
        "evaluationInterval": "1s",
        "tiers": {
            "P1": {"severity": "critical", "receivers": ["oncall"]},
            "P2": {"severity": "warning", "receivers": ["chat"]},
        },
        "groupBy": ["model", "slo"],
        "groupWait": "1s",
        "groupInterval": "2s",
        "repeatInterval": "4h",
        "receivers": {"oncall": {"pagerduty_configs": [page]}, "chat": {"slack_configs": [chat]}},
        "suppressLowerTiers": True,
    }
    path = folder / "routing.yaml"
    path.write_text(
        yaml.safe_dump(
            {"apiVersion": "mlslo/v1", "kind": "AlertRouting", "metadata": {"name": "default"}, "spec": spec}
        )
    )
    return path


@pytest.mark.chain
def test_one_of_three_tenants_breaks_and_its_page_names_it(tmp_path: Path) -> None:
    """Then another is gone, which its page must not hide; and the third breaks, which gets a page of its own."""
    slo = a_slo(
        timeWindow="1d",
        sli={
            "ratio": {
                "errors": 'sum by (tenant) (rate(http_requests_total{code=~"5.."}[{{.window}}]))',
                "total": "rate(http_requests_total[{{.window}}])",
            }
        },
        alerting={
            "windows": [
                {"factor": 10, "short": "5s", "long": "15s", "burn": "fast"},
                {"factor": 5, "short": "10s", "long": "30s", "burn": "slow"},
            ]
        },
        noData={"after": "15s"},
    )
    tenants = Tenants()
    with Standins() as standins, exporting(tenants) as address:
        out = generated(tmp_path, slo, a_routing(tmp_path, standins))
        data = tmp_path / "alertmanager"
        data.mkdir()
        with (
            Alertmanager(out / "alertmanager/alertmanager.yaml", data) as alertmanager,
            Prometheus(
                tmp_path / "prometheus", [out / "rules/fraud.yaml"], [address], [alertmanager.address]
            ) as prometheus,
        ):

            def wait(what: str, found: Callable[[], object], seconds: float = 300) -> None:
                deadline = time.monotonic() + seconds
                while not found():
                    said = [headline(one) for one in standins.deliveries]
                    alerts = [one["metric"] for one in prometheus.query("ALERTS")]
                    assert time.monotonic() < deadline, f"{what} never came: {said} {alerts}"
                    time.sleep(0.2)

            def deliveries(kind: str, tenant: str) -> list[Delivery]:
                text = f"tenant {tenant}"
                return [
                    one for one in standins.deliveries if one.kind == kind and text in json.dumps(one.payload)
                ]

            record = 'model_slo:ml_slo_errors_per_events:ratio_rate30s{slo="answers"}'
            wait("all tenants", lambda: len(prometheus.query(record)) == 3)
            assert standins.deliveries == []
            tenants.failing = {"acme"}
            wait("the page", lambda: deliveries("pagerduty", "acme"))
            assert "tenant acme" in headline(deliveries("pagerduty", "acme")[0])
            # Its slow alert is held back by its page.
            slow = 'ALERTS{alertname="ErrorBudgetSlowBurn",alertstate="firing",tenant="acme"}'
            wait("the slow alert", lambda: prometheus.query(slow))
            wait("inhibition", lambda: alertmanager.inhibited("fraud") == {"ErrorBudgetSlowBurn"})
            # What was there for less than `noData.after` is not missed.
            there = 'count_over_time(model_slo:ml_slo_events:rate5s{tenant="blue"}[1d]) > 20'
            wait("a tenant to miss", lambda: prometheus.query(there))
            tenants.gone = {"blue"}
            wait("the message of what is gone", lambda: deliveries("slack", "blue"))
            tenants.failing = {"acme", "corp"}
            wait("the other page", lambda: deliveries("pagerduty", "corp"))
            opened = [one for one in standins.deliveries if one.effect == "triggered"]
            assert len(opened) == 2, "an incident for each tenant"
            assert deliveries("pagerduty", "blue") == deliveries("slack", "acme") == []
            assert len(standins.open_incidents) == 2
            broken = [rule for rule in prometheus.rules() if rule["health"] != "ok"]
            assert broken == []
