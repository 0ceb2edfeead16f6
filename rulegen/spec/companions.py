"""Companions as a ModelSLO file asks for them: silence must not look like health."""

from collections.abc import Callable
from typing import Annotated, Any

from pydantic import Field, WrapValidator
from pydantic_core import CoreSchema

from mlslo.yamlfile import Duration, StrictModel

TierName = Annotated[str, Field(min_length=1)]


class ExpectedPages(StrictModel):
    """A number of pages that nobody minds: `mlslo-rulegen backtest` ends with exit code 1 past it."""

    perMonth: Annotated[float, Field(ge=0, le=100_000)] = Field(
        description="Messages in 30 days that say of such an alert that it began, to the receiver with the most."
    )


class _Requested(StrictModel):
    tier: TierName = Field(description="How urgent.")


class NoData(_Requested):
    """Alerts for when nothing is measured any more: silence must not look like health."""

    after: Duration = Field(description="How long nothing is measured before it is told.")


class LabelsStale(_Requested):
    """The alert that labels have stopped coming."""

    after: Duration = Field(description="How old the newest label may be.")


class Own(StrictModel):
    """Another urgency than the file's, for one SLO; ``false`` in the file gives neither key, and no companion."""

    at_least_one = ("tier", "after")
    tier: TierName | None = Field(None, description="How urgent; the file's, where not given.")
    after: Duration | None = Field(None, description="How long; the file's, where not given.")

    @property
    def is_off(self) -> bool:
        """Return whether the SLO has no such companion, whatever its file says."""
        return self.tier is None and self.after is None


def _or_off(value: Any, read: Callable[[Any], Own]) -> Own:
    return Own.model_construct() if value is False else read(value)


class _OrFalse:
    """Annotate a model that ``false`` may stand for, in JSON Schema."""

    def __get_pydantic_json_schema__(
        self, core: CoreSchema, handler: Callable[[CoreSchema], dict[str, Any]]
    ) -> dict[str, Any]:
        return {"anyOf": [handler(core), {"const": False}]}


OwnOrFalse = Annotated[Own, WrapValidator(_or_off), _OrFalse()]


class SinkDown(_Requested):
    """The alert that a sink cannot be read."""

    after: Duration = Field(description="How long it may be unreadable.")


class SinkBehind(_Requested):
    """The alert that the exporter reads a sink more slowly than it is written."""

    after: Duration = Field(
        description="How long the lag has been larger than ever in as long a time before."
    )


class ReferenceOld(_Requested):
    """The alert that a reference describes data of long ago."""

    after: Duration = Field(description="How old its data may be.")


class Unmonitored(_Requested):
    """The alert that too many features have too few values to be measured."""

    atLeastRatio: Annotated[float, Field(gt=0, le=1)] = Field(
        description="Share of the features, 0..1, that is too many."
    )
    after: Duration = Field(Duration("30m"), description="How long it must last.")


class FieldMissing(_Requested):
    """The alert that most records lack a mapped field that they had within the last day."""

    after: Duration = Field(Duration("30m"), description="How long it must last.")


class Companions(StrictModel):
    """Alerts about what the promises rest on, once for the model. Each is left out where not given."""

    at_least_one = ("labelsStale", "sinkDown", "sinkBehind", "referenceOld", "unmonitored", "fieldMissing")
    labelsStale: LabelsStale | None = Field(
        None, description="No new label has come: quality gauges end, and their alerts with them."
    )
    sinkDown: SinkDown | None = Field(None, description="A log cannot be read.")
    sinkBehind: SinkBehind | None = Field(None, description="A log is read more slowly than it grows.")
    referenceOld: ReferenceOld | None = Field(None, description="Drift is measured against an old past.")
    unmonitored: Unmonitored | None = Field(None, description="Features have too few values to be measured.")
    fieldMissing: FieldMissing | None = Field(
        None, description="Most records lack a field that nearly all had within the last day: it was renamed."
    )
