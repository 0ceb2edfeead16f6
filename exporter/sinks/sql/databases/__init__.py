"""Databases that a SQL sink asks for pages of rows: ``open_database`` opens the one that a url names, for one read.

From outside: ``Database``, its ``Key`` and ``Page``, ``QueryError``.
"""

from __future__ import annotations

from exporter.sinks.sql.databases.database import Database, Key, Kind, Page, QueryError
from exporter.sinks.sql.databases.duck import DuckDatabase
from exporter.sinks.sql.databases.postgresql import PostgresDatabase
from mlslo.monitor import Monitor, SqlSink

__all__ = ["Database", "Key", "Kind", "Page", "QueryError", "open_database"]


def open_database(monitor: Monitor, settings: SqlSink) -> Database:
    """Return the database, connected. Raises QueryError and SinkError where that cannot be."""
    if settings.is_postgresql:
        secret = settings.passwordFile
        return PostgresDatabase(settings, None if secret is None else monitor.resolve(secret))
    return DuckDatabase(settings, monitor)
