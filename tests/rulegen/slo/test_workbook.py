"""Burn-rate alerts against the formulas of the SRE workbook, evaluated by Prometheus on the same counters.

Each of 200 random series of errors is given to the generated rules and to the workbook's plain PromQL
in one promtool test, and `ALERTS` of both are compared at every evaluation: the alerts must fire
and resolve at the same ones. No tolerance is needed:

* a recording rule is evaluated at the same time as the alert that reads it, so it adds no delay;
* counters are scraped at a part of the evaluation interval, so that both see the same samples;
* the guard against low traffic is set to one bad event; the workbook has none;
* 28 days: the table's 0.933 is the workbook's 28/30 to three digits, which no random series tells apart.

How long a series is follows from the longest window. For the windows of days, rules are evaluated every
hour or two: at each evaluation every window is complete to the minute, whatever lies between evaluations.
"""

from __future__ import annotations

import json
import random
import re
import subprocess
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from mlslo.yamlfile import Duration
from rulegen.cli import main
from tests.support import workbook
from tests.support.paths import ROUTING
from tests.support.tools import tool
from tests.support.workbook import DAY, FAST, HOUR, MINUTE, SLOW, Events, Pod

SERIES = 200
ERRORS, TOTAL, LATENCY = "ml_prediction_errors_total", "ml_predictions_total", "ml_prediction_latency_seconds"
Rows = list[tuple[int, int, Fraction]]


@dataclass(frozen=True)
class Case:
    """An objective over a time window, by one SLI.

    Counters are scraped every ``scrape`` seconds; rules are evaluated ``steps`` times, every ``every``.
    ``count``: of how many series.
    """

    name: str
    sli: str
    objective: str
    time_window: str
    scrape: int
    every: int
    steps: int
    count: int
    windows: tuple[tuple[int, int, str, str], ...] = ()

    @property
    def scrapes(self) -> int:
        return self.every * self.steps // self.scrape

    @property
    def budget(self) -> Fraction:
        return 1 - Fraction(self.objective) / 100

    @property
    def events(self) -> Events:
        match self.sli:
            case "errors":
                bad, total = f"rate({ERRORS}{{M}}[WINDOW])", f"rate({TOTAL}{{M}}[WINDOW])"
            case "latency":
                total = f"rate({LATENCY}_count{{M}}[WINDOW])"
                fast = f'rate({LATENCY}_bucket{{M,le="0.25"}}[WINDOW])'
                return Events(self._named(f"(sum({total}) - sum({fast}))"), self._named(f"sum({total})"))
            case _:
                bad, total = 'rate(gateway_total{code="500"}[WINDOW])', "rate(gateway_total[WINDOW])"
        return Events(self._named(f"sum({bad})"), self._named(f"sum({total})"))

    def _named(self, expression: str) -> str:
        return expression.replace("{M", f'{{model="{self.name}"')

    def rows(self, speed: str) -> Rows:
        """Long window, short window, burn rate."""
        if self.windows:
            return [
                (long, short, Fraction(rate)) for long, short, rate, burn in self.windows if burn == speed
            ]
        days = Duration(self.time_window).seconds / DAY
        table = FAST if speed == "fast" else SLOW
        if days in (28, 30):
            return [(long, short, share * Fraction(days) * DAY / long) for long, short, share in table]
        # The 30-day windows in proportion, to the minute, so that each spends the same share of the budget.
        return [
            (
                _minutes(long * days / 30, HOUR),
                _minutes(short * days / 30, 5 * MINUTE),
                share * 30 * DAY / long,
            )
            for long, short, share in table
        ]

    def spec(self) -> dict[str, Any]:
        sli: dict[str, Any] = {"errors": {}}
        if self.sli == "latency":
            sli = {"latency": {"below": "250ms"}}
        elif self.sli == "ratio":
            sli = {"ratio": {
                "errors": 'sum(rate(gateway_total{code="500"}[{{.window}}]))',
                "total": "sum(rate(gateway_total[{{.window}}]))",
            }}  # fmt: skip
        alerting: dict[str, Any] = {"minimumBadEvents": 1}
        if self.windows:
            alerting["windows"] = [
                {"factor": float(rate), "short": f"{short}s", "long": f"{long}s", "burn": burn}
                for long, short, rate, burn in self.windows
            ]
        slo = {
            "name": "promise", "layer": "service", "objective": float(self.objective),
            "timeWindow": self.time_window, "sli": sli, "alerting": alerting,
        }  # fmt: skip
        return {
            "apiVersion": "mlslo/v1", "kind": "ModelSLO", "metadata": {"name": self.name},
            "spec": {"model": self.name, "slos": [slo]},
        }  # fmt: skip

    def workbook(self) -> dict[str, Any]:
        rules = [
            {
                "alert": f"Workbook{speed}",
                "expr": workbook.condition(self.events, self.budget, self.rows(speed)),
            }
            for speed in ("fast", "slow")
        ]
        return {"groups": [{"name": "workbook", "rules": rules}]}

    def series(self, pods: list[Pod]) -> list[dict[str, str]]:
        found = []
        for number, pod in enumerate(pods):
            own = f'model="{self.name}",version="1",instance="{number}"'
            match self.sli:
                case "errors":
                    counters = [
                        (f'{ERRORS}{{{own},code="500"}}', pod.bad()),
                        (f"{TOTAL}{{{own}}}", pod.total()),
                    ]
                case "latency":
                    counters = [
                        (f'{LATENCY}_bucket{{{own},le="0.25"}}', pod.good()),
                        (f"{LATENCY}_count{{{own}}}", pod.total()),
                    ]
                case _:
                    counters = [
                        (f'gateway_total{{instance="{number}",code="500"}}', pod.bad()),
                        (f'gateway_total{{instance="{number}",code="200"}}', pod.good()),
                    ]
            found += [{"series": name, "values": values} for name, values in counters]
        return found


