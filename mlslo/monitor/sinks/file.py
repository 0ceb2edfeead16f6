"""Settings of log files."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from mlslo.yamlfile import StrictModel


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
