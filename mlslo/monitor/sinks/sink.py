"""Settings of a log's sink, of whatever kind."""

from __future__ import annotations

from pydantic import Field

from mlslo.monitor.sinks.file import FileSink
from mlslo.monitor.sinks.kafka import KafkaSink
from mlslo.monitor.sinks.loki import LokiSink
from mlslo.monitor.sinks.opensearch import OpenSearchSink
from mlslo.monitor.sinks.push import PushSink
from mlslo.yamlfile import StrictModel


class Sink(StrictModel):
    """The source of records: exactly one kind."""

    exactly_one = ("file", "kafka", "loki", "opensearch", "push")

    file: FileSink | None = Field(None, description="Log files on a disk that the exporter sees.")
    kafka: KafkaSink | None = Field(None, description="A topic of Kafka.")
    loki: LokiSink | None = Field(None, description="Log entries in Loki.")
    opensearch: OpenSearchSink | None = Field(None, description="Documents in OpenSearch or Elasticsearch.")
    push: PushSink | None = Field(None, description="Events that are sent to the exporter over HTTP.")

    @property
    def is_standard_input(self) -> bool:
        """True where records come on the process's standard input."""
        return self.file is not None and self.file.path == "-"

    def whole(self) -> Sink:
        """Return the sink as one reads it who takes no records from other replicas: a topic without its group."""
        if self.kafka is None or self.kafka.group is None:
            return self
        return self.model_copy(update={"kafka": self.kafka.model_copy(update={"group": None})})
