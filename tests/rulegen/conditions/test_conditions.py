"""Kinds of conditions and SLIs that the contract does not use; promtool judges the generated tests."""

import json
import statistics
import subprocess
from pathlib import Path
from random import Random
from typing import Any

import pytest
import yaml
from click.testing import CliRunner, Result

from rulegen.cli import main
from tests.support.paths import ROUTING, ZOO
from tests.support.tools import tool

SPEC = ZOO / "conditions.yaml"
EVENTS = ZOO / "conditions_events.yaml"
# In files of their own: a test runs every rule of its file.
QUERIES, PAST = (ZOO / f"conditions_{name}.yaml" for name in ("queries", "past"))


def generate(out: Path, *specs: Path) -> Result:
    return CliRunner().invoke(main, ["generate", *map(str, specs), "--out", str(out)])


@pytest.fixture(scope="module")
def result(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Result]:
    out = tmp_path_factory.mktemp("zoo")
    routing = out / "routing.yaml"
    routing.write_text(ROUTING.read_text().replace("evaluationInterval: 1m", "evaluationInterval: 45s"))
    found = generate(out, SPEC, EVENTS, QUERIES, PAST, routing)
    assert found.exit_code == 0, found.stderr
    return out, found


def rules(out: Path) -> dict[str, dict[str, Any]]:
    documents = [
        yaml.safe_load((out / "rules" / f"{name}.yaml").read_text()) for name in ("zoo", "zoo-events")
    ]
    return {
        f"{group['name']}/{rule.get('alert') or rule['record']}": rule
        for document in documents
        for group in document["groups"]
        for rule in group["rules"]
    }


