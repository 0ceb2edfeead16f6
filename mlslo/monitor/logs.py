"""Logs of predictions and of labels: their sinks, and what is said of their records."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from mlslo.monitor.fields import LabelFields, PredictionFields
from mlslo.yamlfile import Duration, StrictModel

POSITIVE = ("1", "1.0", "true", "yes")
"""The positive class of a binary model without ``positiveClass``, in lower case."""


class FileSink(StrictModel):
    """Files that grow: every match of a glob, read from where the last cycle ended."""

    path: str = Field(
        min_length=1,
        description="A path or glob, relative to this file; `**` is any folders. `-` is standard input.",
    )
    format: Literal["jsonl", "csv", "parquet"] | None = Field(
        None,
        description="How the records are written. Where it is not given, the ending of each file tells: `.csv`, `.tsv` "
        "(both csv) and `.parquet`, also before `.gz`, `.zst` and the numbers of rotation; all others are jsonl.",
    )


class Sink(StrictModel):
    """The source of records."""

    file: FileSink = Field(description="Log files on a disk that the exporter sees.")

    @property
    def is_standard_input(self) -> bool:
        """Whether records come on the process's standard input."""
        return self.file.path == "-"


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
