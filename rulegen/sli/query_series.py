"""Any PromQL expression as the gauge of an SLO: which labels it keeps, recorded as what."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property

from mlslo.catalogue import METRICS, Better, Layer, Metric, Type
from mlslo.yamlfile import Duration, did_you_mean, quoted_list
from rulegen.promql.conventions import MODEL, SLO, VALUE_METRIC
from rulegen.promql.expressions import by
from rulegen.promql.query import Query, is_always_there, labels_of, parse
from rulegen.promql.rules import Record
from rulegen.sli.gauge import GaugeSeries, aggregation
from rulegen.spec.model_slo import Slo
from rulegen.spec.sli import PromQl


@dataclass(frozen=True)
class QuerySeries(GaugeSeries):
    """The series of an SLO on a query. Labels that it does not keep are aggregated away."""

    query: Query = field(kw_only=True)

    @property
    def title(self) -> str:
        return "the query"

    @property
    def of_monitor(self) -> bool:
        """Whether the monitor measures it, or part of it."""
        return any(name in METRICS for name in self.query.metrics)

    @cached_property
    def always_there(self) -> bool:
        """Whether it has a value even where nothing is scraped: then it is never without data."""
        return is_always_there(self.query.tree)

    def rule(self) -> Record:
        """The recording rule."""
        kept = [label for label in self.labels if label != MODEL]
        grouping = f" {by(kept)} " if kept else ""
        inner = self.query.text.strip().replace("\n", "\n  ")
        # NaN, such as 0/0, is no value: as one it would be counted, and spoil every mean that it is in.
        expression = f"{self.aggregation}{grouping}(\n  {inner}\n) >= -Inf"
        return Record(self.record, expression, {MODEL: self.model, SLO: self.slo})


def of(model: str, slo: Slo, promql: PromQl, interval: Duration) -> QuerySeries:
    """The series that ``promql`` of ``slo`` means. It must have been checked."""
    metric = metric_of(slo, promql)
    fixed: Mapping[str, str] = {MODEL: model}
    made_by = aggregation(metric, slo)
    query = parse(promql.query)
    return QuerySeries(
        model, slo.name, metric, {}, made_by, metric.labels, fixed, None, interval, query=query
    )


def metric_of(slo: Slo, promql: PromQl) -> Metric:
    """What the catalogue would say of a query, were it in there."""
    better = Better(promql.better) if promql.better else Better.NEITHER
    labels = (MODEL, *promql.labels)
    said = f"The value of {' '.join(parse(promql.query).tree.prettify().split())}."
    return Metric(VALUE_METRIC, Type.GAUGE, labels, promql.unit or "", Layer(slo.layer), better, said)


def lost(promql: PromQl) -> Iterator[tuple[int, str]]:
    """Labels under ``labels`` that no series of the query can have: the index of each, and what is said of it."""
    kept = labels_of(parse(promql.query))
    known = sorted(kept.names - {MODEL}) if kept.only else []
    for index, label in enumerate(promql.labels):
        if not kept.may(label):
            message = f"no series of the query has the label '{label}'"
            if kept.only:
                listed = f"it keeps {quoted_list(known)}" if known else "it keeps none"
                message = f"{message}, {listed}{did_you_mean(label, known)}"
            yield index, message
