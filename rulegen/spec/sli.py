"""What an SLO measures, as a ModelSLO file says it."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from mlslo.yamlfile import Duration, Name, Shape, StrictModel, exactly_one
from rulegen.promql.replicas import Replicas
from rulegen.spec.names import GAUGES, LABEL_NAME, PLAIN, label_value, pattern, plain_text, series_label

SeriesLabel = Annotated[str, AfterValidator(series_label), Shape(pattern=pattern(LABEL_NAME))]
LabelValue = Annotated[str, Field(max_length=256), AfterValidator(label_value), Shape(pattern=PLAIN)]


class Errors(StrictModel):
    """Predictions that failed, over all: ml_prediction_errors_total over ml_predictions_total."""


class Latency(StrictModel):
    """Predictions that took too long, over all, from the histogram ml_prediction_latency_seconds."""

    below: Duration = Field(description="Longest good latency; one of the histogram's buckets.")


class Ratio(StrictModel):
    """Any other pair of counters, in PromQL with `{{.window}}` where the range goes."""

    errors: Annotated[str, Field(min_length=1)] = Field(description="Bad events per second.")
    total: Annotated[str, Field(min_length=1)] = Field(description="All events per second.")


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


class Sli(StrictModel):
    """What is measured: exactly one of these."""

    errors: Errors | None = Field(None, description="Share of failed predictions.")
    latency: Latency | None = Field(None, description="Share of slow predictions.")
    ratio: Ratio | None = Field(None, description="Share by any pair of counters.")
    gauge: Gauge | None = Field(None, description="A gauge.")
    promql: PromQl | None = Field(None, description="Any PromQL expression, as a gauge.")

    @model_validator(mode="after")
    def _is_one(self) -> Sli:
        exactly_one(self, "errors", "latency", "ratio", "gauge", "promql")
        return self
