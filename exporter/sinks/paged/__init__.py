"""Logs that a server gives in pages, by its HTTP API.

From outside: ``LokiSink``, ``OpenSearchSink``.
"""

from exporter.sinks.paged.loki import LokiSink
from exporter.sinks.paged.opensearch import OpenSearchSink

__all__ = ["LokiSink", "OpenSearchSink"]
