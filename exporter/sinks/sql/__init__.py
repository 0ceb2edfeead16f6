"""Rows of a query, from the databases below.

From outside: ``SqlSink``.
"""

from exporter.sinks.sql.sink import SqlSink

__all__ = ["SqlSink"]
