"""ModelMonitor file: settings of the exporter for one model."""

from __future__ import annotations

import glob
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Discriminator, Field, Tag, field_validator, model_validator

from mlslo.yamlfile import Duration, File, Loaded, Name, Problem, StrictModel, did_you_mean, quoted_list

DEFAULT_LATENCY_BUCKETS = (
    "5ms", "10ms", "25ms", "50ms", "100ms", "250ms", "500ms", "1s", "2500ms", "5s", "10s",
)  # fmt: skip


def _path(path: str) -> str:
    if not all(map(str.strip, path.split("."))):
        raise ValueError(f"expected a dotted path such as features.amount, got '{path}'")
    return path


FieldPath = Annotated[
    str,
    AfterValidator(_path),
    Field(description="A dotted path into a record; digits are a position in a list."),
]
# As the data has it: a column's name may be a space.
FeatureName = Annotated[str, Field(min_length=1, max_length=128)]
Crossing = Annotated[list[FieldPath], Field(min_length=2, max_length=4)]


def scope_name(paths: str | list[str]) -> str:
    """A segment or attribute as its label says it: a path, or crossed ones joined by commas."""
    return paths if isinstance(paths, str) else ",".join(paths)


class Metadata(StrictModel):
    """Whose file it is."""

    name: Name = Field(description='The model; the label `model="…"` of every metric.')


class FileSink(StrictModel):
    """Files that grow: every match of a glob, read from where the last cycle ended."""

    path: str = Field(min_length=1, description="A path or glob, relative to this file.")
    format: Literal["jsonl"] = Field("jsonl", description="How the records are written.")


class Sink(StrictModel):
    """The source of records."""

    file: FileSink = Field(description="Log files on a disk that the exporter sees.")


class LatencyField(StrictModel):
    """The latency's field, and its unit."""

    field: FieldPath = Field(description="Dotted path of a number.")
    unit: Literal["s", "ms", "us", "ns"] = Field(
        description="The number's unit; one that makes latencies implausible is warned of."
    )


POSITIVE = ("1", "1.0", "true", "yes")
"""The positive class of a binary model without ``positiveClass``, in lower case."""


class FeatureArray(StrictModel):
    """A list of the features' values, without their names."""

    path: FieldPath = Field(description="Dotted path of the list.")
    names: list[FeatureName] = Field(
        min_length=1,
        description="The feature at each position. A list of another length counts as `invalid_features`.",
    )

    @field_validator("names")
    @classmethod
    def _names_once(cls, names: list[str]) -> list[str]:
        for name in names:
            if names.count(name) > 1:
                raise ValueError(f"'{name}' is listed twice")
        return names


def _form_of_features(value: Any) -> str:
    if isinstance(value, dict | FeatureArray):
        return "array"
    return "paths" if isinstance(value, list) else "path"


Features = Annotated[
    Annotated[FieldPath, Tag("path")]
    | Annotated[list[FieldPath], Tag("paths")]
    | Annotated[FeatureArray, Tag("array")],
    Discriminator(_form_of_features),
]


class PredictionFields(StrictModel):
    """The fields of a prediction record: dotted paths; a part of digits is a position in a list, or a key."""

    timestamp: FieldPath = Field(description="Event time: RFC 3339, or epoch seconds, ms, µs or ns.")
    id: FieldPath | None = Field(
        None, description="Joins labels to predictions. Needed where there are labels."
    )
    version: FieldPath | None = Field(None, description="The label `version`.")
    status: FieldPath | None = Field(None, description="HTTP-like status; 400 and above is an error.")
    latency: LatencyField | None = Field(None, description="Time to answer.")
    score: FieldPath | None = Field(
        None,
        description="P(positive class), or a list of the probabilities of both classes; for multiclass an object "
        "class -> probability, or a list in the order of `classes`; for regression the predicted value, for ranking "
        "the scores of the ranked items.",
    )
    prediction: FieldPath | None = Field(
        None,
        description="The predicted class (binary default: score >= 0.5; multiclass: the most probable one); for "
        "ranking the list of items, best first.",
    )
    fallback: FieldPath | None = Field(
        None, description="Whether a fallback answered instead of the model: true or 1."
    )
    attributions: FieldPath | None = Field(
        None, description="An object feature -> attribution (SHAP value) of the prediction."
    )
    features: Features | None = Field(
        None,
        description="A path to an object of features, a list of paths, or the path of a list with the features' names.",
    )

    @property
    def feature_container(self) -> str | None:
        """The path of an object of features; None where there is none."""
        return self.features if isinstance(self.features, str) else None

    @property
    def feature_names(self) -> list[str] | None:
        """Every feature; None where only records or references tell, or where there are none."""
        match self.features:
            case FeatureArray(names=names):
                return names
            case list():
                return self.features
        return None


