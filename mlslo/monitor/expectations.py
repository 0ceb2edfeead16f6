"""Expectations of a batch: what `mlslo-exporter gate` holds its rows to, beside the reference."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from mlslo.monitor.fields import FeatureName
from mlslo.monitor.logs import Scalar
from mlslo.yamlfile import StrictModel

Count = Annotated[int, Field(ge=0)]


class RowsExpected(StrictModel):
    """How many rows a batch has."""

    at_least_one = ("atLeast", "atMost")
    atLeast: Annotated[int, Field(ge=1)] | None = Field(None, description="This many or more.")
    atMost: Annotated[int, Field(ge=1)] | None = Field(None, description="This many or fewer.")

    @model_validator(mode="after")
    def _is_ordered(self) -> RowsExpected:
        if self.atLeast is not None and self.atMost is not None and self.atLeast > self.atMost:
            raise ValueError(f"expected atLeast up to atMost, got {self.atLeast} and {self.atMost}")
        return self


class FieldExpected(StrictModel):
    """Expectations of every value of a field; a value that is missing breaks only `missingAtMost`."""

    type: Literal["integer", "number", "boolean", "text", "timestamp"] | None = Field(
        None, description="Of every value. Text that looks like a number is one in CSV only."
    )
    atLeast: float | None = Field(None, description="The smallest number.")
    atMost: float | None = Field(None, description="The largest number.")
    in_: Annotated[list[Scalar], Field(min_length=1)] | None = Field(
        None, alias="in", description="The only values."
    )
    matches: Annotated[str, Field(min_length=1)] | None = Field(
        None,
        description="A regular expression (RE2) that is found in every value; `^` and `$` for all of it.",
    )
    unique: bool = Field(False, description="Whether no value is there twice.")
    missingAtMost: Annotated[float, Field(ge=0, le=1)] | None = Field(
        None, description="The largest share, 0..1, of rows without a value."
    )

    @model_validator(mode="after")
    def _expects_something(self) -> FieldExpected:
        if not self.model_fields_set:
            raise ValueError(
                "expected at least one of type, atLeast, atMost, in, matches, unique, missingAtMost"
            )
        if self.atLeast is not None and self.atMost is not None and self.atLeast > self.atMost:
            raise ValueError(f"expected atLeast up to atMost, got {self.atLeast:g} and {self.atMost:g}")
        return self


class QueryExpected(StrictModel):
    """How many rows a query over the batch returns."""

    name: Annotated[str, Field(min_length=1, max_length=200)] = Field(description="What the table calls it.")
    query: Annotated[str, Field(min_length=1)] = Field(
        description="One SELECT in DuckDB's SQL over the table `batch`, whose columns are those of the data. It "
        "reaches no file, no network and no setting."
    )
    atLeast: Count | None = Field(None, description="At least so many rows.")
    atMost: Count | None = Field(None, description="At most so many rows; none, where neither is given.")

    @model_validator(mode="after")
    def _is_ordered(self) -> QueryExpected:
        least, most = self.bounds
        if most is not None and least > most:
            raise ValueError(f"expected atLeast up to atMost, got {least} and {most}")
        return self

    @property
    def bounds(self) -> tuple[int, int | None]:
        """The fewest rows and the most; None where any number will do."""
        return self.atLeast or 0, 0 if self.atLeast is None and self.atMost is None else self.atMost


class Expectations(StrictModel):
    """Expectations that `mlslo-exporter gate` has of the rows of a batch; `run` and `once` pass them over."""

    rows: RowsExpected | None = Field(None, description="How many rows there are.")
    fields: dict[FeatureName, FieldExpected] = Field(
        default_factory=dict,
        description="What values are: of a feature by its name, or of a path in a record.",
    )
    sql: list[QueryExpected] = Field(
        default_factory=list, description="Queries over the batch that return no rows, or so many."
    )
