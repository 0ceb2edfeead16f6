"""What alerts of one name say at each evaluation of a test."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from mlslo.yamlfile import Duration
from rulegen.promql.annotations import Firing
from rulegen.promql.conventions import TIER
from rulegen.promql.expressions import selector
from rulegen.promql.rules import AlertRule
from rulegen.unittests.alertstate import State, moments, states
from rulegen.unittests.timeline import InputSeries, alert_test, at

Labels = Mapping[str, str]


@dataclass(frozen=True)
class Told:
    """One series of one alert: whether its condition holds at each evaluation, and its value then."""

    rule: AlertRule
    held: Sequence[bool]
    values: Sequence[float] = ()
    labels: Labels = field(default_factory=dict)
    members: Sequence[tuple[Labels, float]] = ()

    def at(self, now: int) -> dict[str, Any]:
        """The alert as it is at an evaluation."""
        shown = Firing(self.labels, self.values[now] if self.values else 1.0, members=self.members)
        texts = {key: text.render(shown) for key, text in self.rule.annotations.items()}
        return {"exp_labels": {**self.labels, **self.rule.labels}, "exp_annotations": texts}


def proof(
    name: str,
    interval: Duration,
    series: Sequence[InputSeries],
    told: Sequence[Told],
    alert: str,
) -> dict[str, Any]:
    """Checks both sides of every change, the first evaluation and the last. ``told``: all of the name ``alert``.

    Where series come and go is a change too.
    """
    count = max(len(one.samples) for one in series)
    found = [states(one.held, interval, one.rule.for_, one.rule.keep_firing_for) for one in told]
    when = {0, count - 1}
    for given in series:
        there = [isinstance(value, Decimal) and not value.is_nan() for value in given.samples]
        when |= {side for now in range(1, count) if there[now] != there[now - 1] for side in (now - 1, now)}
    for own, one in zip(found, told, strict=True):
        when |= moments(own)
        when |= {
            side
            for now in range(1, len(own))
            if one.held[now] != one.held[now - 1]
            for side in (now - 1, now)
        }
    checks = [
        alert_test(
            now,
            interval,
            alert,
            [one.at(now) for one, own in zip(told, found, strict=True) if own[now].firing],
        )
        for now in sorted(when)
    ]
    test = {
        "interval": str(interval),
        "name": name,
        "input_series": [one.as_data() for one in series],
        "alert_rule_test": checks,
    }
    if any(one.rule.for_ for one in told):
        test["promql_expr_test"] = [_shown(now, interval, alert, told, found) for now in sorted(when)]
    return test


def _shown(
    now: int, interval: Duration, alert: str, told: Sequence[Told], found: Sequence[Sequence[State]]
) -> dict[str, Any]:
    """What is pending and what fires, of each tier."""
    counts: Counter[tuple[str, str]] = Counter()
    for one, own in zip(told, found, strict=True):
        if own[now].active:
            counts[one.rule.labels[TIER], "firing" if own[now].firing else "pending"] += 1
    samples = [
        {"labels": selector("", {TIER: tier, "alertstate": state}), "value": count}
        for (tier, state), count in sorted(counts.items())
    ]
    query = f"count by ({TIER}, alertstate) ({selector('ALERTS', {'alertname': alert})})"
    return {"expr": query, "eval_time": at(now, interval), "exp_samples": samples}
