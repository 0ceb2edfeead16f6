"""What a generated rule file says of each of its alerts, read as anyone could."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any

import promql_parser as promql

from tests.cases.notation import seconds

# By naming conventions, metrics in Unix seconds end so.
TIME = "_timestamp_seconds"
_ORDER = ("<", ">", "<=", ">=")


@dataclass(frozen=True)
class Selector:
    """A metric's name, and what its labels must be: equal or not, as a text or by a pattern."""

    name: str
    matchers: tuple[Any, ...]

    def selects(self, name: str, labels: Mapping[str, str]) -> bool:
        """Whether a series is selected."""
        if name != self.name:
            return False
        return all(_agrees(matcher, labels.get(matcher.name, "")) for matcher in self.matchers)

    def may_select(self, name: str, labels: Mapping[str, str]) -> bool:
        """Whether a series that has ``labels``, and others, may be."""
        if name != self.name:
            return False
        return all(_agrees(one, labels[one.name]) for one in self.matchers if one.name in labels)


def _agrees(matcher: Any, value: str) -> bool:
    operator = matcher.op
    if operator in (promql.MatchOp.Re, promql.MatchOp.NotRe):
        # Anchored, as Prometheus anchors it; RE2 and Python agree on what is generated.
        same = re.fullmatch(matcher.value, value) is not None
    else:
        same = value == matcher.value
    return same == (operator in (promql.MatchOp.Equal, promql.MatchOp.Re))


def nodes(node: Any) -> Iterator[Any]:
    """A PromQL tree, node by node."""
    yield node
    match type(node).__name__:
        case "BinaryExpr":
            yield from nodes(node.lhs)
            yield from nodes(node.rhs)
        case "AggregateExpr":
            yield from nodes(node.expr)
            if node.param is not None:
                yield from nodes(node.param)
        case "Call":
            for argument in node.args:
                yield from nodes(argument)
        case "MatrixSelector":
            yield from nodes(node.vector_selector)
        case "ParenExpr" | "UnaryExpr" | "SubqueryExpr":
            yield from nodes(node.expr)


@lru_cache(maxsize=10_000)
def selectors(expression: str) -> list[Selector]:
    """What an expression selects."""
    found = [node for node in nodes(promql.parse(expression)) if type(node).__name__ == "VectorSelector"]
    return [Selector(node.name, tuple(node.matchers.matchers)) for node in found]


@dataclass(frozen=True)
class Alert:
    """An alert, and the records of its file that it may rest on."""

    group: str
    interval: float
    rule: Mapping[str, Any]
    records: Sequence[Mapping[str, Any]]

    @property
    def name(self) -> str:
        return str(self.rule["alert"])

    @property
    def labels(self) -> Mapping[str, str]:
        """Those that it has whatever its series."""
        labels: Mapping[str, str] = self.rule.get("labels", {})
        return labels

    def __str__(self) -> str:
        return f"{self.name} of {self.labels.get('slo', self.group)} ({self.labels.get('tier', 'no tier')})"

    @property
    def lasting(self) -> bool:
        """Whether it must last."""
        return seconds(self.rule.get("for", "0s")) > 0

    @cached_property
    def keep(self) -> int:
        """Evaluations for which it goes on firing."""
        return math.ceil(seconds(self.rule.get("keep_firing_for", "0s")) / self.interval)

    @cached_property
    def _tree(self) -> Any:
        return promql.parse(self.rule["expr"])

    @cached_property
    def _rules(self) -> list[Mapping[str, Any]]:
        """The rule, and the records that it rests on, through any number of them."""
        found = [self.rule]
        for rule in found:
            for selector in selectors(rule["expr"]):
                for record in self.records:
                    if record not in found and selector.may_select(
                        record["record"], record.get("labels", {})
                    ):
                        found.append(record)
        return found

    @cached_property
    def rests_on(self) -> list[Selector]:
        """Every series that it rests on, given to the rules or made by them."""
        return [selector for rule in self._rules for selector in selectors(rule["expr"])]

    def made_from(self, name: str) -> set[str]:
        """The names of all that a record of that name is made from, through any number of records."""
        found = {name}
        while True:
            used = {
                selector.name
                for record in self.records
                if record["record"] in found
                for selector in selectors(record["expr"])
            }
            if used <= found:
                return found - {name}
            found |= used

    @cached_property
    def of_absence(self) -> bool:
        """Whether it fires because something is not there."""
        return any(getattr(node, "func", None) and node.func.name == "absent" for node in nodes(self._tree))

    @cached_property
    def of_ages(self) -> bool:
        """Whether it looks at how long ago something was: beside the clock, or beside another time."""
        clock = any(getattr(node, "func", None) and node.func.name == "time" for node in nodes(self._tree))
        times = {one.name for one in selectors(self.rule["expr"]) if one.name.endswith(TIME)}
        return clock or len(times) > 1

    @cached_property
    def graded(self) -> bool:
        """Whether a little more or less of something makes a difference, not just whether it is there, or is 0."""
        read = [self.rule] if self.of_absence else self._rules
        return any(_is_graded(node) for rule in read for node in nodes(promql.parse(rule["expr"])))

    @cached_property
    def breaches(self) -> tuple[int, int] | None:
        """X and Y, where X of the last Y evaluations must be bad: a sum of ones and zeros over a time."""
        for node in nodes(self._tree):
            if type(node).__name__ != "BinaryExpr" or str(node.op) != ">=":
                continue
            call, least = node.lhs, node.rhs
            if getattr(call, "func", None) and call.func.name == "sum_over_time":
                (over,) = call.args
                return int(least.val), math.ceil(over.range.total_seconds() / self.interval)
        return None


def _is_graded(node: Any) -> bool:
    if type(node).__name__ != "BinaryExpr" or str(node.op) not in _ORDER:
        return False
    limits = [side.val for side in (node.lhs, node.rhs) if type(side).__name__ == "NumberLiteral"]
    return not any(math.isinf(limit) for limit in limits)


def alerts(file: Mapping[str, Any]) -> list[Alert]:
    """The alerts of a rule file that was read as YAML."""
    rules = [rule for group in file["groups"] for rule in group["rules"]]
    records = [rule for rule in rules if "record" in rule]
    return [
        Alert(group["name"], seconds(group["interval"]), rule, records)
        for group in file["groups"]
        for rule in group["rules"]
        if "alert" in rule
    ]