class Predictions(StrictModel):
    """The prediction log."""

    sink: Sink = Field(description="Where the log is.")
    fields: PredictionFields = Field(description="Where each thing is in a record.")
    positiveClass: str | None = Field(
        None,
        description="Binary: the class that counts as positive, where classes are not 0/1, -1/1, false/true or no/yes.",
    )
    classes: Annotated[list[str], Field(min_length=2, max_length=200)] | None = Field(
        None,
        description="Multiclass: every class; where it is not given, those of the static references. Binary: the order "
        "of the probabilities in a list; where it is not given, the positive class is the second.",
    )
    cutoffs: Annotated[list[Annotated[int, Field(ge=1, le=100)]], Field(min_length=1, max_length=8)] = Field(
        default_factory=lambda: [1, 3, 5, 10, 20],
        description="Ranking: the label `k` of its metrics, each a length of list.",
    )

    @property
    def listed_probabilities(self) -> tuple[int, int]:
        """The length of a binary model's list of probabilities, and the position of the positive class in it.

        That of ``positiveClass``, or of a class that reads as positive without it; else the last.
        """
        classes = self.classes or ["0", "1"]
        for position, name in enumerate(classes):
            reads_as_positive = self.positiveClass is None and name.lower() in POSITIVE
            if reads_as_positive or name == self.positiveClass:
                return len(classes), position
        return len(classes), len(classes) - 1


class LabelFields(StrictModel):
    """The fields of a label record."""

    id: FieldPath = Field(description="The prediction's id.")
    label: FieldPath = Field(description="What turned out to be true.")
    timestamp: FieldPath | None = Field(None, description="When the label became known; needed for delays.")


class Labels(StrictModel):
    """Ground truth, however late."""

    sink: Sink = Field(description="Where the labels are.")
    fields: LabelFields = Field(description="Where each thing is in a record.")
    maxDelay: Duration = Field(Duration("30d"), description="A prediction waits this long for its label.")
    minCoverage: Annotated[float, Field(ge=0, le=1)] = Field(
        0.0,
        description="Outcomes of a window are withheld until this share of its predictions has a label: the first "
        "labels to come are seldom a fair sample.",
    )
    maxPending: Annotated[int, Field(ge=1000)] = Field(
        10_000_000,
        description="At most so many predictions wait; past it a sample of them does, and outcomes are weighted.",
    )


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


class Spec(StrictModel):
    """The logs to read, and the gauges to compute."""

    task: Literal["binary", "multiclass", "regression", "ranking"] = Field(
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
    fairness: Fairness | None = Field(None, description="Group comparisons.")
    references: dict[Name, Reference] = Field(
        default_factory=dict, description="What the present is compared with."
    )

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


class MonitorFile(File[Metadata, Spec]):
    """One model and how to watch it. Written by the model's engineer."""

    kind: Literal["ModelMonitor"] = Field(description="What this file is.")


class Monitor(Loaded[Metadata, Spec]):
    """A validated ModelMonitor file, and where it stands on disk."""

    model_type = MonitorFile

    @property
    def model(self) -> str:
        """The label ``model``."""
        return self.metadata.name

    def resolve(self, path: str) -> Path:
        """``path`` of the file, which is relative to the file's own folder."""
        return (self.path.parent / path).absolute()

    def pattern(self, path: str) -> Path:
        """``resolve`` for a glob: what looks like one in the name of the file's own folder is none."""
        return Path(glob.escape(str(self.path.parent.absolute()))) / path

    def problems(self) -> Iterator[Problem]:
        """Yield what is wrong between the fields of a record."""
        fields = self.spec.predictions.fields
        at: tuple[Any, ...] = ("spec", "predictions", "fields")
        if self.spec.labels is not None and fields.id is None:
            yield self.document.problem(at, "missing key 'id': labels are joined to predictions by it")
        predictions = self.spec.predictions
        if self.spec.task == "binary" and predictions.classes and predictions.positiveClass:
            positive, classes = predictions.positiveClass, predictions.classes
            if positive not in classes:
                message = f"'{positive}' is none of classes, expected one of {quoted_list(classes)}"
                near = did_you_mean(positive, classes)
                yield self.document.problem(("spec", "predictions", "positiveClass"), message + near)
        if self.spec.labels is not None and fields.score is None and fields.prediction is None:
            yield self.document.problem(at, "labels need a 'score' or a 'prediction' to be compared with")
        features = fields.features.path if isinstance(fields.features, FeatureArray) else fields.features
        if isinstance(features, str):
            for name, path in _single_paths(fields).items():
                if path == features or features.startswith(path + "."):
                    message = f"'{path}' is where the features are; expected the path of a single value"
                    yield self.document.problem((*at, *name), message)


def _single_paths(fields: PredictionFields) -> dict[tuple[str, ...], str]:
    """Key of each field that is one value -> its path."""
    paths: dict[tuple[str, ...], str | None] = {
        (name,): getattr(fields, name)
        for name in ("timestamp", "id", "version", "status", "score", "prediction")
    }
    if fields.latency is not None:
        paths["latency", "field"] = fields.latency.field
    return {name: path for name, path in paths.items() if path is not None}


load = Monitor.load
from_document = Monitor.from_document
