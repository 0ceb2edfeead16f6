"""Settings of log sinks, one kind a file; ``Sink`` has one of them. Import from ``mlslo.monitor``."""

from mlslo.monitor.sinks.access import Credentials, Tls
from mlslo.monitor.sinks.file import FileSink
from mlslo.monitor.sinks.kafka import KafkaSink
from mlslo.monitor.sinks.loki import LokiSink
from mlslo.monitor.sinks.opensearch import OpenSearchSink
from mlslo.monitor.sinks.push import OTLP_PATH, PushSink
from mlslo.monitor.sinks.sink import Sink

__all__ = [
    "OTLP_PATH",
    "Credentials",
    "FileSink",
    "KafkaSink",
    "LokiSink",
    "OpenSearchSink",
    "PushSink",
    "Sink",
    "Tls",
]
