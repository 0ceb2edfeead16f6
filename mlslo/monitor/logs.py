"""Logs of predictions and of labels: their sinks, and what is said of their records."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Discriminator, Field, Tag, model_validator

from mlslo.monitor.fields import FieldPath, LabelFields, PredictionFields, needs_rows
from mlslo.monitor.presets import LABEL_PRESETS, PREDICTION_PRESETS, with_preset
from mlslo.monitor.sinks import Sink
from mlslo.monitor.times import TimeFormat, TimeZone, WrittenTimes
from mlslo.yamlfile import Duration, StrictModel

POSITIVE = ("1", "1.0", "true", "yes")
"""The positive class of a binary model without ``positiveClass``, in lower case."""


def _form_of_value(value: Any) -> str:
    if isinstance(value, list):
        return "several"
    if isinstance(value, bool):
        return "flag"
    return "number" if isinstance(value, int | float) else "text"


Scalar = Annotated[
    Annotated[str, Tag("text")] | Annotated[int | float, Tag("number")] | Annotated[bool, Tag("flag")],
    Discriminator(_form_of_value),
]
_Several = Annotated[list[Scalar], Field(min_length=1), Tag("several")]
Where = dict[
    FieldPath,
    Annotated[
        Annotated[str, Tag("text")]
        | Annotated[int | float, Tag("number")]
        | Annotated[bool, Tag("flag")]
        | _Several,
        Discriminator(_form_of_value),
    ],
]


class Join(StrictModel):
    """Request and response that are two records, joined by an id.

    A joined record has both below the keys `request` and `response`, and `seconds` from the one to the other.
    """

    id: FieldPath = Field(description="The path of the id that both records have.")
    request: Where = Field(min_length=1, description="Values that tell a request: path -> value.")
    response: Where = Field(min_length=1, description="Values that tell a response: path -> value.")
    within: Duration = Field(
        Duration("5m"),
        description="A request without a response by then is an error of the service, with the code `no_response`.",
    )


class Log(StrictModel):
    """Keys of both logs."""

    sink: Sink = Field(description="Where the log is.")
    where: Where | None = Field(
        None,
        description="Only records that have these values: path -> value, or a list of values of which one must be "
        "there.",
    )
    timezone: TimeZone | None = Field(
        None,
        description="Time zone such as `Europe/Berlin`, or offset such as `+05:30`, of timestamps without one; UTC "
        "where it is not given.",
    )
    timeFormat: TimeFormat | None = Field(
        None,
        description="How timestamps are written, as strptime has it (`%d.%m.%Y %H:%M:%S`), or a list; the first that "
        "fits counts, one that fits none is invalid. Not needed for the usual ways.",
    )

    @property
    def times(self) -> WrittenTimes:
        """How timestamps are written."""
        return WrittenTimes.of(self.timezone, self.timeFormat)


def _unless_preset(required: dict[str, Any]) -> Callable[[dict[str, Any]], None]:
    """Return what makes ``fields``, and ``required`` keys of it, optional in a JSON schema where there is a preset."""

    def change(schema: dict[str, Any]) -> None:
        schema["required"].remove("fields")
        schema["if"] = {"not": {"required": ["preset"]}}
        schema["then"] = {"required": ["fields"], "properties": {"fields": required}}

    return change


class Predictions(Log):
    """The prediction log."""

    model_config = ConfigDict(
        json_schema_extra=_unless_preset(
            {
                "required": ["timestamp"],
                "properties": {"features": {"if": {"type": "object"}, "then": {"required": ["path"]}}},
            }
        )
    )

    preset: Literal[*PREDICTION_PRESETS] | None = Field(  # type: ignore[valid-type]
        None, description="The format of the records; `fields` and the other keys override single keys of it."
    )
    join: Join | None = Field(None, description="Where request and response are two records.")
    fields: PredictionFields = Field(description="Where each thing is in a record.")
    positiveClass: str | None = Field(
        None,
        description="Binary: the class that counts as positive, where classes are not 0/1, -1/1, false/true or no/yes.",
    )
    classes: Annotated[list[str], Field(min_length=2, max_length=200)] | None = Field(
        None,
        description="Multiclass: every class; where it is not given, those of the static references. Multilabel: "
        "every class, needed. Binary: the order of the probabilities in a list; where it is not given, the positive "
        "class is the second.",
    )
    cutoffs: Annotated[list[Annotated[int, Field(ge=1, le=100)]], Field(min_length=1, max_length=8)] = Field(
        default_factory=lambda: [1, 3, 5, 10, 20],
        description="Ranking: the label `k` of its metrics, each a length of list.",
    )
    exemplars: bool = Field(
        False,
        description="Show the id of the latest prediction in each bucket of the latency histogram, to whoever scrapes "
        "OpenMetrics. Ids are then on the page of metrics, and in Prometheus.",
    )

    @model_validator(mode="before")
    @classmethod
    def _of_preset(cls, data: Any) -> Any:
        return with_preset(data, PREDICTION_PRESETS)

    @model_validator(mode="after")
    def _exemplars_have_ids(self) -> Predictions:
        if self.exemplars and (self.fields.id is None or self.fields.latency is None):
            raise ValueError("exemplars need the fields id and latency")
        return self

    @property
    def reshaped(self) -> bool:
        """True where a record is not a prediction as it is."""
        return bool(self.where or self.join) or any(map(needs_rows, self.fields.paths()))

    @property
    def tells_errors(self) -> bool:
        """True where a prediction can count as an error: by its status, or as a request without a response."""
        return self.fields.status is not None or self.join is not None

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


class Labels(Log):
    """Ground truth, however late."""

    model_config = ConfigDict(json_schema_extra=_unless_preset({"required": ["id", "label"]}))

    preset: Literal[*LABEL_PRESETS] | None = Field(  # type: ignore[valid-type]
        None, description="The format of the records; `fields` and `where` override single keys of it."
    )
    fields: LabelFields = Field(description="Where each thing is in a record.")
    maxDelay: Duration = Field(Duration("30d"), description="A prediction waits this long for its label.")
    revisions: Literal["first", "last"] = Field(
        "first",
        description="Which label of an id counts: the first, or the last, which corrects the outcome that was counted "
        "before (a chargeback that is reversed).",
    )
    minCoverage: Annotated[float, Field(ge=0, le=1)] = Field(
        0.0,
        description="Outcomes of a window are withheld until this share of its predictions has a label: the first "
        "labels to come are seldom a fair sample.",
    )
    maxPending: Annotated[int, Field(ge=1000)] = Field(
        10_000_000,
        description="At most so many predictions wait; past it a sample of them does, and outcomes are weighted.",
    )

    @model_validator(mode="before")
    @classmethod
    def _of_preset(cls, data: Any) -> Any:
        return with_preset(data, LABEL_PRESETS)

    @property
    def reshaped(self) -> bool:
        """True where a record is not a label as it is."""
        return bool(self.where) or any(map(needs_rows, self.fields.paths()))
