"""Each generated alert is taken through eight cases by its generated tests, as far as they make sense for it.

Judged from the generated files alone (`tests/cases`). Many random specs are tried by `python -m tests.cases`.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
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
Samples = list[float | Mark]


@pytest.fixture(scope="module")
def generated(tmp_path_factory: pytest.TempPathFactory) -> tuple[Alert, dict[str, Any]]:
    folder = tmp_path_factory.mktemp("cases")
    (folder / "slo.yaml").write_text(SPEC)
    given_files = [str(folder / "slo.yaml"), str(CONTRACT / "routing.yaml")]
    result = CliRunner().invoke(main, ["generate", *given_files, "--out", str(folder / "out")])
    assert result.exit_code == 0, result.stderr
    (alert,) = alerts(load(folder / "out" / "rules" / "fraud.yaml"))
    file = load(folder / "out" / "rules" / "fraud_test.yaml")
    assert len(file["tests"]) == 1
    return alert, file


def _values(change: Callable[[Samples], Samples]) -> Callable[[dict[str, Any]], None]:
    """Every input series otherwise."""

    def edit(test: dict[str, Any]) -> None:
        for series in test["input_series"]:
            changed = change(samples(series["values"]))
            series["values"] = " ".join(one.value if isinstance(one, Mark) else str(one) for one in changed)

    return edit


def _gone(found: Samples, *, at_end: bool) -> Samples:
    """No sample is stale, either at the end or before it."""
    last = max(index for index, one in enumerate(found) if not isinstance(one, Mark))
    kept = found[:]
    for index, one in enumerate(found):
        lost = one is Mark.STALE or (one is Mark.MISSED and index > last)
        if lost and (index > last) == at_end:
            kept[index] = kept[index - 1]
    return kept


def _known(found: Samples) -> Samples:
    return [found[index - 1] if one != one else one for index, one in enumerate(found)]


def _further(found: Samples) -> Samples:
    return [0.71 if one == 0.7 else one for one in found]


def _unchecked(test: dict[str, Any], when: Callable[[str, str, str], bool]) -> None:
    """Without the checks at moments of which ``when`` says so, by what is shown before, then, and after."""
    shown: dict[float, str] = {}
    for check in test["promql_expr_test"]:
        if "ALERTS" in check["expr"]:
            states = "".join(one["labels"] for one in check["exp_samples"])
            found = (state for state in ("firing", "pending") if state in states)
            shown[seconds(check["eval_time"])] = next(found, "quiet")
    shown |= {
        seconds(check["eval_time"]): "firing" for check in test["alert_rule_test"] if check["exp_alerts"]
    }
    order = sorted(shown)
    around = [shown[order[0]], *(shown[one] for one in order), shown[order[-1]]]
    gone = {now for place, now in enumerate(order) if when(*around[place : place + 3])}
    for key in ("alert_rule_test", "promql_expr_test"):
        test[key] = [check for check in test[key] if seconds(check["eval_time"]) not in gone]


def _one_bad_less(found: Samples) -> Samples:
    """Of the bad samples that stand alone, none."""
    bad = [one == 0.6999 for one in found]
    alone = [
        one and not any(bad[index + 1 : index + 2]) and not bad[index - 1] for index, one in enumerate(bad)
    ]
    return [found[0] if single else one for single, one in zip(alone, found, strict=True)]


REMOVED: dict[str, Callable[[dict[str, Any]], None]] = {
    "beyond": partial(_unchecked, when=lambda _, now, __: now == "firing"),
    "just inside": _values(_further),
    "one step before for": partial(
        _unchecked, when=lambda _, now, after: now == "pending" and after == "firing"
    ),
    "recovery": partial(_unchecked, when=lambda before, now, _: before == "firing" and now == "quiet"),
    "gap": _values(partial(_gone, at_end=False)),
    "NaN": _values(_known),
    "absent series": _values(partial(_gone, at_end=True)),
    "X-1 of Y": _values(_one_bad_less),
}


@pytest.mark.parametrize("case", CASES)
def test_a_case_that_is_taken_out_of_a_generated_test_is_missed(
    generated: tuple[Alert, dict[str, Any]], case: str
) -> None:
    alert, file = generated
    assert judged(alert, played(file, [alert])).missing == ()
    (test,) = yaml.safe_load(yaml.safe_dump(file["tests"]))
    REMOVED[case](test)
    assert case in judged(alert, played({**file, "tests": [test]}, [alert])).missing
    if case != "beyond":
        assert "beyond" in judged(alert, played({**file, "tests": [test]}, [alert])).found


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
        ("Low", 0, "0.702", LOW[1], "just inside"),
        ("Often", 0, "0.8", OFTEN[1], "just inside"),
        # Not checked on both sides.
        ("Low", 0, "0.7", ".qpqppfqqpqpqq", "just inside"),
        ("Low", 0, "0.7", "qqpqp.fqqpqpqq", "one step before for"),
        ("Low", 0, "0.7", "qqp.ppfqqpqpqq", "gap"),
        ("Low", 0, "0.7", "qqpqppfqqp.pqq", "NaN"),
        ("Low", 0, "0.7", "qqpqppfqqpqp.q", "absent series"),
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
