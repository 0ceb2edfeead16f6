"""Service level indicators, as a ModelSLO file writes them."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from mlslo.yamlfile import Duration, StrictModel
from rulegen.sli.gauge import Gauge
from rulegen.sli.query_series import PromQl


class Errors(StrictModel):
    """Predictions that failed, over all: ml_prediction_errors_total over ml_predictions_total."""


class Latency(StrictModel):
    """Predictions that took too long, over all, from the histogram ml_prediction_latency_seconds."""

    below: Duration = Field(description="Longest good latency; one of the histogram's buckets.")


class Ratio(StrictModel):
    """Any other pair of counters, in PromQL with `{{.window}}` where the range goes."""

    errors: Annotated[str, Field(min_length=1)] = Field(description="Bad events per second.")
    total: Annotated[str, Field(min_length=1)] = Field(description="All events per second.")


class Sli(StrictModel):
    """The indicator: exactly one of these."""

    exactly_one = ("errors", "latency", "ratio", "gauge", "promql")
    errors: Errors | None = Field(None, description="Share of failed predictions.")
    latency: Latency | None = Field(None, description="Share of slow predictions.")
    ratio: Ratio | None = Field(None, description="Share by any pair of counters.")
    gauge: Gauge | None = Field(None, description="A gauge.")
    promql: PromQl | None = Field(None, description="Any PromQL expression, as a gauge.")
