"""The ModelSLO file: what is promised about one model, and when to tell whom."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from mlslo.yamlfile import Document, Duration, File, Loaded, Location, Shape, StrictModel
from rulegen.conditions import Condition
from rulegen.conditions.kind import Positive
from rulegen.conditions.series_count import Series
from rulegen.conditions.threshold import THRESHOLDS, Threshold
from rulegen.promql.conventions import MODEL, SLO
from rulegen.promql.names import (
    AlertName,
    AnnotationName,
    FileName,
    Form,
    LabelName,
    LabelValue,
    ModelName,
    OwnText,
    SeriesLabel,
    SloName,
    Text,
)
from rulegen.sli.gauge import Gauge
from rulegen.sli.query_series import PromQl
from rulegen.spec.companions import Companions, ExpectedPages, NoData, OwnOrFalse, TierName
from rulegen.spec.launch import Launch
from rulegen.spec.lint_names import Accept, named
from rulegen.spec.time_windows import TimeWindow


def _percent(value: float) -> float:
    if value < 1:
        near = f"; did you mean {value * 100:.10g}?" if value >= 0.5 else ""
        raise ValueError(f"expected percent, such as 99.9, got {value:.10g}{near}")
    return value


Percent = Annotated[float, Field(gt=0, lt=100), AfterValidator(_percent), Shape(minimum=1)]
LayerName = Literal["service", "data", "prediction", "outcome", "meta"]
Count = Annotated[int, Field(ge=1)]


class Errors(StrictModel):
    """Predictions that failed, over all: ml_prediction_errors_total over ml_predictions_total."""


class Latency(StrictModel):
    """Predictions that took too long, over all, from the histogram ml_prediction_latency_seconds."""

    below: Duration = Field(
        description="Longest good latency; one of the histogram's buckets, where it is not `native`."
    )
    native: bool = Field(
        False,
        description="The histogram is a native one: any latency will do. Prometheus must be 2.53 or newer.",
    )
    metric: Annotated[str, Form(r"[a-zA-Z_:][a-zA-Z0-9_:]*", "the name of a histogram")] | None = Field(
        None, description="Another native histogram than the exporter's, in seconds."
    )
    labels: dict[SeriesLabel, LabelValue] = Field(
        default_factory=dict, description="Only these series of `metric`."
    )


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


class Good(Threshold):
    """The limit that an evaluation must hold to be good."""

    exactly_one = THRESHOLDS


class When(Condition):
    """The condition on which an alert fires."""

    series: Series | None = Field(None, description="One alert for many series that are bad at once.")


class Breaches(StrictModel):
    """The number of the last evaluations that must have been bad."""

    atLeast: Count = Field(description="This many or more.")
    ofLast: Annotated[int, Field(ge=2, le=10_000)] = Field(description="Out of this many evaluations.")

    @model_validator(mode="after")
    def _can_happen(self) -> Breaches:
        if self.atLeast > self.ofLast:
            raise ValueError(
                named(f"{self.atLeast} of the last {self.ofLast} evaluations can never be", "never-fires")
            )
        return self


class Alert(StrictModel):
    """One alert of a gauge."""

    name: AlertName = Field(description="The label `alertname`.")
    tier: TierName = Field(description="How urgent: a tier of the AlertRouting file.")
    when: When = Field(description="The condition: exactly one kind, and `series` where several must be bad.")
    # A field called `for` can only be an alias: it is a keyword.
    for_: Duration | None = Field(
        None, alias="for", description="How long it must last; at once, where not given."
    )
    breaches: Breaches | None = Field(None, description="How many of the last evaluations must be bad.")
    keepFiringFor: Duration | None = Field(None, description="How long it goes on firing after recovery.")
    expectedPages: ExpectedPages | None = Field(
        None, description="How often it may page; `mlslo-rulegen backtest` judges it by a history."
    )
    summary: OwnText | None = Field(
        None, description="Instead of the generated one, with variables such as `{{ value }}`."
    )
    description: OwnText | None = Field(
        None, description="Instead of the generated one, with variables such as `{{ condition }}`."
    )
    annotations: dict[AnnotationName, Text] = Field(
        default_factory=dict, description="Added to the file's own, such as a runbook_url."
    )
    accept: list[Accept] = Field(
        default_factory=list, description="What a lint finds in this alert and is right here."
    )


class BurnWindows(StrictModel):
    """One pair of burn-rate windows."""

    factor: Positive = Field(description="Times the rate that spends the budget in the time window.")
    short: Duration = Field(description="It must still burn over this.")
    long: Duration = Field(description="And over this.")
    burn: Literal["fast", "slow"] = Field(description="Which of the two alerts it belongs to.")

    @model_validator(mode="after")
    def _is_ordered(self) -> BurnWindows:
        if self.short.seconds >= self.long.seconds:
            raise ValueError(f"expected a short window below the long one, got {self.short} and {self.long}")
        return self


class Alerting(StrictModel):
    """Alerts of an error budget."""

    fast: TierName = Field("P1", description="Tier of the alert that the budget burns fast.")
    slow: TierName = Field("P2", description="Tier of the alert that it burns slowly.")
    minimumBadEvents: Count = Field(
        3,
        description="Fewer bad events than this in the long window raise nothing, however few there are in all.",
    )
    minimumEvents: Count | None = Field(
        None, description="Fewer events than this in the long window, good or bad, raise nothing either."
    )
    for_: Duration | None = Field(
        None, alias="for", description="How long both alerts' condition must last; at once, where not given."
    )
    summary: OwnText | None = Field(
        None,
        description="Of both alerts, instead of the generated one, with variables such as `{{ value }}`.",
    )
    description: OwnText | None = Field(
        None,
        description="Of both alerts, instead of the generated one, with variables such as `{{ budget_left }}`.",
    )
    windows: list[BurnWindows] | None = Field(
        None, min_length=1, max_length=12, description="Instead of the SRE workbook's."
    )


class Slo(StrictModel):
    """One promise."""

    name: SloName = Field(description="The label `slo`.")
    layer: LayerName = Field(description="What kind of trouble it shows; the label `layer`.")
    objective: Percent | None = Field(
        None, description="Percent of events, or of evaluations of a gauge, that must be good."
    )
    timeWindow: TimeWindow | None = Field(
        None, description="Over how long the objective holds: a duration, or a period of the calendar."
    )
    sli: Sli = Field(description="What is measured: exactly one of the keys below.")
    good: Good | None = Field(
        None, description="Objective on a gauge: the one limit an evaluation must hold."
    )
    groupBy: Annotated[list[SeriesLabel], Field(min_length=1, max_length=5)] = Field(
        default_factory=list,
        description="An error budget, and alerts, for each value of these labels: a tenant, a cluster, a namespace. Of "
        "events only: `errors`, `latency`, `ratio`.",
    )
    maxGroups: Annotated[int, Field(ge=1, le=1000)] = Field(
        100, description="How many groups have a budget; where there are more an alert says so."
    )
    alerting: Alerting | None = Field(None, description="How the error budget alerts.")
    alerts: list[Alert] = Field(default_factory=list, description="Conditions on a gauge.")
    noData: OwnOrFalse | None = Field(
        None, description="Instead of the file's `noData`; `false`: this SLO has no such alert."
    )
    labelsStale: OwnOrFalse | None = Field(
        None,
        description="Instead of the file's `companions.labelsStale`, where it needs labels; `false`: without it.",
    )
    accept: list[Accept] = Field(
        default_factory=list, description="What a lint finds in this SLO and is right here."
    )

    def placed_alerts(self, at: Location) -> Iterator[tuple[Location, Alert]]:
        """Yield each alert on a gauge with its place, the SLO standing at ``at``."""
        for index, alert in enumerate(self.alerts):
            yield (*at, "alerts", index), alert

    @property
    def looks_low(self) -> bool:
        """Return whether all its conditions are about low values."""
        return bool(self.alerts) and all(alert.when.looks_low for alert in self.alerts)


class Metadata(StrictModel):
    """Whose file it is."""

    name: FileName = Field(description="Names the generated files.")
    labels: dict[LabelName, LabelValue] = Field(
        default_factory=dict, description="On every alert; `team` is used for routing."
    )
    annotations: dict[AnnotationName, Text] = Field(
        default_factory=dict, description="On every alert, such as a runbook_url."
    )


class Expected(StrictModel):
    """Expected traffic of the model, by which some lints judge."""

    predictionsPerSecond: Annotated[float, Field(gt=0, le=1e9)] = Field(
        description="Of all replicas together, when it is quiet: thresholds are held against the noise of so many rows."
    )


class Spec(StrictModel):
    """The objectives of one model."""

    model: ModelName = Field(description='The label `model="…"` of its metrics.')
    slos: Annotated[list[Slo], Field(min_length=1)] = Field(description="The promises.")
    launch: Launch | None = Field(
        None,
        description="A candidate that is launched or rolled back: two SLOs more, `launch` and `roll-back`.",
    )
    noData: NoData | None = Field(None, description="Companions: nothing is measured any more.")
    companions: Companions | None = Field(
        None, description="Companions: what the promises rest on does not work. None, unless they are given."
    )
    expected: Expected | None = Field(None, description="The traffic to expect; only lints look at it.")
    accept: list[Accept] = Field(
        default_factory=list, description="What a lint finds in this file and is right here."
    )

    @model_validator(mode="after")
    def _with_launch(self) -> Spec:
        if self.launch is not None:
            self.slos.extend(map(Slo.model_validate, self.launch.slos()))
        return self


class ModelSloFile(File[Metadata, Spec]):
    """Objectives of one model, and who is notified when. Written by its SRE."""

    kind: Literal["ModelSLO"] = Field(description="What this file is.")


class ModelSlo(Loaded[Metadata, Spec]):
    """A ModelSLO file of the right form; the names in it are checked by `rulegen.validation.slo_checks`."""

    model_type = ModelSloFile

    @classmethod
    def from_document(cls, document: Document) -> Self:
        """Validate an already read file. Raises InputError with every problem."""
        loaded = super().from_document(document)
        for index in range(len(document.data["spec"]["slos"]), len(loaded.spec.slos)):
            document.stand_in(("spec", "slos", index), ("spec", "launch"))
        return loaded

    @property
    def name(self) -> str:
        """Names the generated files."""
        return self.metadata.name

    @property
    def model(self) -> str:
        """The label ``model``."""
        return self.spec.model

    @property
    def slos(self) -> Iterator[tuple[Location, Slo]]:
        """Yield each SLO with its place."""
        for index, slo in enumerate(self.spec.slos):
            yield ("spec", "slos", index), slo

    def labels(self, slo: str) -> dict[str, str]:
        """The labels that every record and alert of one SLO has."""
        return {MODEL: self.model, SLO: slo}


load = ModelSlo.load
from_document = ModelSlo.from_document
