"""Pods whose sidecars watch one model: what their monitors say of themselves."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from mlslo.yamlfile import Duration
from rulegen.promql.conventions import MODEL
from rulegen.promql.expressions import exact
from rulegen.slo.companions.labels import WATERMARK
from rulegen.slo.companions.monitor import LAST_SUCCESS
from rulegen.slo.companions.sinks import SINK, UP
from rulegen.slo.plan import Plan
from rulegen.unittests.case import NAN, Sample, Series
from rulegen.unittests.scraped import POD

__all__ = ["UP", "WATERMARK", "labels", "of_another", "series", "sink", "times", "writer"]


def series(
    plan: Plan, name: str, pod: str, samples: Sequence[Sample], labels: Mapping[str, str] | None = None
) -> Series:
    """A metric of the model, scraped from a pod."""
    return Series(name, {MODEL: plan.file.model, **(labels or {}), POD: pod}, samples)


def of_another(one: Series, samples: Sequence[Sample] | None = None) -> Series:
    """The same series of another model."""
    return Series(
        one.name,
        {**one.labels, MODEL: f"{one.labels[MODEL]}-other"},
        one.samples if samples is None else samples,
    )


def times(interval: Duration, ages: Sequence[float | None]) -> list[Sample]:
    """Return the times that are so many seconds ago at each evaluation."""
    return [
        None if age is None else NAN if math.isnan(age) else exact(now * interval.seconds) - exact(age)
        for now, age in enumerate(ages)
    ]


def writer(plan: Plan, pod: str, interval: Duration, ages: Sequence[float | None]) -> Series:
    """A pod whose last cycle that succeeded was so long ago."""
    return series(plan, LAST_SUCCESS, pod, times(interval, ages))


def labels(plan: Plan, pod: str, interval: Duration, ages: Sequence[float | None]) -> Series:
    """A pod whose newest label is so old."""
    return series(plan, WATERMARK, pod, times(interval, ages))


def sink(plan: Plan, pod: str, name: str, up: Sequence[Sample]) -> Series:
    """A pod that can read a sink, or not."""
    return series(plan, UP, pod, up, {SINK: name})
