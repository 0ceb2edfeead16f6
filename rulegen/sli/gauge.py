"""A gauge of the catalogue, as an SLO names it: which series, aggregated how, recorded as what."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Annotated

from pydantic import Field

from mlslo.catalogue import METRICS, Better, Metric
from mlslo.yamlfile import Duration, Name, Shape, StrictModel
from rulegen.promql import replicas
from rulegen.promql.conventions import MODEL, SLO, record_name
from rulegen.promql.expressions import Matcher, OneOf, by, on, selector
from rulegen.promql.names import GAUGES, LabelValue
from rulegen.promql.replicas import Replicas
from rulegen.promql.rules import Record

_SEGMENT = {"segment": "", "segment_value": ""}
# A binary model's figure has no average, nor has that of one class. Of several, macro lets no rare class hide.
_AVERAGE = {"average": OneOf(("", "macro"))}
_ALL_CLASSES = {"class": ""}


class Gauge(StrictModel):
    """One gauge of the catalogue."""

    metric: Annotated[str, Shape(enum=list(GAUGES))] = Field(description="Its name, as in docs/metrics.md.")
    window: Duration | None = Field(None, description="Which window, where the gauge has several.")
    reference: Name | None = Field(None, description="Which reference, where the gauge is compared with one.")
    labels: dict[str, LabelValue] = Field(
        default_factory=dict, description="Only these series: feature, segment, quantile, ..."
    )
    replicas: Replicas | None = Field(
        None,
        description="How the model's replicas count together: the `worst` of them, their mean `weighted` by the "
        "predictions of each, or their `sum`; by default counts and rates are summed, else the worst counts.",
    )


@dataclass(frozen=True)
class GaugeSeries:
    """The series of one gauge SLO after the scrape's own labels (instance, pod, job) are gone.

    ``matchers`` select them at the source; ``labels`` are those that the record keeps, of which
    ``fixed`` have a known value. Unless it names them, an SLO is about all traffic, and about the
    macro average. ``aggregation`` over replicas: sum, min, max (whichever is worse) or weighted_avg.
    What is additive is summed over versions in any case, so that a retired one's 0 is no outage.
    """

    model: str
    slo: str
    metric: Metric
    matchers: Mapping[str, Matcher]
    aggregation: str
    labels: tuple[str, ...]
    fixed: Mapping[str, str]
    reference: str | None
    interval: Duration

    @property
    def title(self) -> str:
        """The name of what is measured, for texts."""
        return self.metric.name

    @property
    def example(self) -> dict[str, str]:
        """Labels that the matchers select."""
        return {
            label: matcher if isinstance(matcher, str) else matcher.words[0]
            for label, matcher in self.matchers.items()
        }

    @cached_property
    def varying(self) -> tuple[str, ...]:
        """Labels whose values tell the record's series apart."""
        return tuple(label for label in self.labels if label not in self.fixed)

    @cached_property
    def entities(self) -> tuple[str, ...]:
        """Labels that tell series of one version apart: feature, segment_value, quantile, ..."""
        return tuple(label for label in self.varying if label != "version")

    @cached_property
    def level(self) -> tuple[str, ...]:
        """The level of the record's name."""
        return (MODEL, *self.varying)

    @cached_property
    def record(self) -> str:
        """The name of the recorded series."""
        return record_name(self.level, self.metric.name, self.aggregation)

    @cached_property
    def expression(self) -> str:
        """The recorded series."""
        return self.select(self.record)

    def select(self, record: str) -> str:
        """Another record of this SLO."""
        return selector(record, {MODEL: self.model, SLO: self.slo})

    def join(self) -> str:
        """PromQL: match the gauge with its model's history; both are of one SLO, and have the rest in common."""
        return f"{on(self.entities)} group_left ()"

    def rule(self) -> Record:
        """The recording rule."""
        if self.aggregation == replicas.WEIGHTED:
            expression = replicas.weighted(self.metric, self.matchers, self.labels)
            return Record(self.record, expression, {SLO: self.slo})
        selected = selector(self.metric.name, self.matchers)
        if self.metric.additive and self.aggregation != "sum" and "version" in self.metric.labels:
            # Each replica is judged by a count or rate of its own.
            selected = f"sum without (version) ({selected})"
        return Record(self.record, f"{self.aggregation} {by(self.labels)} ({selected})", {SLO: self.slo})


def of(model: str, slo: str, gauge: Gauge, interval: Duration, *, looks_low: bool) -> GaugeSeries:
    """The series that ``gauge`` of ``slo`` means. The gauge must have been checked.

    ``looks_low``: the conditions on it are about low values.
    """
    metric = METRICS[gauge.metric]
    named: dict[str, str] = {MODEL: model}
    if gauge.window is not None:
        named["window"] = str(gauge.window)
    if gauge.reference is not None and "reference" in metric.labels:
        named["reference"] = gauge.reference
    named.update(gauge.labels)
    matchers: dict[str, Matcher] = {label: named[label] for label in metric.labels if label in named}
    unnamed = _unnamed(metric, gauge)
    matchers.update(unnamed)
    dropped = (*unnamed, *(("version",) if metric.additive else ()))
    labels = tuple(label for label in metric.labels if label not in dropped)
    fixed = {label: named[label] for label in labels if label in named}
    how = gauge.replicas or replicas.default(metric)
    named_so = {"sum": "sum", "weighted": replicas.WEIGHTED}
    aggregation = named_so.get(how) or worst(metric, looks_low=looks_low)
    return GaugeSeries(model, slo, metric, matchers, aggregation, labels, fixed, gauge.reference, interval)


def entities(metric: Metric, gauge: Gauge) -> tuple[str, ...]:
    """Labels that tell series of one version apart."""
    chosen = {MODEL, "version", "window", "reference", *gauge.labels, *_unnamed(metric, gauge)}
    return tuple(label for label in metric.labels if label not in chosen)


def _unnamed(metric: Metric, gauge: Gauge) -> dict[str, Matcher]:
    """Return the default matchers of the labels that ``gauge`` could choose and doesn't name."""
    # Where there is no average, the classes are what is told apart.
    groups = (_SEGMENT, _AVERAGE, _ALL_CLASSES) if "average" in metric.labels else (_SEGMENT,)
    return {
        label: matcher
        for group in groups
        if not set(group) & set(gauge.labels)
        for label, matcher in group.items()
        if label in metric.labels
    }


def worst(metric: Metric, *, looks_low: bool) -> str:
    """The aggregation that leaves the worst of several series, as the metric, or the conditions on it, say."""
    low = looks_low if metric.better is Better.NEITHER else metric.better is Better.HIGHER
    return "min" if low else "max"