def _minutes(seconds: float, least: int) -> int:
    return max(round(seconds / 60) * 60, least)


SHORT = (
    (HOUR, 5 * MINUTE, "14.4", "fast"),
    (2 * HOUR, 10 * MINUTE, "6", "fast"),
    (3 * HOUR, 30 * MINUTE, "1", "slow"),
)
QUICK = ((10 * MINUTE, 2 * MINUTE, "10", "fast"), (40 * MINUTE, 10 * MINUTE, "2", "slow"))
CASES = [
    Case("month", "errors", "99.5", "30d", 150, 4 * HOUR, 16, 20),
    Case("month-latency", "latency", "99", "30d", 150, 4 * HOUR, 16, 12),
    Case("month-ratio", "ratio", "99.9", "30d", 150, 4 * HOUR, 16, 12),
    Case("month-low", "errors", "90", "30d", 150, 4 * HOUR, 24, 12),
    Case("month-fine", "errors", "99.95", "30d", MINUTE, 10 * MINUTE, 20, 16),
    Case("weeks", "errors", "99", "28d", 150, 4 * HOUR, 16, 12),
    Case("weeks-ratio", "ratio", "97.3", "28d", 150, HOUR, 20, 12),
    Case("week", "errors", "99.9", "7d", MINUTE, HOUR, 20, 12),
    Case("quarter", "latency", "95", "90d", 300, 10 * HOUR, 16, 12),
    Case("own", "errors", "99.5", "5d", MINUTE, 5 * MINUTE, 30, 30, SHORT),
    Case("own-quick", "errors", "98", "1d", 30, MINUTE, 40, 30, QUICK),
    Case("own-ratio", "ratio", "99", "5d", MINUTE, 5 * MINUTE, 30, 20, SHORT),
]
FIRING = {"fast": "ErrorBudgetFastBurn", "slow": "ErrorBudgetSlowBurn"}


def _queries(case: Case) -> dict[str, str]:
    """How many evaluations fired in one and not in the other, in both, in neither, and at how many it began."""
    over = f"[{case.every * case.steps}s:{case.every}s]"
    found = {}
    for speed, name in FIRING.items():
        ours = f'max(ALERTS{{alertname="{name}",alertstate="firing"}})'
        theirs, before = (
            f'max(ALERTS{{alertname="Workbook{speed}",alertstate="firing"}}{offset})'
            for offset in ("", f" offset {case.every}s")
        )
        found[f"{speed} only ours"] = f"count_over_time(({ours} unless {theirs}){over})"
        found[f"{speed} only the workbook's"] = f"count_over_time(({theirs} unless {ours}){over})"
        found[f"{speed} both"] = f"count_over_time(({ours} and {theirs}){over})"
        found[f"{speed} neither"] = f"count_over_time((vector(1) unless ({ours} or {theirs})){over})"
        found[f"{speed} begins"] = f"count_over_time(({theirs} unless {before}){over})"
    return found


