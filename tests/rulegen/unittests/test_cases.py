"""Each generated alert is taken through eight cases by its generated tests, as far as they make sense for it.

Judged from the generated files alone (`tests/cases`). Many random specs are tried by `python -m tests.cases`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner
from hypothesis import HealthCheck, given, settings

from rulegen.cli import main
from tests.cases.alerts import Alert, alerts
from tests.cases.judge import CASES, judged
from tests.cases.notation import Mark, samples, seconds
from tests.cases.played import tests as played
from tests.cases.specs import specs
from tests.cases.trial import load, tried, tried_data
from tests.support.paths import CONTRACT, CORPUS
from tests.support.paths import DIABETES as EXAMPLE

# Cases that alerts of a kind cannot have, and why.
NOT_APPLICABLE = {
    "Watchdog": {
        "just inside": "it rests on no series, and always fires",
        "one step before for": "it rests on no series, and always fires",
        "recovery": "it rests on no series, and always fires",
        "gap": "it rests on no series, and always fires",
        "NaN": "it rests on no series, and always fires",
        "absent series": "it rests on no series, and always fires",
        "X-1 of Y": "it rests on no series, and always fires",
    },
    # There or not there, 1 or 0: nothing lies just beside it.
    "ModelMonitorAbsent": {
        "just inside": "something is there or not, is 0 or 1: nothing lies just beside it"
    },
    "ModelSinkDown": {"just inside": "something is there or not, is 0 or 1: nothing lies just beside it"},
}
COUNTS_NONE = {"X-1 of Y": "it does not count evaluations"}


@pytest.mark.one_version
@pytest.mark.parametrize(
    "files",
    [
        [CONTRACT / "fraud.slo.yaml", CONTRACT / "routing.yaml", CONTRACT / "fraud.monitor.yaml"],
        [EXAMPLE / "slo.yaml", EXAMPLE / "routing.yaml", EXAMPLE / "monitor.yaml"],
        [*sorted(CORPUS.glob("*.yaml")), CONTRACT / "routing.yaml"],
    ],
    ids=["contract", "example", "corpus"],
)
def test_every_alert_has_every_case(files: list[Path]) -> None:
    # Their tests are given to promtool by those that are about generating them.
    trial = tried(files, proved=False)
    assert not trial.refused
    assert [(str(one.alert), one.missing) for one in trial.judged if one.missing] == []
    for one in trial.judged:
        told = {**({} if one.alert.breaches else COUNTS_NONE), **NOT_APPLICABLE.get(one.alert.name, {})}
        beside = {"just inside"} if one.alert.name == "SLONoData" else set()
        assert {case: why for case, why in one.not_applicable.items() if case not in beside} == told, str(
            one.alert
        )


@settings(max_examples=3, derandomize=True, suppress_health_check=list(HealthCheck))
@given(specs())
def test_random_specs(spec: tuple[dict[str, Any], str]) -> None:
    trial = tried_data(*spec)
    assert not trial.failed
    assert not [(str(one.alert), one.missing) for one in trial.untold]


# What follows is about the judge: it says so where a case is taken out of a test.

SPEC = """
apiVersion: mlslo/v1
kind: ModelSLO
metadata: {name: fraud}
spec:
  model: fraud
  slos:
    - name: auc
      layer: outcome
      sli: {gauge: {metric: ml_model_auc_roc, window: 1d}}
      alerts:
        - {name: Low, tier: P2, when: {below: 0.7}, for: 2m, breaches: {atLeast: 2, ofLast: 4}}
"""
Tests = list[dict[str, Any]]


@pytest.fixture(scope="module")
def generated(tmp_path_factory: pytest.TempPathFactory) -> tuple[Alert, dict[str, Any]]:
    folder = tmp_path_factory.mktemp("cases")
    (folder / "slo.yaml").write_text(SPEC)
    given_files = [str(folder / "slo.yaml"), str(CONTRACT / "routing.yaml")]
    result = CliRunner().invoke(main, ["generate", *given_files, "--out", str(folder / "out")])
    assert result.exit_code == 0, result.stderr
    (alert,) = alerts(load(folder / "out" / "rules" / "fraud.yaml"))
    file = load(folder / "out" / "rules" / "fraud_test.yaml")
    return alert, file


def _named(*words: str) -> Callable[[Tests], Tests]:
    """Without the tests that are named so."""
    return lambda tests: [test for test in tests if not any(word in test["name"] for word in words)]


def _shown(state: str) -> Callable[[Tests], Tests]:
    """Without the checks that the alert is so."""

    def without(tests: Tests) -> Tests:
        for test in tests:
            checks = test.get("promql_expr_test", [])
            test["promql_expr_test"] = [one for one in checks if f'alertstate="{state}"' not in one["expr"]]
            if state == "firing":
                test["alert_rule_test"] = []
        return tests

    return without


REMOVED = {
    "beyond": _shown("firing"),
    "just inside": _named("stays quiet at 0.7"),
    "one step before for": _shown("pending"),
    "recovery": _named("resolves"),
    "gap": _named("begins anew"),
    "NaN": _named("NaN"),
    "absent series": _named("ends where"),
    "X-1 of Y": _named("stays quiet with 1 of 4 evaluations"),
}


@pytest.mark.parametrize("case", CASES)
def test_a_case_that_is_taken_out_of_the_generated_tests_is_missed(
    generated: tuple[Alert, dict[str, Any]], case: str
) -> None:
    alert, file = generated
    assert judged(alert, played(file, [alert])).missing == ()
    tests = REMOVED[case](yaml.safe_load(yaml.safe_dump(file["tests"])))
    assert case in judged(alert, played({**file, "tests": tests}, [alert])).missing
    if case != "beyond":
        assert "beyond" in judged(alert, played({**file, "tests": tests}, [alert])).found


def test_what_one_alert_of_a_kind_has_the_others_need_not(generated: tuple[Alert, dict[str, Any]]) -> None:
    """How it ends is tried once; both sides of its limit for each."""
    alert, file = generated
    other = replace(alert, rule={**alert.rule, "alert": "Lower"})
    assert judged(other, played(file, [alert, other]), [alert, other]).missing == (
        "beyond", "just inside", "one step before for",
    )  # fmt: skip
    unlike = replace(other, rule={key: value for key, value in other.rule.items() if key != "for"})
    assert "recovery" in judged(unlike, played(file, [alert, unlike]), [alert, unlike]).missing


RULES = """
groups:
  - name: auc
    interval: 1m
    rules:
      - record: auc:min
        expr: min by (model) (auc{model="m"})
      - record: auc:bad:bool
        expr: auc:min < bool 0.7
      - alert: Low
        expr: auc:min < 0.7
        for: 2m
        labels: {slo: auc}
      - alert: Often
        expr: auc:min and sum_over_time(auc:bad:bool[2m59s]) >= 2
        labels: {slo: auc}
