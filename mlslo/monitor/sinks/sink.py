"""Settings of a log's sink, of whatever kind."""

from __future__ import annotations

from pydantic import Field

from mlslo.monitor.sinks.file import FileSink
from mlslo.monitor.sinks.push import PushSink
from mlslo.monitor.sinks.sql import SqlSink
from mlslo.yamlfile import StrictModel


class Sink(StrictModel):
    """The source of records: exactly one of `file`, `push` and `sql`."""

    exactly_one = ("file", "push", "sql")

    file: FileSink | None = Field(None, description="Log files on a disk that the exporter sees.")
    push: PushSink | None = Field(None, description="Events that are sent to the exporter over HTTP.")
    sql: SqlSink | None = Field(None, description="Rows of a query.")

    @property
    def is_standard_input(self) -> bool:
        """True where records come on the process's standard input."""
        return self.file is not None and self.file.path == "-"
