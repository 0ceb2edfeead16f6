"""The ModelSLO file: what is promised about one model, and when to tell whom."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from mlslo.yamlfile import Duration, File, Loaded, Shape, StrictModel, exactly_one
from rulegen.promql.conventions import MODEL, SLO
from rulegen.spec.accepted import Accept
from rulegen.spec.companions import Companions, NoData, OwnLabelsStaleOrFalse, OwnNoDataOrFalse, TierName
from rulegen.spec.lint_names import named
from rulegen.spec.names import (
    ALERT_NAME,
    FILE_NAME,
    LABEL_NAME,
    PLAIN,
    SLO_NAME,
    alert_name,
    annotation,
    file_name,
    label_name,
    label_value,
    pattern,
    plain_text,
    slo_name,
)
from rulegen.spec.sli import LabelValue, Sli


def _percent(value: float) -> float:
    if value < 1:
        near = f"; did you mean {value * 100:.10g}?" if value >= 0.5 else ""
        raise ValueError(f"expected percent, such as 99.9, got {value:.10g}{near}")
    return value


Percent = Annotated[float, Field(gt=0, lt=100), AfterValidator(_percent), Shape(minimum=1)]
Text = Annotated[str, Field(min_length=1, max_length=1000), AfterValidator(plain_text), Shape(pattern=PLAIN)]
FileName = Annotated[str, AfterValidator(file_name), Shape(pattern=pattern(FILE_NAME))]
SloName = Annotated[str, AfterValidator(slo_name), Shape(pattern=pattern(SLO_NAME))]
AlertName = Annotated[str, AfterValidator(alert_name), Shape(pattern=pattern(ALERT_NAME))]
LabelName = Annotated[str, AfterValidator(label_name), Shape(pattern=pattern(LABEL_NAME))]
AnnotationName = Annotated[str, AfterValidator(annotation), Shape(pattern=pattern(LABEL_NAME))]
LayerName = Literal["service", "data", "prediction", "outcome", "meta"]
Positive = Annotated[float, Field(gt=0)]
Count = Annotated[int, Field(ge=1)]


class ChangeFrom(StrictModel):
    """A change, up or down, from the value some time ago."""

    offset: Duration = Field(description="How long ago.")
    byRatio: Positive | None = Field(
        None, description="Relative: 0.5 is half as much again, or half of it. Either this or `by`."
    )
    by: Positive | None = Field(None, description="Absolute, in the gauge's unit.")

    @model_validator(mode="after")
    def _is_one(self) -> ChangeFrom:
        exactly_one(self, "byRatio", "by")
        return self


class DropFrom(StrictModel):
    """A drop below the gauge's own mean."""

    window: Duration = Field(description="Length of the past that is averaged.")
    offset: Duration | None = Field(
        None, description="How long ago that past ends, to keep the incident out of it; 2d, or the window."
    )
    by: Positive | None = Field(None, description="Absolute, in the gauge's unit.")
    byRatio: Annotated[float, Field(gt=0, lt=1)] | None = Field(
        None, description="Relative to the mean. Either this or `by`."
    )

    @model_validator(mode="after")
    def _is_one(self) -> DropFrom:
        exactly_one(self, "by", "byRatio")
        return self


class AboveReference(StrictModel):
    """More than a factor times the same figure of the reference."""

    byFactor: Positive = Field(description="How many times the reference.")
    floor: Annotated[float, Field(ge=0)] = Field(
        0.0, description="At or below this it holds, whatever the reference is."
    )


class Forecast(StrictModel):
    """The gauge will be beyond a limit within some time, if it goes on as it did."""

    above: float | None = Field(None, description="The limit, where more is bad. Either this or `below`.")
    below: float | None = Field(None, description="The limit, where less is bad.")
    within: Duration = Field(description="How far ahead.")
    basedOn: Duration = Field(
        description="Over how long its trend is taken; half of the evaluations in it must be there."
    )

    @model_validator(mode="after")
    def _is_one(self) -> Forecast:
        exactly_one(self, "above", "below")
        return self


class Adaptive(StrictModel):
    """Unusually far from the gauge's own mean, measured in deviations of its own past."""

    deviations: Annotated[float, Field(ge=1)] = Field(description="How many deviations.")
    window: Duration = Field(description="Length of the past that mean and deviation are of.")
    offset: Duration | None = Field(
        None, description="How long ago that past ends, to keep the incident out of it; 2d, or the window."
    )
    direction: Literal["above", "below", "both"] = Field("both", description="Which side of the mean is bad.")
    minimum: Positive | None = Field(
        None,
        description="Least deviation, in the gauge's unit, so that a gauge that hardly moved is not bad at "
        "once; without it one that never moved raises nothing.",
    )


class Threshold(StrictModel):
    """One limit."""

    above: float | None = Field(None, description="Greater than.")
    below: float | None = Field(None, description="Less than.")
    atLeast: float | None = Field(None, description="Greater or equal.")
    atMost: float | None = Field(None, description="Less or equal.")


