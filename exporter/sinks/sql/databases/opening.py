"""Open the database that a url names."""

from __future__ import annotations

from exporter.sinks.sql.databases.database import Database
from exporter.sinks.sql.databases.duck import DuckDatabase
from exporter.sinks.sql.databases.postgresql import PostgresDatabase
from mlslo.monitor import Monitor, SqlSink


def open_database(monitor: Monitor, settings: SqlSink) -> Database:
    """Return the database, connected. Raises QueryError and SinkError where that cannot be."""
    if settings.is_postgresql:
        secret = settings.passwordFile
        return PostgresDatabase(settings, None if secret is None else monitor.resolve(secret))
    return DuckDatabase(settings, monitor)
