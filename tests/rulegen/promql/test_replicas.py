"""A model in three pods: its alerts are about the model, whatever becomes of a pod."""

import http.server
import json
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import promql_parser
import pytest
import yaml
from click.testing import CliRunner

from mlslo.catalogue import METRICS
from rulegen.cli import main
from rulegen.promql.replicas import refusal
from tests.support.paths import ROUTING, ZOO
from tests.support.prometheus import Prometheus
from tests.support.tools import tool

SPEC = ZOO / "replicas.yaml"
CONDITIONS = [ZOO / "conditions.yaml", ZOO / "conditions_events.yaml"]
SCRAPE = {"instance", "pod", "job"}


def generate(out: Path, *specs: Path, routing: Path = ROUTING) -> Path:
    arguments = ["generate", *map(str, specs), str(routing), "--out", str(out)]
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 0, result.stderr
    return out / "rules"


@pytest.fixture(scope="module")
def rules(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return generate(tmp_path_factory.mktemp("replicas"), SPEC)


def promtool(*tests: Path) -> None:
    done = subprocess.run([tool("promtool"), "test", "rules", *tests], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_promtool_passes_every_generated_test(rules: Path) -> None:
    tests = sorted(rules.glob("reps*_test.yaml"))
    assert [path.name for path in tests] == ["reps_test.yaml"]
    promtool(*tests)


def _series(name: str, pod: str, values: str, **labels: str) -> dict[str, str]:
    inside = {"model": "reps", "version": "1", "window": "1h", **labels, "instance": pod, "job": "mlslo"}
    text = ",".join(f"{label}={json.dumps(value)}" for label, value in inside.items())
    return {"series": f"{name}{{{text}}}", "values": values}


def test_a_restart_neither_ends_an_alert_nor_begins_it_again(rules: Path, tmp_path: Path) -> None:
    """Pod a restarts as d after ten minutes and measures again five minutes later; c has no row count."""
    gone, late = " stale _x19", "_x14 "
    given = []
    for metric, bad in (("ml_model_recall", "0.4"), ("ml_model_accuracy", "0.7")):
        given += [
            _series(metric, "a", f"{bad}x9{gone}"),
            _series(metric, "b", f"{bad}x29"),
            _series(metric, "c", f"{bad}x29"),
            _series(metric, "d", f"{late}{bad}x14"),
        ]
    given += [
        _series("ml_monitor_samples", "a", f"9000x9{gone}"),
        _series("ml_monitor_samples", "b", "3000x29"),
        # Few rows, and a value that would be healthy if it counted as much as the others.
        _series("ml_model_recall", "few", "0.9x29"),
        _series("ml_monitor_samples", "few", "210x29"),
        _series("ml_monitor_samples", "d", "_x9 0+20x20"),
        # Thirty a second in each of two pods; the third that comes counts from its first scrape on.
        _series("ml_predictions_per_second", "a", f"30x9{gone}"),
        _series("ml_predictions_per_second", "b", "30x29"),
        _series("ml_predictions_per_second", "d", "_x9 0x2 30x17"),
    ]
    file = yaml.safe_load((rules / "reps.yaml").read_text())
    path = tmp_path / "restart_test.yaml"

    def always(alert: str, first: int) -> list[dict[str, Any]]:
        rule = next(r for group in file["groups"] for r in group["rules"] if r.get("alert") == alert)
        labels = {"alertstate": "firing", "__name__": "ALERTS", "alertname": alert, **rule["labels"]}
        labels |= {"version": "1", "window": "1h"}
        kept = ",".join(
            f"{label}={json.dumps(value)}" for label, value in labels.items() if label != "__name__"
        )
        sample = [{"labels": f"ALERTS{{{kept}}}", "value": 1}]
        return [
            {
                "expr": f'ALERTS{{alertname="{alert}",alertstate="firing"}}',
                "eval_time": f"{now}m",
                "exp_samples": sample,
            }
            for now in range(first, 30)
        ]

    busy = 'max_over_time(ALERTS{alertname="NoPredictions"}[30m])'
    test = {
        "interval": "1m",
        "input_series": given,
        "promql_expr_test": [
            *always("RecallLow", 2),
            *always("AccuracyLow", 2),
            {"expr": busy, "eval_time": "29m", "exp_samples": []},
            # (3000 x 0.4 + 210 x 0.9) / 3210 once a is gone and d withholds; c weighs nothing.
            {
                "expr": "round(model_version:ml_model_recall:weighted_avg, 0.0001)",
                "eval_time": "12m",
                "exp_samples": [
                    {"labels": '{model="reps",version="1",window="1h",slo="recall"}', "value": 0.4327}
                ],
            },
        ],
    }
    data = {"rule_files": [str(rules / "reps.yaml")], "evaluation_interval": "1m", "tests": [test]}
    path.write_text(json.dumps(data))
    promtool(path)


def test_every_rule_reads_its_metrics_without_the_labels_of_the_scrape(rules: Path, tmp_path: Path) -> None:
    """What an alert or a record selects is a record, or is aggregated; absent() has no labels at all."""
    folder = generate(tmp_path, *CONDITIONS, ROUTING.with_name("fraud.slo.yaml"))
    found = 0
    for path in [rules / "reps.yaml", *(folder / f"{name}.yaml" for name in ("zoo", "zoo-events", "fraud"))]:
        for group in yaml.safe_load(path.read_text())["groups"]:
            for rule in group["rules"]:
                raw = [name for name in _loose(promql_parser.parse(rule["expr"])) if name in METRICS]
                assert raw == [], f"{path.name}: {rule}"
                found += 1
    assert found > 150


def _loose(node: Any) -> Iterator[str]:
    """The metrics whose scrape labels reach the result of an expression."""
    match node:
        case promql_parser.AggregateExpr():
            modifier = node.modifier
            by = modifier is None or "By" in str(modifier.type)
            if not by or (modifier and SCRAPE & set(modifier.labels)):
                yield from _loose(node.expr)
        case promql_parser.Call() if node.func.name == "absent":
            return
        case promql_parser.Call():
            for argument in node.args:
                yield from _loose(argument)
        case promql_parser.BinaryExpr():
            yield from _loose(node.lhs)
            yield from _loose(node.rhs)
        case promql_parser.ParenExpr() | promql_parser.UnaryExpr() | promql_parser.SubqueryExpr():
            yield from _loose(node.expr)
        case promql_parser.MatrixSelector():
            yield node.vector_selector.name or ""
        case promql_parser.VectorSelector():
            yield node.name or ""


def test_what_can_be_summed_or_averaged_follows_from_the_catalogue() -> None:
    for metric in METRICS.values():
        assert refusal(metric, "worst") is None
        assert (refusal(metric, "sum") is None) == metric.additive
    means = {name for name, metric in METRICS.items() if refusal(metric, "weighted") is None}
    assert {
        "ml_model_recall",
        "ml_feature_psi",
        "ml_feature_missing_ratio",
        "ml_fairness_selection_rate",
    } <= means
    assert not means & {
        "ml_feature_min",
        "ml_feature_max",
        "ml_calibration_max_error",
        "ml_feature_last_seen_timestamp_seconds",
        "ml_reference_created_timestamp_seconds",
        "ml_predictions_per_second",
        "ml_features_drifted",
        "ml_feature_ks_p_value",
        "ml_feature_quantile",
        "ml_sink_up",
        "ml_comparison_difference",
        "ml_comparison_difference_lower_bound",
    }
    # Weights are rows of one version.
    assert all("version" in METRICS[name].labels for name in means)


class Pod:
    """Serves a page of metrics."""

    def __init__(self) -> None:
        pod = self

        class Page(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.send_response(200)
                self.send_header("Content-Type", "text/plain; version=0.0.4")
                self.end_headers()
                self.wfile.write(pod.page.encode())

            def log_message(self, *_: object) -> None:
                pass

        self.page = ""
        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Page)
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> "Pod":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def measures(self, gauges: dict[str, float], rows: int | None) -> None:
        """What it serves from now on; without ``rows``, no count of them."""
        of = 'model="reps",version="1",window="1h"'
        lines = [f"{name}{{{of}}} {value}" for name, value in gauges.items()]
        if rows is not None:
            lines.append(f"ml_monitor_samples{{{of}}} {rows}")
        lines.append(f'ml_monitor_last_success_timestamp_seconds{{model="reps"}} {time.time()}')
        self.page = "\n".join([*lines, ""])


@pytest.mark.chain
@pytest.mark.xdist_group("programs that wait")
def test_a_real_prometheus_sees_one_alert_through_a_restart(tmp_path: Path) -> None:
    """It begins once, and goes on while a pod is replaced by one that measures nothing yet."""
    routing = tmp_path / "routing.yaml"
    routing.write_text(ROUTING.read_text().replace("evaluationInterval: 1m", "evaluationInterval: 1s"))
    spec = tmp_path / "reps.yaml"
    spec.write_text(SPEC.read_text().replace("for: 2m", "for: 2s"))
    folder = generate(tmp_path / "out", spec, routing=routing)
    bad = {"ml_model_recall": 0.4, "ml_model_accuracy": 0.7, "ml_predictions_per_second": 30.0}
    with ExitStack() as stack:
        first, second, third, later = (stack.enter_context(Pod()) for _ in range(4))
        first.measures(bad, 9000)
        second.measures(bad, 3000)
        third.measures({**bad, "ml_model_recall": 0.9}, None)
        targets = [pod.address for pod in (first, second, third)]
        prometheus = stack.enter_context(
            Prometheus(tmp_path / "prometheus", [folder / "reps.yaml"], targets, [])
        )
        expected = {"RecallLow", "AccuracyLow", "MuchTraffic"}
        begun = _wait_for(prometheus, expected)
        assert {"instance", "job"} & {label for alert in begun.values() for label in alert["labels"]} == set()
        # The new one has predicted, and not enough for a gauge.
        later.measures({"ml_predictions_per_second": 0.5}, 20)
        prometheus.scrape([pod.address for pod in (later, second, third)])
        _until(lambda: len(prometheus.query('ml_model_recall{job="mlslo"}')) == 2)
        until = time.monotonic() + 5
        while time.monotonic() < until:
            now = firing(prometheus)
            assert {name: now[name]["activeAt"] for name in begun} == {
                name: alert["activeAt"] for name, alert in begun.items()
            }
            time.sleep(0.2)
        recall = prometheus.query("model_version:ml_model_recall:weighted_avg")
        assert [float(sample["value"][1]) for sample in recall] == [0.4]
        assert all(rule["health"] == "ok" for rule in prometheus.rules())


def firing(prometheus: Prometheus) -> dict[str, dict[str, Any]]:
    found = [alert for rule in prometheus.rules() for alert in rule.get("alerts", [])]
    return {alert["labels"]["alertname"]: alert for alert in found if alert["state"] == "firing"}


def _wait_for(prometheus: Prometheus, names: set[str]) -> dict[str, dict[str, Any]]:
    _until(lambda: firing(prometheus).keys() >= names)
    return {name: alert for name, alert in firing(prometheus).items() if name in names}


def _until(found: Any) -> None:
    deadline = time.monotonic() + 100
    while not found():
        assert time.monotonic() < deadline
        time.sleep(0.1)