THRESHOLDS = ("above", "below", "atLeast", "atMost")


class Good(Threshold):
    """What an evaluation must hold to be good."""

    @model_validator(mode="after")
    def _is_one(self) -> Good:
        exactly_one(self, *THRESHOLDS)
        return self


class Condition(Threshold):
    """When the gauge is bad: exactly one kind."""

    changeFrom: ChangeFrom | None = Field(None, description="A change from the value some time ago.")
    dropFrom: DropFrom | None = Field(None, description="A drop below its own mean.")
    aboveReference: AboveReference | None = Field(None, description="A multiple of the reference.")
    forecast: Forecast | None = Field(None, description="A limit that it will cross if it goes on so.")
    adaptive: Adaptive | None = Field(None, description="Unusual for its own past.")
    all: list[Condition] | None = Field(None, min_length=2, description="Every one of several conditions.")
    any: list[Condition] | None = Field(None, min_length=2, description="At least one of several conditions.")

    @model_validator(mode="after")
    def _is_one(self) -> Condition:
        exactly_one(self, *CONDITIONS)
        return self


CONDITIONS = (*THRESHOLDS, "changeFrom", "dropFrom", "aboveReference", "forecast", "adaptive", "all", "any")


class Series(StrictModel):
    """How many series (features, segments, ...) must be bad at once."""

    atLeast: Count | None = Field(None, description="This many or more.")
    atLeastRatio: Annotated[float, Field(gt=0, le=1)] | None = Field(
        None, description="This share or more, 0..1, of all series of a version that are measured."
    )

    @model_validator(mode="after")
    def _is_one(self) -> Series:
        exactly_one(self, "atLeast", "atLeastRatio")
        return self


class When(Condition):
    """When an alert is due."""

    series: Series | None = Field(None, description="One alert for many series that are bad at once.")


class Breaches(StrictModel):
    """How many of the last evaluations must have been bad."""

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
    """How an error budget alerts."""

    fast: TierName = Field("P1", description="Tier of the alert that the budget burns fast.")
    slow: TierName = Field("P2", description="Tier of the alert that it burns slowly.")
    minimumEvents: Count | None = Field(
        None,
        description="Fewer events than this in the long window raise nothing; "
        "by default so many that one error alone cannot.",
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
    timeWindow: Duration | None = Field(None, description="Over how long the objective holds.")
    sli: Sli = Field(description="What is measured: exactly one of the keys below.")
    good: Good | None = Field(
        None, description="Objective on a gauge: the one limit an evaluation must hold."
    )
    alerting: Alerting | None = Field(None, description="How the error budget alerts.")
    alerts: list[Alert] = Field(default_factory=list, description="Conditions on a gauge.")
    noData: OwnNoDataOrFalse | None = Field(
        None, description="Instead of the file's `noData`; `false`: this SLO has no such alert."
    )
    labelsStale: OwnLabelsStaleOrFalse | None = Field(
        None,
        description="Instead of the file's `companions.labelsStale`, where it needs labels; `false`: without it.",
    )
    accept: list[Accept] = Field(
        default_factory=list, description="What a lint finds in this SLO and is right here."
    )


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
    """What to expect of the model, which some lints judge by."""

    predictionsPerSecond: Annotated[float, Field(gt=0, le=1e9)] = Field(
        description="Of all replicas together, when it is quiet: thresholds are held against the noise of so many rows."
    )


class Spec(StrictModel):
    """What is promised."""

    model: Annotated[
        str, Field(min_length=1, max_length=128), AfterValidator(label_value), Shape(pattern=PLAIN)
    ] = Field(description='The label `model="…"` of its metrics.')
    slos: Annotated[list[Slo], Field(min_length=1)] = Field(description="The promises.")
    noData: NoData | None = Field(None, description="Companions: nothing is measured any more.")
    companions: Companions | None = Field(
        None, description="Companions: what the promises rest on does not work. None, unless they are given."
    )
    expected: Expected | None = Field(None, description="The traffic to expect; only lints look at it.")
    accept: list[Accept] = Field(
        default_factory=list, description="What a lint finds in this file and is right here."
    )


class ModelSloFile(File[Metadata, Spec]):
    """What is promised about one model, and when to tell whom. Written by its SRE."""

    kind: Literal["ModelSLO"] = Field(description="What this file is.")


class ModelSlo(Loaded[Metadata, Spec]):
    """A ModelSLO file of the right form; the names in it are checked by `rulegen.validation.slo_checks`."""

    model_type = ModelSloFile

    @property
    def name(self) -> str:
        """Names the generated files."""
        return self.metadata.name

    @property
    def model(self) -> str:
        """The label ``model``."""
        return self.spec.model

    def labels(self, slo: str) -> dict[str, str]:
        """The labels that every record and alert of one SLO has."""
        return {MODEL: self.model, SLO: slo}


load = ModelSlo.load
from_document = ModelSlo.from_document
