"""Which mutants the generated tests catch, as promtool says."""

from __future__ import annotations

import json
import re
import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from tests.cases.alerts import selectors
from tests.mutations.rules import Mutant, affected, load, mutants, name_of
from tests.support.tools import installed, tool

# How many test files one promtool is given.
BATCH = 60


@dataclass(frozen=True)
class Verdict:
    """``caught``: a test fails. ``invalid``: Prometheus would not even load the rule."""

    mutant: Mutant
    caught: bool
    invalid: bool


@dataclass(frozen=True)
class Subject:
    """One group of a rule file, and those of the generated tests that pass on it alone."""

    group: Mapping[str, Any]
    tests: Sequence[Mapping[str, Any]]

    @cached_property
    def mutants(self) -> list[Mutant]:
        """Every mutant, those of no effect among them."""
        return list(mutants(self.group))

    def about(self, mutant: Mutant, *, directly: bool) -> list[Mapping[str, Any]]:
        """The tests that look at what a mutant changes; ``directly``: at the rule itself."""
        names = {mutant.name} if directly else affected(self.group, mutant.rule)
        return [test for test in self.tests if test["_looks_at"] & names]


def subjects(rules: Path) -> list[Subject]:
    """The groups of a generated rule file, each with its tests. Raises ValueError for a group without."""
    groups = load(rules)["groups"]
    files = [load(path) for path in sorted(rules.parent.glob(f"{rules.stem}_*test.yaml"))]
    tests = [{**test, "_every": data["evaluation_interval"]} for data in files for test in data["tests"]]
    found: list[Subject] = []
    for group in groups:
        names = {name_of(rule) for rule in group["rules"]}
        own = [
            {**test, "_looks_at": _looked_at(test, names), "_beside": _beside(groups, group, test)}
            for test in tests
        ]
        candidates = [test for test in own if test["_looks_at"]]
        passed, failed = _divided(group, candidates)
        # Of a test of several groups the checks of this one.
        passed += _divided(group, [one for test in failed for one in _checks(test, names)])[0]
        if not passed:
            raise ValueError(f"no test passes on group {group['name']} alone")
        found.append(Subject(group, passed))
    return found


def _divided(
    group: Mapping[str, Any], tests: Sequence[dict[str, Any]]
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """The tests that pass on a group alone, and those that don't."""
    said = judged([Trial(group, [test]) for test in tests])
    pairs = list(zip(tests, said, strict=True))
    return [test for test, one in pairs if one.passed], [test for test, one in pairs if not one.passed]


def _checks(test: Mapping[str, Any], names: set[str]) -> Iterator[dict[str, Any]]:
    """A test for each query of a test that looks at a group's rules."""
    for check in test.get("promql_expr_test", []):
        one = {**test, "promql_expr_test": [check]}
        one.pop("alert_rule_test", None)
        if looks_at := _looked_at(one, names):
            yield {**one, "_looks_at": looks_at}


def _beside(
    groups: Sequence[Mapping[str, Any]], group: Mapping[str, Any], test: Mapping[str, Any]
) -> list[Mapping[str, Any]]:
    """The alerts of other groups that a test looks at: one test is about all SLOs without data."""
    asked = {check["alertname"] for check in test.get("alert_rule_test", [])}
    for check in test.get("promql_expr_test", []):
        for selector in selectors(check["expr"]):
            asked |= {matcher.value for matcher in selector.matchers if matcher.name == "alertname"}
    return [
        rule
        for other in groups
        if other is not group
        for rule in other["rules"]
        if rule.get("alert") in asked
    ]


def _looked_at(test: Mapping[str, Any], names: set[str]) -> set[str]:
    """Return the ``names`` of a group's rules that a test looks at."""
    found = {check["alertname"] for check in test.get("alert_rule_test", [])}
    for check in test.get("promql_expr_test", []):
        for selector in selectors(check["expr"]):
            known = {matcher.name: matcher for matcher in selector.matchers}
            if selector.name == "ALERTS" and "alertname" in known:
                found.add(known["alertname"].value)
            elif selector.name:
                found.add(selector.name)
            elif "__name__" in known:
                found |= {name for name in names if re.fullmatch(known["__name__"].value, name)}
            else:
                # Whatever an SLO has.
                found |= names
    return found & names


def verdicts(subject: Subject, chosen: Sequence[Mutant]) -> Iterator[Verdict]:
    """Of each mutant. First only tests of the rule itself are run, which are enough for most."""
    left = list(chosen)
    for directly in (True, False):
        trials, tried = [], []
        for mutant in left:
            tests = subject.about(mutant, directly=directly)
            if tests:
                rules = list(subject.group["rules"])
                rules[mutant.rule] = mutant.changed
                trials.append(Trial({**subject.group, "rules": rules}, tests))
                tried.append(mutant)
        left = [mutant for mutant in left if mutant not in tried]
        for mutant, said in zip(tried, judged(trials), strict=True):
            if said.passed:
                left.append(mutant)
            else:
                yield Verdict(mutant, not said.invalid, said.invalid)
    for mutant in left:
        yield Verdict(mutant, False, False)


@dataclass(frozen=True)
class Trial:
    """One group of rules and tests that are run on it."""

    group: Mapping[str, Any]
    tests: Sequence[Mapping[str, Any]]

    def write(self, folder: Path) -> Iterator[Path]:
        """A rule file, and one test file for each interval at which rules are evaluated."""
        folder.mkdir()
        beside = {json.dumps(rule): rule for test in self.tests for rule in test["_beside"]}
        others = {"name": "beside", "rules": list(beside.values())}
        (folder / "rules.yaml").write_text(json.dumps({"groups": [self.group, others]}))
        for number, every in enumerate(sorted({test["_every"] for test in self.tests})):
            tests = [
                {key: value for key, value in test.items() if not key.startswith("_")}
                for test in self.tests
                if test["_every"] == every
            ]
            path = folder / f"{number}.json"
            data = {"rule_files": ["rules.yaml"], "evaluation_interval": every, "tests": tests}
            path.write_text(json.dumps(data))
            yield path


@dataclass(frozen=True)
class Said:
    """What promtool said of a trial."""

    passed: bool
    invalid: bool


def judged(trials: Sequence[Trial], workers: int = 2) -> list[Said]:
    """The outcome of each trial: many of them in one call of promtool, for it takes long to start."""
    batches = [trials[start : start + BATCH] for start in range(0, len(trials), BATCH)]
    with ThreadPoolExecutor(workers) as pool:
        return [said for batch in pool.map(_run, batches) for said in batch]


def _run(batch: Sequence[Trial]) -> list[Said]:
    with tempfile.TemporaryDirectory() as name:
        paths = [list(trial.write(Path(name) / str(number))) for number, trial in enumerate(batch)]
        flat = [str(path) for own in paths for path in own]
        command = [str(tool("promtool", version=next(iter(installed()), None))), "test", "rules", *flat]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        # What is wrong with a rule is told on one stream, which file it was in on the other (by Prometheus 2).
        said = re.findall(r"Unit Testing:  (\S+)\n(.*?)(?=Unit Testing:|\Z)", done.stdout, re.DOTALL)
        outcome = dict(said)
        if set(outcome) != set(flat):
            raise RuntimeError(f"promtool did not judge every file: {done.stderr[:2000]}")
        return [_said([outcome[str(path)] for path in own]) for own in paths]


def _said(texts: Sequence[str]) -> Said:
    failed = [text for text in texts if "SUCCESS" not in text]
    return Said(not failed, any("parse expression" in text or 'group "' in text for text in failed))
