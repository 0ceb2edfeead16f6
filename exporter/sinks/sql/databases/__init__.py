"""Databases that a SQL sink asks for pages of rows: ``open_database`` opens the one that a url names, for one read.

From outside: ``Database``, its ``Key`` and ``Page``, ``QueryError``.
"""

from exporter.sinks.sql.databases.database import Database, Key, Kind, Page, QueryError
from exporter.sinks.sql.databases.opening import open_database

__all__ = ["Database", "Key", "Kind", "Page", "QueryError", "open_database"]
