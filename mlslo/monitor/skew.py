"""Settings of the log of offline features that served ones are compared with."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any

from pydantic import Discriminator, Field, Tag, field_validator, model_validator

from mlslo.monitor.fields import FeatureArray, FeatureName, FieldPath, needs_rows
from mlslo.monitor.logs import Log
from mlslo.yamlfile import Duration, StrictModel


def _form_of_features(value: Any) -> str:
    if isinstance(value, FeatureArray) or (isinstance(value, dict) and isinstance(value.get("names"), list)):
        return "array"
    if isinstance(value, dict):
        return "mapping"
    return "paths" if isinstance(value, list) else "path"


_Features = Annotated[
    Annotated[FieldPath, Tag("path")]
    | Annotated[list[FieldPath], Tag("paths")]
    | Annotated[FeatureArray, Tag("array")]
    | Annotated[dict[FeatureName, FieldPath], Tag("mapping")],
    Discriminator(_form_of_features),
]


class OfflineFields(StrictModel):
    """The fields of an offline record."""

    id: FieldPath = Field(description="The prediction's id.")
    features: _Features | None = Field(
        None,
        description="Where the features are: a path, a list of paths, or a list with names, as in predictions, or "
        "feature -> path. Where it is not given, each feature is at its name.",
    )
    timestamp: FieldPath | None = Field(
        None, description="When the offline values became known; a later one than now is refused."
    )

    @property
    def feature_container(self) -> str | None:
        """The path of an object of features; None where there is none."""
        return self.features if isinstance(self.features, str) else None

    @property
    def feature_paths(self) -> dict[str, str] | None:
        """Feature -> path, where each has one that the file names."""
        match self.features:
            case dict():
                return self.features
            case list():
                return {path: path for path in self.features}
        return None

    def paths(self) -> list[str]:
        """Return every path."""
        return [self.id, *self._others()]

    def _others(self) -> Iterator[str]:
        match self.features:
            case str(path) | FeatureArray(path=path):
                yield path
            case list() | dict():
                yield from (self.feature_paths or {}).values()
        if self.timestamp is not None:
            yield self.timestamp


class Tolerance(StrictModel):
    """Numbers are equal where they differ by at most the larger of both."""

    relative: Annotated[float, Field(ge=0, lt=1)] = Field(
        1e-6, description="Share of the larger of the two magnitudes; single precision needs 1e-7."
    )
    absolute: Annotated[float, Field(ge=0)] = Field(1e-9, description="Difference, in the feature's unit.")


class Skew(Log):
    """Offline features, compared with the served ones of the same id (`ml_feature_skew_ratio`)."""

    fields: OfflineFields = Field(description="Where each thing is in an offline record.")
    features: Annotated[list[FeatureName], Field(min_length=1)] | None = Field(
        None, description="The features that are compared; all but embeddings where it is not given."
    )
    tolerance: Tolerance = Field(default_factory=Tolerance, description="When two numbers are equal.")
    maxDelay: Duration = Field(
        Duration("1d"), description="The values of an id wait this long for those of the other side."
    )
    maxPending: Annotated[int, Field(ge=1000)] = Field(
        200_000,
        description="At most the values of so many ids wait, or are remembered as joined; past it those of a sample of "
        "the ids.",
    )

    @field_validator("features")
    @classmethod
    def _features_once(cls, features: list[str] | None) -> list[str] | None:
        for name in features or ():
            if features and features.count(name) > 1:
                raise ValueError(f"'{name}' is listed twice")
        return features

    @model_validator(mode="after")
    def _reshaped_features_are_named(self) -> Skew:
        if self.reshaped and self.fields.features is None:
            raise ValueError(
                "where, '*' and ' | ' need fields.features: a record is taken apart by its paths"
            )
        return self

    @property
    def reshaped(self) -> bool:
        """True where a record is not one of offline features as it is."""
        return bool(self.where) or any(map(needs_rows, self.fields.paths()))
