"""Tests of what an objective on a gauge counts as a good evaluation."""

from __future__ import annotations

from typing import Any

from exporter.yamlfile import Duration
from rulegen.budget import Budget
from rulegen.conditions import World
from rulegen.conventions import MODEL, SLO, errors_record, events_record
from rulegen.promql import selector
from rulegen.queryseries import QuerySeries
from rulegen.sli import GoodSli
from rulegen.unittests.probes import decoys, nearby
from rulegen.unittests.timeline import GONE, InputSeries, Sample, at


def tests(budget: Budget, interval: Duration) -> list[dict[str, Any]]:
    """A gauge just good, just not, and gone, with another series that is good throughout."""
    sli = budget.sli
    if not isinstance(sli, GoodSli):
        return []
    limit, series = sli.good.limit, sli.series
    world = World()
    step = nearby(limit)
    values = [limit - step, limit, limit + step]
    held = [sli.good.holds(value, world) for value in values]
    healthy = max(values) if held[-1] else min(values)
    samples: list[Sample] = [*values, GONE]
    labels = {label: f"{label}_1" for label in series.varying} | series.example
    other = {**labels, "instance": "10.0.0.2:9847"}
    if series.entities:
        other |= {label: f"{label}_2" for label in series.entities}
    if isinstance(series, QuerySeries):
        given = [InputSeries(series.record, {**series.fixed, **labels, SLO: series.slo}, samples)]
        if series.entities:
            recorded_other = {**series.fixed, **other, SLO: series.slo}
            del recorded_other["instance"]
            given.append(InputSeries(series.record, recorded_other, [healthy] * 3 + [GONE]))
    else:
        given = [InputSeries(series.metric.name, {**labels, "instance": "10.0.0.1:9847"}, samples)]
        if series.aggregation != "sum":
            given.append(InputSeries(series.metric.name, other, [healthy] * 3 + [GONE]))
        bad = next(value for value, good in zip(values, held, strict=True) if not good)
        given += [InputSeries(series.metric.name, labels | decoy, [bad] * 4) for decoy in decoys(series)]
    recorded = {MODEL: budget.model, SLO: budget.slo}
    checks = []
    for name, expected in (
        (errors_record("bool"), [int(not good) for good in held]),
        (events_record("bool"), [1] * 3),
    ):
        found = [*expected, None]
        for now, value in enumerate(found):
            sample = [] if value is None else [{"labels": selector(name, recorded), "value": value}]
            query = {"expr": budget.select(name), "eval_time": at(now, interval), "exp_samples": sample}
            checks.append(query)
    return [
        {
            "interval": str(interval),
            "name": f"{budget.slo}: an evaluation is good where the gauge is {_said(sli)}",
            "input_series": [one.as_data() for one in given],
            "promql_expr_test": checks,
        }
    ]


def _said(sli: GoodSli) -> str:
    return sli.good.phrase().template()
