"""Settings of logs in OpenSearch or Elasticsearch."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, model_validator

from mlslo.monitor.sinks.access import Credentials, Tls
from mlslo.monitor.sinks.url import HttpUrl
from mlslo.yamlfile import Duration, Shape, StrictModel

_INDEX = r"^[^\s/?#\\\"<>|]+$"


class OpenSearchSink(StrictModel):
    """Documents of an index, by a field that grows, from where the last cycle ended."""

    url: HttpUrl = Field(description="Where the cluster is, such as `https://search.example.org:9200`.")
    index: Annotated[str, Shape(pattern=_INDEX)] = Field(
        pattern=_INDEX, description="An index, an alias, a data stream or a pattern, such as `predictions-*`."
    )
    cursor: str = Field(
        min_length=1,
        description="A field of type `date` or `date_nanos`: when a document was written, such as `@timestamp`.",
    )
    tieBreak: str | None = Field(
        None,
        min_length=1,
        description="A field of type `keyword` with a value of its own in each document; needed where more than "
        "`pageSize` documents have the same time.",
    )
    query: str | None = Field(
        None,
        min_length=1,
        description="Which documents, as a Lucene query such as `kind:prediction`; all by default.",
    )
    lookback: Duration = Field(
        Duration("1m"),
        description="How much older than the newest document a late one may be, after a refresh for example; each read "
        "asks for so much again.",
    )
    pageSize: int = Field(
        5000, ge=2, le=10_000, description="Documents of a request; `index.max_result_window` at most."
    )
    credentials: Credentials | None = Field(None, description="How the exporter says who it is.")
    apiKeyFile: str | None = Field(
        None, description="A file that holds an API key (`id:key` in base64), instead of `credentials`."
    )
    tls: Tls | None = Field(None, description="Whom to trust, and the exporter's own certificate.")

    @model_validator(mode="after")
    def _one_way_in(self) -> OpenSearchSink:
        if self.credentials is not None and self.apiKeyFile is not None:
            raise ValueError("expected one of credentials and apiKeyFile, got both")
        return self
