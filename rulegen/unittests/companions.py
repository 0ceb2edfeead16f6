"""Tests of the alerts that nothing is measured any more."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from exporter.yamlfile import Duration
from rulegen.companions import LAST_SUCCESS
from rulegen.conventions import MODEL, MONITOR_ABSENT, MONITOR_STALE, NO_DATA
from rulegen.plan import Plan, SloPlan
from rulegen.promql import exact
from rulegen.rules import AlertRule
from rulegen.spec import NoData
from rulegen.texts import Firing
from rulegen.unittests.alertstate import evaluations, states
from rulegen.unittests.timeline import GONE, InputSeries, Sample, alert_test, expanded

_BEFORE = 3


def of_slo(plan: Plan, slo: SloPlan, interval: Duration) -> list[dict[str, Any]]:
    """One SLO is no longer measured while the monitor works, and while it does not."""
    companion, no_data = slo.companion, plan.file.spec.noData
    assert companion is not None
    assert no_data is not None
    wait = evaluations(no_data.after, interval)
    gone = expanded([(Decimal(0), _BEFORE), (GONE, wait + 1), (Decimal(0), 2)])
    others = _measured(plan, slo, len(gone))
    labels = plan.file.labels(slo.slo.name)
    missing = InputSeries(companion.record, labels, gone)
    alive = _writer(plan, "1", interval, len(gone), len(gone), no_data.after.seconds)
    held = [sample is None for sample in gone]
    found = [
        _test(
            f"{NO_DATA} of {slo.slo.name}: fires {no_data.after} after it was last measured",
            companion.rule,
            interval,
            [missing, *others, alive],
            held,
        )
    ]
    if companion.monitored:
        stopped = _writer(plan, "1", interval, len(gone), _BEFORE)
        other_pod = _writer(plan, "2", interval, len(gone), len(gone))
        given = [missing, *others, stopped, other_pod]
        name = f"{NO_DATA} of {slo.slo.name}: quiet where the monitor stopped, even in one pod of two"
        found.append(_test(name, companion.rule, interval, given, held, quiet=True))
    return found


def of_monitor(plan: Plan, no_data: NoData, interval: Duration) -> list[dict[str, Any]]:
    """The monitor stopped, in one of two pods; the monitor is gone."""
    assert plan.monitor is not None
    rules = {rule.name: rule for rule in plan.monitor.alerts}
    wait = evaluations(no_data.after, interval)
    count = _BEFORE + wait + 3
    stopped = _BEFORE - 1
    ages = [max(now - stopped, 0) if now < count - 1 else 0 for now in range(count)]
    written = [exact((now - age) * interval.seconds) for now, age in enumerate(ages)]
    hung = InputSeries(LAST_SUCCESS, _pod(plan, "1"), list(written))
    alive = _writer(plan, "2", interval, count, count)
    stale = _test(
        f"{MONITOR_STALE}: fires once a cycle has not succeeded for {no_data.after}",
        rules[MONITOR_STALE],
        interval,
        [hung, alive],
        [age * interval.seconds > no_data.after.seconds for age in ages],
        [age * interval.seconds for age in ages],
    )
    present = [exact(now * interval.seconds) for now in range(count)]
    there: list[Sample] = [
        value if now < _BEFORE or now > _BEFORE + wait else GONE for now, value in enumerate(present)
    ]
    absent = _test(
        f"{MONITOR_ABSENT}: fires {no_data.after} after the monitor was last heard of",
        rules[MONITOR_ABSENT],
        interval,
        [InputSeries(LAST_SUCCESS, _pod(plan, "1"), there)],
        [sample is None for sample in there],
    )
    return [stale, absent]


def _test(
    name: str,
    rule: AlertRule,
    interval: Duration,
    series: Sequence[InputSeries],
    held: Sequence[bool],
    values: Sequence[float] | None = None,
    *,
    quiet: bool = False,
) -> dict[str, Any]:
    """Checks both sides of every change, and the last evaluation; ``quiet``: it must not fire all the same."""
    after = states(held, interval, rule.for_, rule.keep_firing_for)
    firing = [state.firing for state in after]
    moments = {0, len(held) - 1}
    for now in range(1, len(firing)):
        if firing[now] != firing[now - 1] or held[now] != held[now - 1]:
            moments |= {now - 1, now}
    checks = []
    for now in sorted(moments):
        expected = []
        if firing[now] and not quiet:
            shown = Firing({}, values[now] if values else 1.0)
            texts = {key: text.render(shown) for key, text in rule.annotations.items()}
            expected.append({"exp_labels": dict(rule.labels), "exp_annotations": texts})
        checks.append(alert_test(now, interval, rule.name, expected))
    return {
        "interval": str(interval),
        "name": name,
        "input_series": [one.as_data() for one in series],
        "alert_rule_test": checks,
    }


def _measured(plan: Plan, slo: SloPlan, count: int) -> list[InputSeries]:
    """Every other SLO, being measured: their alerts have the same name."""
    return [
        InputSeries(other.companion.record, plan.file.labels(other.slo.name), [Decimal(0)] * count)
        for other in plan.slos
        if other is not slo and other.companion is not None
    ]


def _pod(plan: Plan, pod: str) -> dict[str, str]:
    return {MODEL: plan.file.model, "instance": f"10.0.0.{pod}:9847"}


def _writer(plan: Plan, pod: str, interval: Duration, count: int, alive: int, late: float = 0) -> InputSeries:
    """A pod whose cycles succeeded ``late`` seconds before each of the first ``alive`` evaluations."""
    times: list[Sample] = [exact(min(now, alive - 1) * interval.seconds - late) for now in range(count)]
    return InputSeries(LAST_SUCCESS, _pod(plan, pod), times)