"""
# By hand: just inside; a breach, a gap, one that lasts, recovery; NaN; gone. `.` is not checked, `q` quiet.
LOW = ("0.7 0.8 0.699 stale 0.699 0.699 0.699 0.8 0.8 0.699 NaN 0.699 stale _", "qqpqppfqqpqpqq")
# Two of three: just inside; two of four; two of three, a gap, recovery; NaN; gone.
OFTEN = (
    "0.7 0.7 0.8 0.699 0.8 0.8 0.699 0.699 stale 0.699 0.8 0.8 0.8 0.699 0.699 NaN 0.699 stale _",
    "qqqq..qfqfq..qfffqq",
)


def _missing(name: str, values: str, states: str, *, model: str = "m") -> set[str]:
    """The cases that an alert lacks where its gauge is ``values`` and ``states`` are checked."""
    said = {"q": [], "p": ["pending"], "f": ["firing"]}
    query = f'count by (alertstate) (ALERTS{{alertname="{name}",slo="auc"}})'
    checks = [
        {
            "expr": query,
            "eval_time": f"{now}m",
            "exp_samples": [{"labels": f'{{alertstate="{state}"}}', "value": 1} for state in said[letter]],
        }
        for now, letter in enumerate(states)
        if letter != "."
    ]
    pods = [(model, "1", values), ("m", "2", "0.9x20")]
    series = [{"series": f'auc{{model="{own}",pod="{pod}"}}', "values": text} for own, pod, text in pods]
    test = {"interval": "1m", "input_series": series, "promql_expr_test": checks}
    own = alerts(yaml.safe_load(RULES))
    alert = next(alert for alert in own if alert.name == name)
    return set(judged(alert, played({"evaluation_interval": "1m", "tests": [test]}, own)).missing)


def test_what_is_there_is_found() -> None:
    assert _missing("Low", *LOW) == set()
    assert _missing("Often", *OFTEN) == set()


@pytest.mark.parametrize(
    ("alert", "place", "instead", "states", "missing"),
    [
        # Values that are not near enough, or not for long enough.
        ("Low", 0, "0.9", LOW[1], "just inside"),
        ("Often", 0, "0.8", OFTEN[1], "just inside"),
        # Not checked on both sides.
        ("Low", 0, "0.7", ".qpqppfqqpqpqq", "just inside"),
        ("Low", 0, "0.7", "qqpqp.fqqpqpqq", "one step before for"),
        ("Low", 0, "0.7", "qqp.ppfqqpqpqq", "gap"),
        ("Low", 0, "0.7", "qqpqppfqqp.pqq", "NaN"),
        ("Low", 0, "0.7", "qqpqppfqqpqp..", "absent series"),
        # It ends, but not because all is well; what is lost was not bad; nothing is lost.
        ("Low", 7, "stale", LOW[1], "recovery"),
        ("Low", 9, "0.8", "qqpqppfqqqqpqq", "NaN"),
        ("Low", 3, "0.8", LOW[1], "gap"),
        ("Low", 12, "0.8", LOW[1], "absent series"),
        # Only one of the last four was bad, and none before.
        ("Often", 3, "0.8", OFTEN[1], "X-1 of Y"),
    ],
)
def test_what_is_only_nearly_there_is_not(
    alert: str, place: int, instead: str, states: str, missing: str
) -> None:
    values = (LOW if alert == "Low" else OFTEN)[0].split()
    values[place] = instead
    if missing == "absent series" and instead == "0.8":
        values[place + 1] = "0.8"
    assert _missing(alert, " ".join(values), states) == {missing}


def test_a_series_of_another_model_shows_nothing() -> None:
    assert _missing("Low", *LOW, model="other") >= {"just inside", "recovery", "gap", "NaN", "absent series"}


def test_notation() -> None:
    assert samples("1+2x2 3x1 -0.5 1-1x1 _ _x2 stale 1e3") == [
        1, 3, 5, 3, 3, -0.5, 1, 0, *[Mark.MISSED] * 3, Mark.STALE, 1000,
    ]  # fmt: skip
    assert str(samples("NaN")) == "[nan]"
    assert seconds("1h30m") == 5400
    with pytest.raises(ValueError, match="no sample"):
        samples("1 x")
