"""Spec of a monitor file: the logs to read, and the gauges to compute."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from mlslo.monitor.expectations import Expectations
from mlslo.monitor.fields import Crossing, FeatureName, FieldPath, needs_rows, scope_name
from mlslo.monitor.logs import Labels, Predictions
from mlslo.monitor.metrics import Metrics
from mlslo.monitor.privacy import Privacy
from mlslo.monitor.skew import Skew
from mlslo.yamlfile import Duration, Name, StrictModel

DEFAULT_LATENCY_BUCKETS = (
    "5ms", "10ms", "25ms", "50ms", "100ms", "250ms", "500ms", "1s", "2500ms", "5s", "10s",
)  # fmt: skip


class Feature(StrictModel):
    """A feature's type and range; what is not named is inferred from the reference."""

    type: Literal["numeric", "categorical", "boolean", "text", "timestamp", "embedding"] = Field(
        description="How its values are read and compared."
    )
    range: Annotated[list[float], Field(min_length=2, max_length=2)] | None = Field(
        None,
        description="Smallest and largest sensible value: of a number, of a text's length in characters, of a "
        "timestamp in epoch seconds, of a vector's length.",
    )

    @model_validator(mode="after")
    def _range_is_ordered(self) -> Feature:
        if self.range is not None and self.type in ("categorical", "boolean"):
            raise ValueError(f"a {self.type} feature has no range")
        if self.range is not None and self.range[0] >= self.range[1]:
            raise ValueError(f"expected a range [low, high], got {self.range}")
        return self


class Fairness(StrictModel):
    """Attributes whose groups are compared."""

    attributes: list[FieldPath | Crossing] = Field(
        min_length=1,
        description="Paths or features that name a group; a list of them crosses them (age band × gender).",
    )
    minSamples: Annotated[int, Field(ge=1)] | None = Field(
        None,
        description="A rate of a group that rests on fewer rows is withheld and left out of comparisons; by default "
        "the model's minSamples.",
    )


class Reference(StrictModel):
    """A baseline of comparisons: exactly one of `static`, `sliding`, `calendar` and `first`."""

    exactly_one = ("static", "sliding", "calendar", "first")

    static: str | None = Field(
        None,
        min_length=1,
        description="A file that `mlslo-exporter baseline` wrote; `{version}` in its path is the model version.",
    )
    sliding: Duration | None = Field(None, description="The model's own past of this length.")
    offset: Duration | None = Field(None, description="How far back the sliding past ends.")
    calendar: Literal["month"] | None = Field(
        None, description="`month`: the calendar month (UTC) of the window's end, one year earlier."
    )
    first: Duration | None = Field(
        None, description="The version's first time in production of this length; known once it is over."
    )

    @model_validator(mode="after")
    def _offset_is_of_sliding(self) -> Reference:
        if self.offset is not None and self.sliding is None:
            raise ValueError("an offset is for sliding references only")
        return self


class Sequential(StrictModel):
    """Bounds that may be looked at all the time: `ml_comparison_sequence_lower_bound` and its neighbours."""

    confidence: Annotated[float, Field(ge=0.5, lt=1)] = Field(
        0.95,
        description="Share of comparisons whose bounds never leave out the true difference, at any look.",
    )
    tunedAt: Annotated[int, Field(ge=100)] = Field(
        1000,
        description="Labelled rows of each version from which on there are bounds, and at which they are tightest.",
    )


class Comparison(StrictModel):
    """Two versions that are compared: `ml_comparison_difference` and its bounds."""

    baseline: Annotated[str, Field(min_length=1)] = Field(
        "previous", description="A version's name, or `previous`: the newest but for the candidate."
    )
    candidate: Annotated[str, Field(min_length=1)] = Field(
        "newest", description="A version's name, or `newest`: the one that predicted first most recently."
    )
    sequential: Sequential | None = Field(
        None,
        description="Bounds since the candidate's first prediction, to decide a launch by; none by default.",
    )

    @model_validator(mode="after")
    def _are_two(self) -> Comparison:
        if self.baseline == self.candidate:
            raise ValueError(f"baseline and candidate are both '{self.baseline}', expected two versions")
        return self

    def of(self, versions: Sequence[str]) -> tuple[str, str] | None:
        """Return baseline and candidate among ``versions``, the oldest first; None where either is not there."""
        candidate = versions[-1] if self.candidate == "newest" and versions else self.candidate
        others = [version for version in versions if version != candidate]
        baseline = others[-1] if self.baseline == "previous" and others else self.baseline
        return (baseline, candidate) if candidate in versions and baseline in others else None


