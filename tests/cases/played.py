"""A generated unit test, played: what the rules see at each evaluation, and what is checked then.

That the checks are right is for promtool to say; here they are taken for the truth.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import promql_parser as promql

from mlslo.catalogue import METRICS
from tests.cases.alerts import TIME, Alert, Selector
from tests.cases.notation import Mark, samples, seconds

# How far back Prometheus looks for the last sample of a series.
_LOOKBACK = 300.0
# By naming conventions, counters end so.
_COUNTERS = ("_total", "_count", "_bucket", "_sum")
# The values of some series at one evaluation, None where one is gone.
Seen = tuple[float | None, ...]


@dataclass(frozen=True)
class Series:
    """A series that a test gives."""

    name: str
    labels: Mapping[str, str]
    values: str

    def seen(self, interval: float, step: float, count: int, *, aged: bool) -> list[float | None]:
        """The value at each of ``count`` evaluations; of a counter, what it grew by.

        ``aged``: of a time, how long ago it was.
        """
        given = samples(self.values)
        found = [_last(given, interval, evaluation * step) for evaluation in range(count)]
        if aged and self.is_time:
            return [value if value is None else now * step - value for now, value in enumerate(found)]
        if self.name.endswith(_COUNTERS):
            return [
                value if value is None or before is None else float(f"{value - before:.6g}")
                for before, value in zip(found[:1] + found, found, strict=False)
            ]
        return found

    @property
    def is_time(self) -> bool:
        """Whether its values are times."""
        return self.name.endswith(TIME)

    @property
    def is_count(self) -> bool:
        """Whether its values are whole numbers of something."""
        metric = METRICS.get(self.name)
        return metric is not None and metric.unit in ("bytes", "features", "rows", "predictions")


def _last(given: Sequence[float | Mark], interval: float, now: float) -> float | None:
    newest = min(math.floor(now / interval + 1e-9), len(given) - 1)
    for index in range(newest, -1, -1):
        if now - index * interval >= _LOOKBACK:
            return None
        value = given[index]
        if value is Mark.STALE:
            return None
        if not isinstance(value, Mark):
            return value
    return None


@dataclass(frozen=True)
class State:
    """What a test checks of an alert at one evaluation; None: it does not say."""

    firing: bool | None = None
    pending: bool | None = None

    @property
    def quiet(self) -> bool:
        return self.firing is False and self.pending is False

    @property
    def active(self) -> bool:
        return self.firing is True or self.pending is True

    @property
    def known(self) -> bool:
        return self.quiet or self.active

    def __or__(self, other: State) -> State:
        """Both checks together."""
        firing = self.firing if other.firing is None else other.firing
        pending = self.pending if other.pending is None else other.pending
        return State(firing, pending)


class Test:
    """One test of a generated file. ``alerts``: all of the rule file."""

    def __init__(self, data: Mapping[str, Any], evaluation_interval: str, alerts: Sequence[Alert]) -> None:
        self.name = str(data.get("name", ""))
        self.step = seconds(evaluation_interval)
        self.interval = seconds(data["interval"])
        self._data = data
        self._alerts = alerts

    @cached_property
    def _fired(self) -> list[tuple[int, str, list[Mapping[str, str]]]]:
        """The labels of what fires, evaluation by evaluation and name by name."""
        return [
            (self._evaluation(check), check["alertname"], [one["exp_labels"] for one in check["exp_alerts"]])
            for check in self._data.get("alert_rule_test", [])
        ]

    @cached_property
    def _shown(self) -> list[tuple[int, Selector, list[Mapping[str, str]], bool]]:
        """The alerts that each check asks for, the labels of its results, and whether it is about all evaluations."""
        found = []
        for check in self._data.get("promql_expr_test", []):
            tree: Any = promql.parse(check["expr"])
            over = type(tree).__name__ == "Call" and tree.func.name == "count_over_time"
            if over:
                tree = tree.args[0].vector_selector
            elif type(tree).__name__ == "AggregateExpr" and str(tree.op) == "count":
                tree = tree.expr
            if getattr(tree, "name", None) == "ALERTS":
                asked = Selector("ALERTS", tuple(tree.matchers.matchers))
                shown = [
                    _labels(sample.get("labels", "{}"))
                    for sample in check["exp_samples"]
                    for _ in range(sample["value"])
                ]
                found.append((self._evaluation(check), asked, shown, over))
        return found

    def _evaluation(self, check: Mapping[str, Any]) -> int:
        return math.floor(seconds(check["eval_time"]) / self.step + 1e-9)

    def is_about(self, alert: Alert) -> bool:
        """Whether anything is checked of an alert."""
        return bool(self.states(alert))

    def states(self, alert: Alert) -> dict[int, State]:
        """What is checked of an alert, by evaluation."""
        found: dict[int, State] = {}
        for now, name, firing in self._fired:
            if name == alert.name:
                fires = any(alert.labels.items() <= labels.items() for labels in firing)
                # Without a `for` nothing is ever pending.
                state = State(fires, None if alert.lasting else False)
                found[now] = found.get(now, State()) | state
        for now, asked, shown, over in self._shown:
            if (counted := self._counted(alert, asked, shown)) is not None:
                for then in range(0 if over else now, now + 1):
                    found[then] = found.get(then, State()) | counted
        return found

    def _counted(self, alert: Alert, asked: Selector, shown: Sequence[Mapping[str, str]]) -> State | None:
        """Return the state of an alert by a count: None where another alert may be the one that is counted."""
        known = {matcher.name: matcher.value for matcher in asked.matchers}
        state = known.pop("alertstate", None)
        if any(
            alert.labels.get(label, value) != value for label, value in known.items() if label != "alertname"
        ):
            return None
        if known.get("alertname") != alert.name:
            return None
        own = [labels for labels in shown if _compatible(labels, alert)]
        alike = [
            other
            for other in self._alerts
            if other.name == alert.name and _compatible(known, other, "alertname")
        ]
        others = [] if len(own) == len(alike) else [
            other
            for other in self._alerts
            if other is not alert and other in alike and any(_compatible(labels, other) for labels in own)
        ]  # fmt: skip
        if others:
            return None
        kinds = {labels.get("alertstate", state) for labels in own}
        if state is not None and not own:
            return State(False, None) if state == "firing" else State(None, False)
        return State("firing" in kinds, "pending" in kinds)

    @cached_property
    def _series(self) -> list[Series]:
        return list(_series(self._data.get("input_series", [])))

    def seen(self, alert: Alert) -> tuple[list[Series], list[Seen]]:
        """The series that an alert rests on, and their values at each evaluation until the last check."""
        chosen = [
            one
            for one in self._series
            if any(selector.selects(one.name, one.labels) for selector in alert.rests_on)
        ]
        count = max(self.states(alert), default=-1) + 1
        columns = [one.seen(self.interval, self.step, count, aged=alert.of_ages) for one in chosen]
        return chosen, [tuple(column[now] for column in columns) for now in range(count)]


def _compatible(labels: Mapping[str, str], alert: Alert, *without: str) -> bool:
    own = {label: value for label, value in labels.items() if label not in without}
    return all(alert.labels.get(label, value) == value for label, value in own.items())


def _series(given: Sequence[Mapping[str, str]]) -> Iterator[Series]:
    for one in given:
        tree: Any = promql.parse(one["series"])
        labels = {matcher.name: matcher.value for matcher in tree.matchers.matchers}
        yield Series(tree.name, labels, str(one["values"]))


def _labels(text: str) -> Mapping[str, str]:
    """``{a="b"}`` as data."""
    tree: Any = promql.parse(f"x{text}")
    return {matcher.name: matcher.value for matcher in tree.matchers.matchers}


def tests(file: Mapping[str, Any], alerts: Sequence[Alert]) -> list[Test]:
    """The tests of a test file that was read as YAML."""
    return [Test(test, file["evaluation_interval"], alerts) for test in file["tests"]]
