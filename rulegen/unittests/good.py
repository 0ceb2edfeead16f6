"""Tests of what an objective on a gauge counts as a good evaluation."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from mlslo.yamlfile import Duration
from rulegen.conditions import World
from rulegen.promql.conventions import MODEL, SLO, errors_record, events_record
from rulegen.promql.expressions import by, quote, selector
from rulegen.promql.replicas import WEIGHTED
from rulegen.sli.gauge import GaugeSeries
from rulegen.sli.query_series import QuerySeries
from rulegen.slo.budget import Budget
from rulegen.slo.events import GoodSli
from rulegen.unittests.gaugeinput import OTHER_MODEL
from rulegen.unittests.probes import decoys, nearby
from rulegen.unittests.replicas import other, replicas, scraped, weight
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
    bad = next(value for value, good in zip(values, held, strict=True) if not good)
    samples: list[Sample] = [*values, GONE]
    labels = {label: f"{label}_1" for label in series.varying} | series.example
    if isinstance(series, QuerySeries):
        given = [InputSeries(series.record, {**series.fixed, **labels, SLO: series.slo}, samples)]
        if series.entities:
            second = {**labels, **{label: f"{label}_2" for label in series.entities}}
            recorded_other = {**series.fixed, **second, SLO: series.slo}
            given.append(InputSeries(series.record, recorded_other, [healthy] * 3 + [GONE]))
    else:
        given = _replicas(series, labels, samples, healthy)
        for change in decoys(series):
            given += other(series, labels | change, "1", [bad] * len(samples))
        if "version" in series.varying:
            newer = {**labels, "version": "version_2"}
            given += other(series, newer, "3", [healthy] * 3 + [GONE])
    # What another SLO, and another model, have recorded under the same name does not count.
    own = {**{label: f"{label}_1" for label in series.varying}, **series.fixed, SLO: series.slo}
    for change in ({SLO: f"{series.slo}-other"}, {MODEL: OTHER_MODEL}):
        given.append(InputSeries(series.record, own | change, [bad] * len(samples)))
    recorded = {MODEL: budget.model, SLO: budget.slo}
    checks = [] if isinstance(series, QuerySeries) else [_recorded(series, own)]
    for name, expected in (
        (errors_record("bool"), [int(not good) for good in held]),
        (events_record("bool"), [1] * 3),
    ):
        found = [*expected, None]
        for now, value in enumerate(found):
            sample = [] if value is None else [{"labels": selector(name, recorded), "value": value}]
            asked = selector(name, {SLO: budget.slo})
            query = {"expr": asked, "eval_time": at(now, interval), "exp_samples": sample}
            checks.append(query)
    return [
        {
            "interval": str(interval),
            "name": f"{budget.slo}: an evaluation is good where the gauge is {_said(sli)}",
            "input_series": list({(one := each.as_data())["series"]: one for each in given}.values()),
            "promql_expr_test": checks,
        }
    ]


def _recorded(series: GaugeSeries, own: dict[str, str]) -> dict[str, Any]:
    """Each series that is recorded at first, with all of its labels."""
    found = [own]
    if series.entities and series.aggregation != "sum":
        found.append(own | {label: f"{label}_2" for label in series.entities})
    if "version" in series.varying:
        found.append(own | {"version": "version_2"})
    of_all = f"{series.record}{{{SLO}={quote(series.slo)},{MODEL}!={quote(OTHER_MODEL)}}}"
    samples = [{"labels": selector("", labels), "value": 1} for labels in found]
    return {"expr": f"count {by(own)} ({of_all})", "eval_time": "0s", "exp_samples": samples}


def _replicas(
    series: GaugeSeries, labels: dict[str, str], samples: list[Sample], healthy: Decimal
) -> list[InputSeries]:
    """A replica with ``samples`` and another one where the gauge is good; halves, where replicas are summed."""
    if series.aggregation == "sum":
        return list(replicas(series, labels, samples, healthy))
    first, second = scraped(labels, "1"), scraped(labels, "2")
    second |= {label: f"{label}_2" for label in series.entities}
    weighted = series.aggregation == WEIGHTED
    given = [InputSeries(series.metric.name, first, samples)]
    good: list[Sample] = [healthy] * 3 + [GONE]
    seen = [value for value in samples if value is not None]
    if series.aggregation in ("min", "max") and any(series.combined((one, healthy)) != one for one in seen):
        # The limit is on the side that the gauge is better on: a good one hides it.
        good = samples
    # A mean with a good one would be another value than the one that is looked at.
    given.append(
        InputSeries(series.metric.name, second, samples if weighted and not series.entities else good)
    )
    if series.entities and series.aggregation != WEIGHTED:
        given.append(InputSeries(series.metric.name, scraped(labels, "2"), good))
    if weighted:
        given += [weight(series, pod, [Decimal(512)] * len(samples)) for pod in (first, second)]
    return given


def _said(sli: GoodSli) -> str:
    return sli.good.phrase().template()
