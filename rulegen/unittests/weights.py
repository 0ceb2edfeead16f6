"""Tests of gauges that are averaged over replicas by how many predictions each rests on."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

from mlslo.yamlfile import Duration
from rulegen.promql.expressions import OneOf, selector
from rulegen.sli.gauge import GaugeSeries
from rulegen.unittests.replicas import scraped, weight
from rulegen.unittests.timeline import GONE, InputSeries, Sample, at

_NAN = Decimal("NaN")
_LAST = 4


def test(series: GaugeSeries, interval: Duration) -> dict[str, Any]:
    """Replicas that restart, that withhold the gauge, that have few predictions, that are gone.

    At first (300 x 0.75 + 100 x 0.25) / 400; then the first has restarted under another name, with 100
    predictions at 0.5; then one is left, with one prediction; then none.
    """
    expected = [Decimal("0.625")] * 2 + [Decimal("0.375"), Decimal("0.5"), None]
    recorded = selector(series.record, _recorded(series))
    checks = []
    for now, value in enumerate(expected):
        samples = [] if value is None else [{"labels": recorded, "value": float(value)}]
        query = {"expr": series.expression, "eval_time": at(now, interval), "exp_samples": samples}
        checks.append(query)
    return {
        "interval": str(interval),
        "name": f"{series.record} of {series.slo}: replicas weigh as many predictions as they have",
        "input_series": [one.as_data() for one in _given(series)],
        "promql_expr_test": checks,
    }


def _given(series: GaugeSeries) -> Iterator[InputSeries]:
    # Of several values that a label may have, one that the number of predictions does not have.
    last = {
        label: matcher.words[-1] for label, matcher in series.matchers.items() if isinstance(matcher, OneOf)
    }
    labels = {label: f"{label}_1" for label in series.varying} | series.example | last
    # pod: what its gauge is, how many predictions it rests on
    stories: dict[str, tuple[list[Sample], list[Sample]]] = {
        "1": (_then("0.75", "0.75"), _then("300", "300")),
        "2": (_then("0.25", "0.25", "0.25"), _then("100", "100", "100")),
        # A replica that restarted, is there from the third evaluation on, and stays for one more.
        "10": (_then(None, None, "0.5", "0.5"), _then(None, None, "100", "1")),
        # Withholds the gauge, has NaN, has no predictions, is not counted.
        "3": ([], _then(*["5000"] * (_LAST + 1))),
        "4": ([_NAN] * (_LAST + 1), _then(*["5000"] * (_LAST + 1))),
        "5": (_then(*["0.125"] * (_LAST + 1)), _then(*["0"] * (_LAST + 1))),
        "6": (_then(*["0.125"] * (_LAST + 1)), []),
    }
    for pod, (values, rows) in stories.items():
        own = scraped(labels, pod)
        if values:
            yield InputSeries(series.metric.name, own, values)
        if rows:
            yield weight(series, own, rows)


def _then(*values: str | None) -> list[Sample]:
    found: list[Sample] = [GONE if value is None else Decimal(value) for value in values]
    return found + [GONE] * (_LAST + 1 - len(found))


def _recorded(series: GaugeSeries) -> dict[str, str]:
    varying = {label: f"{label}_1" for label in series.varying}
    return {**series.fixed, **varying, "slo": series.slo}
