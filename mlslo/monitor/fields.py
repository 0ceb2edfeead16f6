"""Fields of a record: where in it each thing is."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, ConfigDict, Discriminator, Field, Tag, field_validator

from mlslo.yamlfile import StrictModel

ALTERNATIVE = " | "
"""Between paths of which the first counts that is there."""
ROWS = "*"
"""The part of a path that makes a row of each element."""


def _path(path: str) -> str:
    for alternative in path.split(ALTERNATIVE):
        parts = alternative.split(".")
        if not all(map(str.strip, parts)):
            raise ValueError(f"expected a dotted path such as features.amount, got '{alternative}'")
        if alternative.startswith("|") or alternative.endswith("|"):
            raise ValueError(f"expected a path on both sides of '|', got '{path}'")
        if parts.count(ROWS) > 1:
            raise ValueError(f"expected one '*' at most, got '{alternative}'")
        if parts[0] == ROWS:
            raise ValueError(f"expected a key before '*', since a record is an object, got '{alternative}'")
    return path


def needs_rows(path: str) -> bool:
    """Return whether a path makes several rows of a record, or has alternatives."""
    return ALTERNATIVE in path or ROWS in path.split(".")


FieldPath = Annotated[
    str,
    AfterValidator(_path),
    Field(
        description="A dotted path into a record; digits are a position in a list, `*` is a row for each element; "
        "` | ` separates paths of which the first counts that is there."
    ),
]
# As the data has it: a column's name may be a space.
FeatureName = Annotated[str, Field(min_length=1, max_length=128)]
Crossing = Annotated[list[FieldPath], Field(min_length=2, max_length=4)]


def scope_name(paths: str | list[str]) -> str:
    """A segment or attribute as its label says it: a path, or crossed ones joined by commas."""
    return paths if isinstance(paths, str) else ",".join(paths)


class LatencyField(StrictModel):
    """The latency's field, and its unit."""

    field: FieldPath = Field(description="Dotted path of a number.")
    unit: Literal["s", "ms", "us", "ns"] = Field(
        description="The number's unit; one that makes latencies implausible is warned of."
    )


def _optional(*keys: str) -> Callable[[dict[str, Any]], None]:
    """Return what makes ``keys`` optional in a JSON schema: a preset may have them."""

    def change(schema: dict[str, Any]) -> None:
        schema["required"] = [key for key in schema["required"] if key not in keys]

    return change


class FeatureArray(StrictModel):
    """A list of the features' values, without their names."""

    model_config = ConfigDict(json_schema_extra=_optional("path"))

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

    model_config = ConfigDict(json_schema_extra=_optional("timestamp"))

    timestamp: FieldPath = Field(
        description="Event time: RFC 3339, epoch seconds, ms, µs or ns, or as `timeFormat` says."
    )
    id: FieldPath | None = Field(
        None, description="Joins labels to predictions. Needed where there are labels."
    )
    version: FieldPath | None = Field(None, description="The label `version`.")
    status: FieldPath | None = Field(None, description="HTTP-like status; 400 and above is an error.")
    latency: LatencyField | None = Field(None, description="Time to answer.")
    score: FieldPath | None = Field(
        None,
        description="P(positive class), or a list of the probabilities of both classes; for multiclass an object "
        "class -> probability, or a list in the order of `classes`, and likewise for multilabel; for regression the "
        "predicted value, for ranking the scores of the ranked items.",
    )
    prediction: FieldPath | None = Field(
        None,
        description="The predicted class (binary default: score >= 0.5; multiclass: the most probable one); for "
        "multilabel a list of classes, an object class -> true or false, or a list of 0 and 1 in the order of "
        "`classes` (default: every class of probability >= 0.5); for ranking the list of items, best first.",
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

    def paths(self) -> list[str]:
        """Return every path."""
        found: list[str] = []
        for _, value in self:
            match value:
                case str():
                    found.append(value)
                case list():
                    found += value
                case LatencyField(field=path) | FeatureArray(path=path):
                    found.append(path)
        return found

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


class LabelFields(StrictModel):
    """The fields of a label record."""

    model_config = ConfigDict(json_schema_extra=_optional("id", "label"))

    id: FieldPath = Field(description="The prediction's id.")
    label: FieldPath = Field(description="What turned out to be true.")
    timestamp: FieldPath | None = Field(None, description="When the label became known; needed for delays.")

    def paths(self) -> list[str]:
        """Return every path."""
        return [path for _, path in self if path is not None]