def _counts(folder: Path, cases: list[tuple[Case, list[list[Pod]]]]) -> list[dict[str, int]]:
    """Of each series. promtool tells a value only where it is not the expected one, so none is."""
    paths = []
    for case, several in cases:
        (folder / f"{case.name}-workbook.json").write_text(json.dumps(case.workbook()))
        queries = _queries(case)
        end = f"{case.every * case.steps}s"
        tests = [
            {
                "interval": f"{case.scrape}s",
                "name": f"{case.name} {number}",
                "input_series": case.series(pods),
                "promql_expr_test": [
                    {"expr": query, "eval_time": end, "exp_samples": [{"labels": "", "value": -1}]}
                    for query in queries.values()
                ],
            }
            for number, pods in enumerate(several)
        ]
        data = {
            "rule_files": [f"rules/{case.name}.yaml", f"{case.name}-workbook.json"],
            "evaluation_interval": f"{case.every}s",
            "tests": tests,
        }
        paths.append(folder / f"{case.name}.json")
        paths[-1].write_text(json.dumps(data))
    command = [str(tool("promtool")), "test", "rules", *map(str, paths)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    found: list[dict[str, int]] = []
    files = done.stderr.split("  FAILED:\n")[1:]
    assert len(files) == len(cases), done.stderr[:2000]
    for (case, several), said in zip(cases, files, strict=True):
        queries = _queries(case)
        values = re.findall(r"got: (?:nil|\{\} (\S+))", said)
        assert len(values) == len(queries) * len(several), said[:3000]
        for start in range(0, len(values), len(queries)):
            part = values[start : start + len(queries)]
            found.append({name: int(float(value or 0)) for name, value in zip(queries, part, strict=True)})
    return found


@pytest.fixture(scope="module")
def outcome(tmp_path_factory: pytest.TempPathFactory) -> list[tuple[str, dict[str, int]]]:
    folder = tmp_path_factory.mktemp("workbook")
    for case in CASES:
        (folder / f"{case.name}.yaml").write_text(json.dumps(case.spec()))
    specs = [str(folder / f"{case.name}.yaml") for case in CASES]
    result = CliRunner().invoke(main, ["generate", *specs, str(ROUTING), "--out", str(folder)])
    assert result.exit_code == 0, result.stderr
    rng = random.Random(20)
    chosen = [
        (case, [workbook.pods(rng, float(case.budget), case.scrapes) for _ in range(case.count)])
        for case in CASES
    ]
    names = [f"{case.name} {number}" for case, several in chosen for number in range(len(several))]
    return list(zip(names, _counts(folder, chosen), strict=True))


def test_alerts_fire_and_resolve_at_the_same_evaluations_as_the_workbooks(
    outcome: list[tuple[str, dict[str, int]]],
) -> None:
    assert len(outcome) == SERIES
    different = {
        name: counts
        for name, counts in outcome
        if any(value for key, value in counts.items() if " only " in key)
    }
    assert not different


def test_the_series_make_them_fire_and_resolve(outcome: list[tuple[str, dict[str, int]]]) -> None:
    """Each case has series in which each alert fires, is quiet, and comes and goes."""
    for case in CASES:
        own = [counts for name, counts in outcome if name.rsplit(" ", 1)[0] == case.name]
        for speed in FIRING:
            if not case.rows(speed):
                continue
            assert sum(counts[f"{speed} both"] for counts in own) > 20, case.name
            assert sum(counts[f"{speed} neither"] for counts in own) > 20, case.name
            assert sum(counts[f"{speed} begins"] for counts in own) > 5, case.name


# A small model: how many requests it has in a day, which fail from this evaluation on, and when that must be known.
_OUTAGE = 6 * 60


def _small(every: int, failures: int | None) -> list[dict[str, str]]:
    """Counters of a request every so many minutes. ``failures``: how many fail from the outage on, or all."""
    minutes = 2 * _OUTAGE + 60
    total = [minute // every for minute in range(minutes)]
    failed = [max(count - _OUTAGE // every, 0) for count in total]
    failed = [min(count, minutes if failures is None else failures) for count in failed]
    # The counter of a code appears with its first error.
    errors = ["_" if not count else str(count) for count in failed]
    own = 'model="small",version="1",instance="a"'
    return [
        {"series": f"{TOTAL}{{{own}}}", "values": " ".join(map(str, total))},
        {"series": f'{ERRORS}{{{own},code="500"}}', "values": " ".join(errors)},
    ]


@pytest.mark.parametrize(
    ("every", "failures", "after"),
    [
        # 288 and 36 requests a day that all fail: told after a few of them.
        (5, None, 25),
        (40, None, 4 * 40),
        # Two that fail among few page nobody, so neither does one.
        (5, 2, None),
        (40, 2, None),
    ],
)
def test_an_outage_of_a_small_model_is_told_and_a_single_failure_is_not(
    every: int, failures: int | None, after: int | None, tmp_path: Path
) -> None:
    slo = {
        "name": "promise", "layer": "service", "objective": 99.9, "timeWindow": "30d", "sli": {"errors": {}},
    }  # fmt: skip
    spec = {
        "apiVersion": "mlslo/v1", "kind": "ModelSLO", "metadata": {"name": "small"},
        "spec": {"model": "small", "slos": [slo]},
    }  # fmt: skip
    (tmp_path / "small.yaml").write_text(json.dumps(spec))
    arguments = ["generate", str(tmp_path / "small.yaml"), str(ROUTING), "--out", str(tmp_path)]
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 0, result.stderr
    until = _OUTAGE + (_OUTAGE if after is None else after)
    test = {
        "interval": "1m",
        "input_series": _small(every, failures),
        "promql_expr_test": [
            {
                "expr": f'count(count_over_time(ALERTS{{alertstate="firing"}}[{until}m])) > bool 0',
                "eval_time": f"{until}m",
                "exp_samples": [] if after is None else [{"labels": "{}", "value": 1}],
            }
        ],
    }
    path = tmp_path / "small.json"
    path.write_text(
        json.dumps({"rule_files": ["rules/small.yaml"], "evaluation_interval": "1m", "tests": [test]})
    )
    done = subprocess.run(
        [tool("promtool"), "test", "rules", path], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
