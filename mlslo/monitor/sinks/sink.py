"""Settings of a log's sink, of whatever kind."""

from __future__ import annotations

from pydantic import Field

from mlslo.monitor.sinks.file import FileSink
from mlslo.monitor.sinks.loki import LokiSink
from mlslo.monitor.sinks.objects import ObjectsSink
from mlslo.monitor.sinks.opensearch import OpenSearchSink
from mlslo.monitor.sinks.push import PushSink
from mlslo.yamlfile import StrictModel


class Sink(StrictModel):
    """The source of records: exactly one kind."""

    exactly_one = ("file", "loki", "objects", "opensearch", "push")

    file: FileSink | None = Field(None, description="Log files on a disk that the exporter sees.")
    loki: LokiSink | None = Field(None, description="Log entries in Loki.")
    objects: ObjectsSink | None = Field(
        None, description="Objects of a bucket: S3, Google Cloud Storage, Azure Blob Storage."
    )
    opensearch: OpenSearchSink | None = Field(None, description="Documents in OpenSearch or Elasticsearch.")
    push: PushSink | None = Field(None, description="Events that are sent to the exporter over HTTP.")

    @property
    def is_standard_input(self) -> bool:
        """True where records come on the process's standard input."""
        return self.file is not None and self.file.path == "-"