def test_promtool_accepts_everything(result: tuple[Path, Result]) -> None:
    folder = result[0] / "rules"
    written = sorted(path for path in folder.glob("zoo*.yaml") if not path.stem.endswith("_test"))
    assert len(written) == 4
    check: list[str | Path] = [tool("promtool"), "check", "rules", *written]
    done = subprocess.run(check, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("name", ["zoo", "zoo-events", "zoo-queries", "zoo-past"])
def test_promtool_passes_every_generated_test(result: tuple[Path, Result], name: str) -> None:
    """A model at a time: evaluating takes its time."""
    tests = sorted((result[0] / "rules").glob(f"{name}_*test.yaml"))
    done = subprocess.run([tool("promtool"), "test", "rules", *tests], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_what_cannot_fire_or_be_tested_is_said(result: tuple[Path, Result]) -> None:
    lines = result[1].stderr.splitlines()
    text = EVENTS.read_text().splitlines()
    ratio = text.index(
        "          errors: sum(increase(a_total[{{.window}}])) - sum(increase(b_total[{{.window}}]))"
    )
    assert [line.removeprefix(f"{EVENTS}:") for line in lines if line.startswith(f"{EVENTS}:")] == [
        "10:18: warning: the burn rate 13.44 over 1h and 5m is left out: at an objective of 90% "
        "it would need 134.4% bad events [burn-window-left-out]",
        f"{ratio}:9: warning: what these expressions select is not understood, "
        "the records made from them are not tested [not-tested]",
    ]


def test_replicas_are_aggregated_by_what_the_catalogue_says(result: tuple[Path, Result]) -> None:
    found = rules(result[0])
    expressions = {name: rule["expr"].split(" (")[0] for name, rule in found.items()}
    # Lower is better: the worst is the largest. Higher is better: the smallest. Additive: the sum.
    assert expressions["zoo-best/model_version:ml_model_log_loss:max"] == "max by"
    assert expressions["zoo-short-past/model_version:ml_model_recall:min"] == "min by"
    assert expressions["zoo-lag/model_sink:ml_sink_lag_bytes:sum"] == "sum by"
    # Neither: as the conditions look at it.
    assert expressions["zoo-any/model_version:ml_prediction_mean:max"] == "max by"
    assert expressions["zoo-low/model_version:ml_prediction_mean:min"] == "min by"


def test_all_traffic_unless_a_segment_is_named(result: tuple[Path, Result]) -> None:
    found = rules(result[0])
    everything = found["zoo-missing-named/model_version_feature:ml_feature_missing_ratio:max"]["expr"]
    assert 'segment="",segment_value=""' in everything
    each = found["zoo-segments/model_version_feature_segment_value:ml_feature_missing_ratio:max"]["expr"]
    assert 'segment="features.country"}' in each
    assert "segment_value" in each.split("(")[1]
    one = found["zoo-low/model_version:ml_prediction_mean:min"]["expr"]
    assert 'segment="features.country",segment_value="DE"' in one
    crossed = found["zoo-crossed/model_version_segment_value:ml_model_recall:min"]["expr"]
    assert 'segment="features.age_band,features.gender"' in crossed


def test_a_classifier_of_several_classes_is_judged_by_its_macro_average(
    result: tuple[Path, Result], tmp_path: Path
) -> None:
    """The same rule reads a binary model's series, which has no average, and none of a single class."""
    found = rules(result[0])
    assert 'average="weighted"' in found["zoo-weighted/model_version:ml_model_f1:min"]["expr"]
    name = "model_version:ml_model_recall:min"
    (tmp_path / "zoo.yaml").write_text((result[0] / "rules" / "zoo.yaml").read_text())
    labels = {
        "model": 'zoo "quoted" 100%',
        "version": "1",
        "window": "1h",
        "segment": "",
        "segment_value": "",
    }

    def series(average: str, value: str, of: str = "") -> dict[str, str]:
        inside = ",".join(
            f"{label}={json.dumps(text)}"
            for label, text in {**labels, "average": average, "class": of}.items()
        )
        return {"series": f"ml_model_recall{{{inside}}}", "values": value}

    def recorded(averages: dict[str, str], value: float) -> dict[str, Any]:
        sample = {
            "labels": f'{name}{{model="zoo \\"quoted\\" 100%",slo="short-past",version="1",window="1h"}}',
            "value": value,
        }
        return {
            "interval": "45s",
            "input_series": [
                series("", "0.1 0.1", "cat"),
                *(series(average, number) for average, number in averages.items()),
            ],
            "promql_expr_test": [{"expr": name, "eval_time": "45s", "exp_samples": [sample]}],
        }

    tests = [recorded({"macro": "0.5 0.5", "weighted": "0.1 0.1"}, 0.5), recorded({"": "0.7 0.7"}, 0.7)]
    path = tmp_path / "average_test.yaml"
    path.write_text(json.dumps({"rule_files": ["zoo.yaml"], "evaluation_interval": "45s", "tests": tests}))
    done = subprocess.run([tool("promtool"), "test", "rules", path], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_numbers_are_in_shortest_decimal_form(result: tuple[Path, Result]) -> None:
    found = rules(result[0])
    assert found["zoo-lag/SinkBehind"]["expr"].endswith(" > 1000000")
    assert "10 * 0.0005" in found["zoo-events-own-windows/ErrorBudgetFastBurn"]["expr"]


def test_an_alert_keeps_the_annotations_of_its_own(result: tuple[Path, Result]) -> None:
    found = rules(result[0])
    assert found["zoo-best/LogLoss"]["annotations"]["runbook_url"] == "https://runbooks.example.org/loss"
    assert "runbook_url" not in found["zoo-best/TooGoodToBeTrue"]["annotations"]


def test_durations_are_written_as_durations(result: tuple[Path, Result]) -> None:
    tests = yaml.safe_load((result[0] / "rules" / "zoo_test.yaml").read_text())["tests"]
    summary = next(
        expected["exp_annotations"]["summary"]
        for test in tests
        for check in test.get("alert_rule_test", [])
        for expected in check["exp_alerts"]
        if check["alertname"] == "LabelsLate"
    )
    assert "is 2h 1m 40s, above 2h 0m 0s (window 7d, version 1)" in summary


def test_an_alert_whose_baseline_takes_in_the_incident_is_said(tmp_path: Path) -> None:
    """Five minutes of past cannot show a drop that lasts for thirty."""
    spec = tmp_path / "late.yaml"
    spec.write_text(
        """
        apiVersion: mlslo/v1
        kind: ModelSLO
        metadata: {name: late}
        spec:
          model: late
          slos:
            - name: auc
              layer: outcome
              sli: {gauge: {metric: ml_model_auc_roc, window: 7d}}
              alerts:
                - {name: TooLate, tier: P2, when: {dropFrom: {window: 5m, byRatio: 0.2}}, for: 30m}
                - {name: InTime, tier: P2, when: {dropFrom: {window: 1h, byRatio: 0.2}}, for: 30m}
          noData: {tier: P2, after: 3m}
        """
    )
    found = generate(tmp_path, spec, ROUTING)
    assert found.exit_code == 0
    assert [line for line in found.stderr.splitlines() if line.startswith(f"{spec}:")] == [
        f"{spec}:12:51: warning: a lasting drop or change from 0.5 to 0.395 does not fire: "
        "the baseline takes it in before it has lasted long enough [baseline-too-short]"
    ]
    test: list[str | Path] = [
        tool("promtool"),
        "test",
        "rules",
        *(tmp_path / "rules").glob("late_*test.yaml"),
    ]
    done = subprocess.run(test, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_deviation_of_a_past_is_that_of_all_versions_together(
    result: tuple[Path, Result], tmp_path: Path
) -> None:
    """Two versions of different means and lengths; the oracle is the standard library's."""
    (tmp_path / "zoo-past.yaml").write_text((result[0] / "rules" / "zoo-past.yaml").read_text())
    random = Random(7)
    old = [round(1000 + random.gauss(0, 0.5), 3) for _ in range(120)]
    new = [round(1003 + random.gauss(0, 0.1), 3) for _ in range(40)]
    labels = r'model="zoo past \"quoted\" 100%",slo="adaptive",window="1h"'
    record = "model_version:ml_prediction_mean:max"
    given = [
        {"series": f'{record}{{{labels},version="1"}}', "values": " ".join(map(str, old))},
        {"series": f'{record}{{{labels},version="2"}}', "values": "_x80 " + " ".join(map(str, new))},
    ]
    # The record is of the hour until 30 minutes ago; a sample comes every 45 s.
    now, offset, window = 119 * 45, 30 * 60, 3600
    seen = [
        value
        for start, values in ((0, old), (80, new))
        for index, value in enumerate(values, start)
        if now - offset - window <= index * 45 <= now - offset
    ]
    deviation = f"model:ml_prediction_mean:max_stddev1h_offset30m{{{labels}}}"
    close = f"abs({deviation} - {statistics.pstdev(seen)}) < bool 1e-9"
    sample = {"labels": f"{{{labels}}}", "value": 1}
    test = {
        "interval": "45s",
        "input_series": given,
        "promql_expr_test": [{"expr": close, "eval_time": f"{now}s", "exp_samples": [sample]}],
    }
    path = tmp_path / "deviation_test.yaml"
    path.write_text(
        json.dumps({"rule_files": ["zoo-past.yaml"], "evaluation_interval": "45s", "tests": [test]})
    )
    done = subprocess.run([tool("promtool"), "test", "rules", path], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_relative_drop_below_zero_is_a_drop(tmp_path: Path) -> None:
    """R² may be negative: a fifth below -1 is -1.2, and -0.9 is better, not worse."""
    spec = tmp_path / "r2.yaml"
    spec.write_text(
        """
        apiVersion: mlslo/v1
        kind: ModelSLO
        metadata: {name: r2}
        spec:
          model: r2
          slos:
            - name: r2
              layer: outcome
              sli: {gauge: {metric: ml_model_r2, window: 7d}}
              alerts:
                - {name: Worse, tier: P2, when: {dropFrom: {window: 30d, byRatio: 0.2}}, for: 30m}
          noData: {tier: P2, after: 30m}
        """
    )
    assert generate(tmp_path, spec, ROUTING).exit_code == 0
    fired = []
    for mean, value in (
        ("-1", "-0.9"),
        ("-1", "-1.25"),
        ("-1", "-1.1"),
        ("0", "-0.1"),
        ("1", "0.75"),
        ("1", "0.85"),
    ):
        labels = 'model="r2",window="7d",slo="r2"'
        given = [
            {
                "series": 'ml_model_r2{model="r2",version="1",window="7d",segment="",segment_value=""}',
                "values": f"{value}x40",
            },
            {"series": f"model:ml_model_r2:min_avg30d_offset2d{{{labels}}}", "values": f"{mean}x40"},
        ]
        firing = {"expr": 'count(ALERTS{alertname="Worse",alertstate="firing"})', "eval_time": "35m"}
        test = {"interval": "1m", "input_series": given, "promql_expr_test": [{**firing, "exp_samples": []}]}
        path = tmp_path / "rules" / "own_test.yaml"
        path.write_text(json.dumps({"rule_files": ["r2.yaml"], "evaluation_interval": "1m", "tests": [test]}))
        done = subprocess.run([tool("promtool"), "test", "rules", path], capture_output=True, text=True)
        if done.returncode:
            assert "got: {} 1" in done.stdout + done.stderr
            fired.append((mean, value))
    assert fired == [("-1", "-1.25"), ("1", "0.75")]
