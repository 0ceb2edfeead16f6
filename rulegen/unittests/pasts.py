"""Tests of the records of a gauge's past: its mean, its deviation, what it was, what it is going to be."""

from __future__ import annotations

import math
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from exporter.yamlfile import Duration
from rulegen.conditions import History
from rulegen.conventions import SLO
from rulegen.gauge import GaugeSeries
from rulegen.promql import selector
from rulegen.unittests.nearly import near
from rulegen.unittests.timeline import InputSeries, Sample, at

_FIRST, _RISE, _SECOND = Decimal("0.8"), Decimal("0.0001"), Decimal("0.2")


def length(series: GaugeSeries, history: History) -> float:
    """How many seconds it takes until a record has a past with two versions in it."""
    return history.offset + 2 * history.least * series.interval.seconds


def test(series: GaugeSeries, history: History, step: Duration) -> dict[str, Any]:
    """A version that rises, and one that is half as long there: their mean is not the mean of means."""
    interval = series.interval
    end = math.ceil(length(series, history) / step.seconds)
    count = math.ceil(end * step.seconds / interval.seconds) + 1
    versions = "version" in series.varying
    first: list[Sample] = [_FIRST + index * _RISE for index in range(count)]
    second: list[Sample] = [None] * (count // 2) + [_SECOND] * (count - count // 2)
    labels = {**series.fixed, **{label: f"{label}_1" for label in series.entities}, SLO: series.slo}
    old, new = ({"version": "1"}, {"version": "2"}) if versions else ({}, {})
    given = [InputSeries(series.record, {**labels, **old}, first)]
    given += [InputSeries(series.record, {**labels, **new}, second)] if versions else []
    own = {**labels, **old} if history.of_version else labels
    record = selector(history.record.name, own) if history.of_version else series.select(history.record.name)
    checks: list[dict[str, Any]] = []
    early = math.floor((history.offset + history.least * interval.seconds / 2) / step.seconds)
    if early and early * step.seconds < history.offset + (history.least - 1) * interval.seconds:
        checks.append({"expr": record, "eval_time": at(early, step), "exp_samples": []})
    known = [first, second] if versions and not history.of_version else [first]
    expected = history.of(_seen(history, known, interval, end * step.seconds))
    checks.append(near(record, expected, own, at(end, step)))
    return {
        "interval": str(interval),
        "name": f"{history.record.name} of {series.slo}",
        "input_series": [one.as_data() for one in given],
        "promql_expr_test": checks,
    }


def _seen(
    history: History, versions: Sequence[Sequence[Sample]], interval: Duration, now: float
) -> list[tuple[float, Decimal]]:
    """The samples that a record is made of at ``now``, as ages and values."""
    last = math.floor((now - history.offset) / interval.seconds)
    start = last
    if history.window:
        start = max(math.ceil((now - history.offset - history.window) / interval.seconds), 0)
    return [
        (now - index * interval.seconds, value)
        for samples in versions
        for index, value in enumerate(samples[start : last + 1], start)
        if value is not None
    ]
