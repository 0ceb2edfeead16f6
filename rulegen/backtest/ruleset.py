"""Rules as they are evaluated over a history: alerts, the records that they read, and who is notified."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import promql_parser
from promql_parser import Expr
from pydantic import BaseModel, ConfigDict, Field

from mlslo.yamlfile import Document, Duration, InputError, Problem, read, validate
from rulegen.promql.conventions import KNOWN_GROUPS_RECORD, MODEL, SLO, TIER, WATCHDOG
from rulegen.promql.query.parse import Query, children
from rulegen.promql.rules import rule_file
from rulegen.simulation.alertmanagerfile import readable
from rulegen.simulation.configuration import Configuration
from rulegen.simulation.setup import configuration
from rulegen.slo.plan import Plan, make_plan
from rulegen.spec.routing import Routing
from rulegen.validation.specs import Specs

Rules = Sequence[Mapping[str, Any]]
_BRACES = r"""(?:\{(?:[^}"]|"(?:\\.|[^"\\])*")*\})?"""
_LENGTH = r"([0-9][0-9a-z]*)"
_EQUAL = re.compile(r'(\w+)\s*=\s*"((?:\\.|[^"\\])*)"')


@dataclass(frozen=True)
class Selector:
    """A raw metric that is read, and the labels that it must have."""

    name: str
    labels: frozenset[tuple[str, str]]

    def selects(self, series: Mapping[str, str]) -> bool:
        """Return whether a series of that name is among what it selects."""
        return all(series.get(label, "") == value for label, value in self.labels)


@dataclass(frozen=True)
class Record:
    """A recording rule. ``name`` ends in a hash of what it says, so that rules of several specs go side by side."""

    name: str
    expression: str
    labels: tuple[tuple[str, str], ...]
    needs: tuple[Record, ...] = field(repr=False)
    selectors: frozenset[Selector] = field(repr=False)
    look_back: float

    @cached_property
    def level(self) -> int:
        """How many records stand one behind the other up to it."""
        return 1 + max((record.level for record in self.needs), default=-1)


@dataclass(frozen=True)
class Alert:
    """An alerting rule; its records are in the expression by their own names. Times in milliseconds.

    ``judged_by``: it can be judged where one of these is in the history.
    """

    name: str
    labels: Mapping[str, str]
    expression: str
    holds: int
    keeps: int
    needs: tuple[Record, ...]
    selectors: frozenset[Selector]
    judged_by: frozenset[Selector]
    looks_low: bool
    look_back: float

    @property
    def identity(self) -> tuple[str, str, str]:
        """Model, SLO and name."""
        return self.labels.get(MODEL, ""), self.labels.get(SLO, ""), self.name

    @property
    def tier(self) -> str:
        return self.labels.get(TIER, "")

    @property
    def records(self) -> set[Record]:
        """All records that it rests on."""
        found: set[Record] = set()
        waiting = list(self.needs)
        while waiting:
            record = waiting.pop()
            if record not in found:
                found.add(record)
                waiting += record.needs
        return found


@dataclass(frozen=True)
class RuleSet:
    """All alerts of a run, and their routing. ``interval`` of evaluation in milliseconds."""

    alerts: Sequence[Alert]
    configuration: Configuration
    interval: int
    alertmanager: str

    @property
    def models(self) -> set[str]:
        return {alert.labels.get(MODEL, "") for alert in self.alerts}


def of_specs(specs: Specs) -> RuleSet:
    """Return the rules that `generate` writes. Raises InputError."""
    plans = [make_plan(model, specs.routing) for model in specs.models]
    alerts = [alert for plan in plans for alert in of_plan(plan, specs.routing)]
    rules = [alert for plan in plans for alert in plan.alerts]
    routed = configuration(specs.routing, rules, None)
    interval, version = specs.routing.spec.evaluationInterval, specs.routing.spec.target.newest_alertmanager
    return RuleSet(alerts, routed, round(interval.seconds * 1000), version)


def of_plan(plan: Plan, routing: Routing, also: Mapping[str, str] | None = None) -> list[Alert]:
    """Return the alerts of one model. ``also``: PromQL by name that may read its records, as alerts at the end."""
    low = {one.spec.name for slo in plan.slos for one in slo.gauge_alerts if one.spec.when.looks_low}
    groups = rule_file(plan.groups, routing.spec.evaluationInterval)["groups"]
    rules = [rule for group in groups for rule in group["rules"]]
    rules += [{"alert": name, "expr": expression} for name, expression in (also or {}).items()]
    return _Resolver(rules, low).alerts()


class _Part(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)


class _Rule(_Part):
    record: str | None = None
    alert: str | None = None
    expr: str
    for_: str | None = Field(None, alias="for")
    keep_firing_for: str | None = None
    labels: dict[str, str] = Field(default_factory=dict)


class _Group(_Part):
    interval: str = "1m"
    rules: list[_Rule]


class _RuleFile(_Part):
    groups: list[_Group]


def of_folder(folder: Path, like: RuleSet) -> RuleSet:
    """Return the rules and the routing of a folder that `generate` wrote. Raises InputError.

    What a rule does not say, which version and whether low values are bad, is as in ``like``.
    """
    rules = [path for path in sorted(folder.glob("rules/*.yaml")) if not path.stem.endswith("_test")]
    routing = folder / "alertmanager" / "alertmanager.yaml"
    if not rules or not routing.exists():
        message = "expected rules/*.yaml and alertmanager/alertmanager.yaml, as generate writes them"
        raise InputError.of_file(folder, message)
    low = {alert.name for alert in like.alerts if alert.looks_low}
    alerts: list[Alert] = []
    for path in rules:
        document = read(path)
        groups = validate(document, _RuleFile).groups
        alerts += _Resolver(
            [rule.model_dump(by_alias=True, exclude_none=True) for group in groups for rule in group.rules],
            low,
            document,
        ).alerts()
    routed = Configuration.of(readable(read(routing)))
    return RuleSet(alerts, routed, like.interval, like.alertmanager)


def empty(like: RuleSet) -> RuleSet:
    """Return no alerts at all."""
    return RuleSet((), like.configuration, like.interval, like.alertmanager)


class _Resolver:
    """Rules of one file, each record called by a name of its own where it is read."""

    def __init__(self, rules: Rules, low: Iterable[str], document: Document | None = None) -> None:
        self._rules = rules
        self._low = frozenset(low)
        self._document = document
        self._records: dict[int, Record | None] = {}
        self._by_name: dict[str, list[int]] = {}
        for index, rule in enumerate(rules):
            if "record" in rule:
                self._by_name.setdefault(rule["record"], []).append(index)
        names = sorted(self._by_name, key=len, reverse=True)
        named = "|".join(map(re.escape, names)) or "(?!)"
        self._reference = re.compile(rf"(?<![\w:.\"])({named})(?![\w:])\s*({_BRACES})")

    def alerts(self) -> list[Alert]:
        return [self._alert(rule) for rule in self._rules if rule.get("alert", WATCHDOG) != WATCHDOG]

    def _alert(self, rule: Mapping[str, Any]) -> Alert:
        expression, needs = self._renamed(rule["expr"])
        tree = self._tree(expression, rule["alert"])
        own = self._selectors(tree, needs, rule["alert"])
        # Where nothing of what is absent was ever there, that is the history's fault.
        absent = _absent(tree)
        named = {one.name for node in absent for one in Query("", node).selectors}
        asked = [record for record in needs if not absent or record.name in named]
        direct = [_selectors(node, needs) for node in absent] if absent else [own]
        judged_by = frozenset[Selector]().union(*direct, *(record.selectors for record in asked))
        return Alert(
            rule["alert"],
            dict(rule.get("labels") or {}),
            expression,
            _milliseconds(rule.get("for")),
            _milliseconds(rule.get("keep_firing_for")),
            needs,
            own.union(*(record.selectors for record in needs)),
            judged_by,
            rule["alert"] in self._low,
            _look_back(rule["expr"]) + max((record.look_back for record in needs), default=0.0),
        )

    def _record(self, index: int) -> Record:
        rule = self._rules[index]
        if index not in self._records:
            self._records[index] = None
            expression, needs = self._of_record(rule)
            labels = tuple(sorted((rule.get("labels") or {}).items()))
            digest = hashlib.sha256(repr((expression, labels)).encode()).hexdigest()[:12]
            self._records[index] = Record(
                f"{rule['record']}:{digest}",
                expression,
                labels,
                needs,
                self._selectors(self._tree(expression, rule["record"]), needs, rule["record"]).union(
                    *(record.selectors for record in needs)
                ),
                _look_back(rule["expr"]) + max((record.look_back for record in needs), default=0.0),
            )
        found = self._records[index]
        if found is None:
            raise self._error(f"the record {rule['record']} is made of itself, which cannot be replayed")
        return found

    def _of_record(self, rule: Mapping[str, Any]) -> tuple[str, tuple[Record, ...]]:
        """Of a record that remembers which groups were measured before, which is itself: as if none had been."""
        if rule["record"] == KNOWN_GROUPS_RECORD:
            return self._reference.sub(r"\1:before\2", rule["expr"]), ()
        return self._renamed(rule["expr"])

    def _renamed(self, expression: str) -> tuple[str, tuple[Record, ...]]:
        needs: dict[Record, None] = {}

        def rename(found: re.Match[str]) -> str:
            wanted = dict(_EQUAL.findall(found[2]))
            records = [
                self._record(index)
                for index in self._by_name[found[1]]
                if all(
                    wanted.get(label, value) == value
                    for label, value in (self._rules[index].get("labels") or {}).items()
                )
            ]
            needs.update(dict.fromkeys(records))
            if len(records) == 1:
                return records[0].name + found[2]
            names = "|".join(record.name for record in records)
            inside = found[2].strip("{}")
            return f'{{__name__=~"{names}"{"," if inside else ""}{inside}}}'

        return self._reference.sub(rename, expression), tuple(needs)

    def _selectors(self, tree: Expr, needs: Sequence[Record], name: str) -> frozenset[Selector]:
        try:
            return _selectors(tree, needs)
        except ValueError as error:
            raise self._error(f"{name}: {error}") from None

    def _tree(self, expression: str, name: str) -> Expr:
        try:
            return promql_parser.parse(expression)
        except ValueError as error:
            raise self._error(f"the expression of {name} cannot be read: {error}") from None

    def _error(self, message: str) -> InputError:
        where = str(self._document.path) if self._document else "SPEC"
        return InputError([Problem(where, 0, 0, message)])


def _selectors(tree: Expr, needs: Sequence[Record]) -> frozenset[Selector]:
    """The raw metrics below ``tree``, records left out. Raises ValueError for metrics by a pattern."""
    records = {record.name for record in needs}
    found: set[Selector] = set()
    for selector in Query("", tree).selectors:
        equal = {one.name: one.value for one in selector.matchers.matchers if str(one.op) == "MatchOp.Equal"}
        name = selector.name or equal.pop("__name__", None)
        if name is None:
            patterns = {one.value for one in selector.matchers.matchers if one.name == "__name__"}
            if not any(records.issuperset(pattern.split("|")) for pattern in patterns):
                raise ValueError(f"a history is read metric by metric, and {selector} names none")
        elif name not in records:
            found.add(Selector(name, frozenset(equal.items())))
    return frozenset(found)


def _absent(tree: Expr) -> list[Expr]:
    """The calls of absent() below ``tree``."""
    if isinstance(tree, promql_parser.Call) and tree.func.name.startswith("absent"):
        return [tree]
    return [found for child in children(tree) for found in _absent(child)]


def _milliseconds(text: str | None) -> int:
    return round(Duration(text).seconds * 1000) if text else 0


def _look_back(expression: str) -> float:
    """How many seconds before its time an expression may look, never too few."""
    ranges = [Duration(found).seconds for found in re.findall(rf"\[{_LENGTH}", expression)]
    offsets = [Duration(found).seconds for found in re.findall(rf"offset {_LENGTH}", expression)]
    return sum(max(lengths, default=0.0) for lengths in (ranges, offsets))


def coarse(alerts: Iterable[Alert], step: int | None) -> str | None:
    """Say that alerts look back over less than the ``step`` of a history, in milliseconds; None where none does."""
    found: dict[float, set[str]] = {}
    for alert in alerts:
        texts = [alert.expression, *(record.expression for record in alert.records)]
        ranges = [Duration(length).seconds for text in texts for length in re.findall(rf"\[{_LENGTH}", text)]
        # A range that shall leave its first sample out is a little shorter.
        if ranges and (shortest := -(-min(ranges) // 60) * 60) * 1000 < (step or 0):
            found.setdefault(shortest, set()).add(alert.name)
    if not found or step is None:
        return None
    names = sorted(set[str]().union(*found.values()))
    return (
        f"The history's step is {Duration.of_seconds(step / 1000)}, and {', '.join(names)} look back over less "
        f"({Duration.of_seconds(min(found))} at least): what is shorter than a step is evened out or not seen. "
        f"Replay with a shorter --step to judge them."
    )
