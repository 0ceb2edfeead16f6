"""Any PromQL expression as the gauge of an SLO: which labels it keeps, recorded as what."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from mlslo.catalogue import Better, Layer, Metric, Type
from mlslo.yamlfile import Duration, StrictModel, did_you_mean, quoted_list
from rulegen.promql.conventions import MODEL, SLO, VALUE_METRIC
from rulegen.promql.expressions import block, by
from rulegen.promql.names import SeriesLabel, plain_text
from rulegen.promql.query import Query, is_always_there, labels_of, parse
from rulegen.promql.rules import Record
from rulegen.sli.gauge import GaugeSeries, worst


class PromQl(StrictModel):
    """Any PromQL expression, as a gauge."""

    query: Annotated[str, Field(min_length=1)] = Field(description="An instant vector.")
    labels: list[SeriesLabel] = Field(
        default_factory=list, description="Labels that tell its series apart; others are aggregated away."
    )
    unit: Annotated[str, Field(max_length=100), AfterValidator(plain_text)] | None = Field(
        None, description="Of its values; `seconds` and `Unix seconds` are written as such in texts."
    )
    better: Literal["lower", "higher"] | None = Field(
        None,
        description="Which of several series counts as the worst, where they differ in labels that are not kept; "
        "by default what the conditions look for.",
    )


@dataclass(frozen=True)
class QuerySeries(GaugeSeries):
    """The series of an SLO on a query. Labels that it does not keep are aggregated away."""

    query: Query = field(kw_only=True)

    @property
    def title(self) -> str:
        return "the query"

    @cached_property
    def always_there(self) -> bool:
        """Return whether it has a value even where nothing is scraped: then it is never without data."""
        return is_always_there(self.query.tree)

    def rule(self) -> Record:
        """The recording rule."""
        kept = [label for label in self.labels if label != MODEL]
        grouping = f" {by(kept)} " if kept else ""
        # NaN, such as 0/0, is no value: as one it would be counted, and spoil every mean that it is in.
        expression = f"{self.aggregation}{grouping}{block(self.query.text.strip())} >= -Inf"
        return Record(self.record, expression, {MODEL: self.model, SLO: self.slo})


def of(
    model: str, slo: str, layer: str, promql: PromQl, interval: Duration, *, looks_low: bool
) -> QuerySeries:
    """The series that ``promql`` of ``slo`` means. It must have been checked.

    ``looks_low``: the conditions on it are about low values.
    """
    metric, query = metric_of(layer, promql), parse(promql.query)
    aggregation = worst(metric, looks_low=looks_low)
    fixed = {MODEL: model}
    return QuerySeries(model, slo, metric, {}, aggregation, metric.labels, fixed, None, interval, query=query)


def metric_of(layer: str, promql: PromQl) -> Metric:
    """Describe a query as the catalogue describes a metric."""
    better = Better(promql.better) if promql.better else Better.NEITHER
    labels = (MODEL, *promql.labels)
    said = f"The value of {' '.join(parse(promql.query).tree.prettify().split())}."
    return Metric(VALUE_METRIC, Type.GAUGE, labels, promql.unit or "", Layer(layer), better, said)


def lost(promql: PromQl) -> Iterator[tuple[int, str]]:
    """Labels under ``labels`` that no series of the query can have: the index of each, and what is said of it."""
    kept = labels_of(parse(promql.query))
    if kept is None:
        return
    known = sorted(kept - {MODEL})
    listed = f"it keeps {quoted_list(known)}" if known else "it keeps none"
    for index, label in enumerate(promql.labels):
        if label not in kept:
            nearest = did_you_mean(label, known)
            yield index, f"no series of the query has the label '{label}', {listed}{nearest}"
