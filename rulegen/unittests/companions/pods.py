"""Pods whose sidecars watch one model."""

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
from rulegen.unittests.replicas import scraped
from rulegen.unittests.timeline import InputSeries, Sample


def series(
    plan: Plan, name: str, pod: str, samples: Sequence[Sample], labels: Mapping[str, str] | None = None
) -> InputSeries:
    """A metric of the model, scraped from a pod."""
    return InputSeries(name, scraped({MODEL: plan.file.model, **(labels or {})}, pod), samples)


def of_another(one: InputSeries, samples: Sequence[Sample]) -> InputSeries:
    """The same series of another model."""
    return InputSeries(one.name, {**one.labels, MODEL: f"{one.labels[MODEL]}-other"}, samples)


def is_known(age: float | None) -> bool:
    """Whether something is there, and a number."""
    return age is not None and not math.isnan(age)


def older(age: float | None, limit: float) -> bool:
    """Whether it is there and older than ``limit``."""
    return age is not None and age > limit


def times(interval: Duration, ages: Sequence[float | None]) -> list[Sample]:
    """When it was so long ago, in seconds, at each evaluation."""
    return [
        None if age is None else exact(now * interval.seconds) - exact(age) for now, age in enumerate(ages)
    ]


def writer(plan: Plan, pod: str, interval: Duration, ages: Sequence[float | None]) -> InputSeries:
    """A pod whose last cycle that succeeded was so long ago."""
    return series(plan, LAST_SUCCESS, pod, times(interval, ages))


def labels(plan: Plan, pod: str, interval: Duration, ages: Sequence[float | None]) -> InputSeries:
    """A pod whose newest label is so old."""
    return series(plan, WATERMARK, pod, times(interval, ages))


def sink(plan: Plan, pod: str, name: str, up: Sequence[Sample]) -> InputSeries:
    """A pod that can read a sink, or not."""
    return series(plan, UP, pod, up, {SINK: name})