class Drift(StrictModel):
    """When a change of a feature counts as drift, beside being more than noise."""

    effectSize: Annotated[float, Field(ge=0, le=1)] = Field(
        0.05,
        description="A feature has drifted only where at least this share of its rows lies elsewhere than in the "
        "reference (`ml_feature_drift_effect_size`).",
    )


class Spec(StrictModel):
    """The logs to read, and the gauges to compute."""

    task: Literal["binary", "multiclass", "multilabel", "regression", "ranking"] = Field(
        description="What the model predicts."
    )
    schedule: Duration = Field(Duration("60s"), description="One cycle each.")
    windows: list[Duration] = Field(
        min_length=1, max_length=8, description="Every gauge is computed over each."
    )
    minSamples: Annotated[int, Field(ge=1)] = Field(
        200, description="With fewer rows than this a gauge is withheld, not guessed."
    )
    latencyBuckets: list[Duration] = Field(
        default_factory=lambda: [Duration(text) for text in DEFAULT_LATENCY_BUCKETS],
        min_length=1,
        description="Upper bounds of the latency histogram, ascending.",
    )
    predictions: Predictions = Field(description="The prediction log.")
    labels: Labels | None = Field(None, description="The label log.")
    skew: Skew | None = Field(None, description="The log of offline features, compared with the served ones.")
    featureTimestamps: dict[FeatureName, FieldPath] = Field(
        default_factory=dict,
        description="Feature, or group of features such as a feature view -> the path in a prediction record of when "
        "its values were made; its age is `ml_feature_age_seconds`.",
    )
    features: dict[FeatureName, Feature] = Field(
        default_factory=dict, description="Types and ranges of features."
    )
    segments: list[FieldPath | Crossing] = Field(
        default_factory=list,
        description="Paths whose values get gauges of their own, beside all traffic; a list of paths crosses them.",
    )
    maxSegmentValues: Annotated[int, Field(ge=1, le=1000)] = Field(
        20, description="So many values of each segment, the largest, get series; the rest are one, `other`."
    )
    metrics: Metrics = Field(
        default_factory=Metrics, description="Which metrics are exported; by default what somebody acts on."
    )
    maxSeries: Annotated[int, Field(ge=100)] = Field(
        10_000, description="At most so many series of the model; past it the least urgent are withheld."
    )
    fairness: Fairness | None = Field(None, description="Group comparisons.")
    references: dict[Name, Reference] = Field(
        default_factory=dict, description="What the present is compared with."
    )
    drift: Drift = Field(default_factory=Drift, description="When a feature has drifted.")
    comparison: Comparison | None = Field(
        None,
        description="Versions compared with each other, so that a canary can be alerted on; none by default.",
    )
    expectations: Expectations = Field(
        default_factory=Expectations, description="What `mlslo-exporter gate` expects of the rows of a batch."
    )
    privacy: Privacy | None = Field(
        None, description="Noise on the counts that `/summaries` sends to an aggregator; none by default."
    )

    @property
    def scope_paths(self) -> list[str]:
        """The paths of segments and of attributes of groups."""
        crossings = [*self.segments, *(self.fairness.attributes if self.fairness else ())]
        return [path for item in crossings for path in ([item] if isinstance(item, str) else item)]

    @property
    def further_paths(self) -> list[str]:
        """The paths into a prediction record that are no fields of it."""
        return [*self.scope_paths, *self.featureTimestamps.values()]

    @property
    def reshapes_predictions(self) -> bool:
        """True where a record of the prediction log is not a prediction as it is."""
        return self.predictions.reshaped or any(map(needs_rows, self.further_paths))

    @property
    def logs(self) -> dict[str, Predictions | Labels | Skew]:
        """Every log that is read, by the key that names it, in the order of reading."""
        found: dict[str, Predictions | Labels | Skew | None]
        found = {"predictions": self.predictions, "labels": self.labels, "skew": self.skew}
        return {name: log for name, log in found.items() if log is not None}

    @field_validator("windows", "latencyBuckets")
    @classmethod
    def _distinct(cls, durations: list[Duration]) -> list[Duration]:
        for shorter, longer in pairwise(sorted(durations, key=lambda duration: duration.seconds)):
            if shorter.seconds == longer.seconds:
                raise ValueError(f"'{shorter}' and '{longer}' are the same length")
        return durations

    @field_validator("segments")
    @classmethod
    def _segments_once(cls, segments: list[str | list[str]]) -> list[str | list[str]]:
        names = [scope_name(segment) for segment in segments]
        for name in names:
            if names.count(name) > 1:
                raise ValueError(f"'{name}' is listed twice")
        return segments

    @field_validator("latencyBuckets")
    @classmethod
    def _ascending(cls, buckets: list[Duration]) -> list[Duration]:
        if any(upper.seconds < lower.seconds for lower, upper in pairwise(buckets)):
            raise ValueError("expected ascending bounds")
        return buckets
