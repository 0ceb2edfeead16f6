"""The versions of Prometheus and Alertmanager that must load the output."""

from typing import Annotated, Any, Self

from pydantic import BeforeValidator, Field, ValidationInfo, field_validator, model_validator

from mlslo.yamlfile import Duration, Or, StrictModel
from rulegen.promql.versions import OLDEST, Program, at_least, newest
from rulegen.spec.routing_names import VERSION, Version, version


class VersionRange(StrictModel):
    """The versions of a program that must load the output."""

    from_: Version = Field(alias="from", description='The oldest, in quotes, such as `"2.53"`.')
    to: Version | None = Field(None, description="The newest; that which mlslo knows where it is left out.")

    @model_validator(mode="after")
    def _is_in_order(self) -> Self:
        if self.to is not None and not at_least(self.to, self.from_):
            raise ValueError(f"to: {self.to} is older than from: {self.from_}")
        return self


def _as_range(value: Any) -> Any:
    return value if isinstance(value, dict) else {"from": version(value)}


# `"2.42"` is short for `{from: "2.42"}`.
Versions = Annotated[VersionRange, BeforeValidator(_as_range), Or(VERSION)]


class Target(StrictModel):
    """The versions that must load the output, and whose behaviour it must have."""

    prometheus: Versions = Field(
        VersionRange.model_validate({"from": "2.42"}),
        description='The oldest, `"2.42"`, or a range, `{from: "2.42", to: "3.5"}`.',
    )
    alertmanager: Versions = Field(
        VersionRange.model_validate({"from": "0.25"}),
        description='The oldest, `"0.25"`, or a range, `{from: "0.25", to: "0.33"}`.',
    )
    retention: Duration | None = Field(
        None,
        description="How long Prometheus keeps its data (`--storage.tsdb.retention.time`, 15d by itself): "
        "a lint warns of what looks back further.",
    )

    @field_validator("prometheus", "alertmanager")
    @classmethod
    def _is_recent(cls, versions: VersionRange, info: ValidationInfo) -> VersionRange:
        program: Program = "Prometheus" if info.field_name == "prometheus" else "Alertmanager"
        why = ", which has `matchers`" if program == "Alertmanager" else ""
        if not at_least(versions.from_, OLDEST[program]):
            raise ValueError(f"expected {program} {OLDEST[program]} or newer{why}, got {versions.from_}")
        return versions

    @property
    def newest_prometheus(self) -> str:
        return newest("Prometheus", self.prometheus.from_, self.prometheus.to)

    @property
    def newest_alertmanager(self) -> str:
        return newest("Alertmanager", self.alertmanager.from_, self.alertmanager.to)
