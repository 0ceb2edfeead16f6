"""Settings of logs in an object store."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from mlslo.yamlfile import Duration, Shape, StrictModel

_URL = r"^((s3|gs|az)://[^/*?%]+|file://)(/.*)?$"
_DATE = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}$"
_DIRECTIVES = ("%Y", "%m", "%d", "%H")


def _as_url(text: str) -> str:
    if not re.fullmatch(_URL, text):
        raise ValueError(
            f"expected s3://bucket/prefix, gs://bucket/prefix or az://container/prefix, got '{text}'"
        )
    named = re.findall(r"%.?", text)
    if unknown := [directive for directive in named if directive not in _DIRECTIVES]:
        raise ValueError(f"expected %Y, %m, %d and %H as the date of a partition, got '{unknown[0]}'")
    # The coarse ones too, or a partition has no date.
    if named and set(named) != set(_DIRECTIVES[: len(set(named))]):
        raise ValueError(
            f"a partition's date begins with the year: expected %Y, %m, %d, %H, got {', '.join(named)}"
        )
    return text


def _as_date(text: str) -> str:
    try:
        datetime.strptime(text, "%Y-%m-%d")
    except ValueError:
        raise ValueError(f"expected a date such as 2026-11-30, got '{text}'") from None
    return text


class ObjectsSink(StrictModel):
    """Objects of a bucket that are written once each: what Firehose, Vector, Fluent Bit, Spark or KServe put there."""

    url: Annotated[str, AfterValidator(_as_url), Shape(pattern=_URL)] = Field(
        description="Where the objects are: `s3://bucket/logs/dt=%Y-%m-%d/hour=%H/`, `gs://bucket/…`, "
        "`az://container/…`. `%Y`, `%m`, `%d`, `%H` are the date (UTC) of a partition; `*`, `?` and `**` as in paths. "
        "All that is below it is read, but names that begin with `_` or `.`.",
    )
    format: Literal["jsonl", "csv", "parquet"] | None = Field(
        None,
        description="How the records are written; where it is not given, the ending of each key tells, as for files.",
    )
    lookback: Duration = Field(
        Duration("3d"),
        description="How far behind the newest partition late objects are looked for; without a date in the url, by "
        "when they were last modified.",
    )
    since: Annotated[str, AfterValidator(_as_date), Shape(pattern=_DATE)] | None = Field(
        None,
        description="A date (UTC) in quotes: the first partition that the first read of all begins with, `lookback` "
        "ago where it is not given.",
    )
    region: str | None = Field(
        None, description="The region of an S3 bucket, where the environment does not say it."
    )
    account: str | None = Field(None, description="The storage account of an Azure container.")
    endpoint: str | None = Field(
        None,
        pattern=r"^https?://[^/]",
        description="The address of another store with the interface of S3 or Azure, such as MinIO or Ceph.",
    )
    caFile: str | None = Field(None, description="Certificates of whom to trust beside those of the system.")
    credentialsFile: str | None = Field(
        None,
        description="A file with credentials: of S3 as the AWS CLI has it, of Google Cloud a service account's JSON, "
        "of Azure an account key or a SAS token. Where it is not given, the environment, web identity and the "
        "metadata of the instance are asked, in this order.",
    )
    profile: str = Field("default", description="The section of an AWS `credentialsFile`.")
    anonymous: bool = Field(False, description="Whether requests are not signed: of a public bucket.")
    maxBytes: int = Field(
        1 << 30,
        ge=1 << 20,
        description="A Parquet object is copied to the temporary folder while it is read; a larger one is refused.",
    )

    @model_validator(mode="after")
    def _belong_together(self) -> ObjectsSink:
        if self.since is not None and "%" not in self.url:
            raise ValueError(
                "since needs a date in the url, such as dt=%Y-%m-%d; without one, all objects are read"
            )
        if self.anonymous and self.credentialsFile is not None:
            raise ValueError("expected anonymous or credentialsFile, not both")
        for key, schemes in (("region", ("s3",)), ("account", ("az",)), ("endpoint", ("s3", "az"))):
            if getattr(self, key) is not None and not self.url.startswith(schemes):
                raise ValueError(f"{key} is of {' and '.join(f'{scheme}://' for scheme in schemes)} only")
        return self
