"""Settings of logs in Loki."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from mlslo.monitor.sinks.access import Credentials, Tls
from mlslo.monitor.sinks.url import HttpUrl
from mlslo.yamlfile import Duration, Shape, StrictModel

_TENANT = r"^[A-Za-z0-9!._*'()|-]+$"


class LokiSink(StrictModel):
    """Log entries that Loki returns for a query, from where the last cycle ended."""

    url: HttpUrl = Field(description="Where Loki is, such as `https://loki.example.org:3100`.")
    query: str = Field(
        min_length=2,
        description='A LogQL query of log entries, such as `{app="fraud"} |= "prediction"`; each line is a record.',
    )
    tenant: Annotated[str, Shape(pattern=_TENANT)] | None = Field(
        None,
        pattern=_TENANT,
        description="The tenant, sent as `X-Scope-OrgID`; several have a `|` between them.",
    )
    since: Duration = Field(
        Duration("1d"),
        description="How old entries may be at the first read. Later reads go on where the last ended.",
    )
    lookback: Duration = Field(
        Duration("5m"),
        description="How much older than the newest entry a late one may be; each read asks for so much again.",
    )
    pageSize: int = Field(
        5000,
        ge=2,
        le=1_000_000,
        description="Entries of a request; Loki's `max_entries_limit_per_query` at most.",
    )
    credentials: Credentials | None = Field(None, description="How the exporter says who it is.")
    tls: Tls | None = Field(None, description="Whom to trust, and the exporter's own certificate.")
