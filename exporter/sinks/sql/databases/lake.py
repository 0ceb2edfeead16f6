"""Tables of a lake as views of DuckDB over the data files of their newest snapshot.

DuckDB's own extensions for them would have to be downloaded. What rests on more than files and partitions (deleted
rows, renamed columns) is refused, not misread.
"""

from __future__ import annotations

import glob
import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote

from exporter.extras import needs
from exporter.parse import sql
from exporter.sinks.sink import SinkError
from exporter.sinks.sql.databases.database import QueryError
from mlslo.monitor import Monitor

if TYPE_CHECKING:
    import duckdb

# Types of Delta's partition columns, where DuckDB has another name for them.
_TYPES = {
    "string": "VARCHAR",
    "byte": "TINYINT",
    "long": "BIGINT",
    "timestamp": "TIMESTAMPTZ",
    "timestamp_ntz": "TIMESTAMP",
}
# Features of Delta's tables that change nothing for a reader of files.
_FEATURES = {"timestampNtz", "vacuumProtocolCheck", "v2Checkpoint"}
_METADATA = re.compile(r"v?(\d+)(-.*)?\.metadata\.json")


def create_views(connection: duckdb.DuckDBPyConnection, monitor: Monitor, tables: Mapping[str, str]) -> None:
    """Create a view of each table: name -> kind and path. Raises SinkError, and QueryError where one is refused."""
    for name, place in tables.items():
        kind, _, path = place.partition(":")
        if "://" in path:
            raise QueryError(f"expected a table in a folder of this machine, got '{place}'", "tables")
        read = {"delta": _delta, "iceberg": _iceberg}[kind]
        try:
            source = read(monitor.resolve(path))
        except (ValueError, OSError) as error:
            raise SinkError(f"{place} cannot be read: {str(error).splitlines()[0]}") from None
        connection.execute(f"CREATE TEMP VIEW {sql.name(name)} AS {source}")


def _delta(path: Path) -> str:
    try:
        import deltalake
        from deltalake.exceptions import DeltaError
    except ModuleNotFoundError:
        raise SinkError(f"a Delta table {needs('delta')}") from None
    try:
        table = deltalake.DeltaTable(path)
        features = set(table.protocol().reader_features or ())
        vectors = getattr(table, "deletion_vectors", None)
        if vectors is not None and not any(batch.num_rows for batch in vectors()):
            features.discard("deletionVectors")
    except DeltaError as error:
        raise OSError(str(error)) from None
    if table.metadata().configuration.get("delta.columnMapping.mode", "none") == "none":
        features.discard("columnMapping")
    else:
        features.add("columnMapping")
    if unreadable := features - _FEATURES:
        raise QueryError(
            f"{path} uses Delta's {', '.join(sorted(unreadable))}, which cannot be read", "tables"
        )
    types = {field["name"]: field["type"] for field in json.loads(table.schema().to_json())["fields"]}
    partitions = table.metadata().partition_columns
    casts = [
        f"CAST({sql.name(name)} AS {_TYPES.get(types[name], types[name])}) AS {sql.name(name)}"
        for name in partitions
    ]
    # Some versions of the library have decoded these paths.
    named: list[str] = table.get_add_actions().column("path").to_pylist()  # type: ignore[assignment]
    files = [str(path / (file if (path / file).exists() else unquote(file))) for file in named]
    return _select(files, partitions, f" REPLACE ({', '.join(casts)})" if casts else "")


def _iceberg(path: Path) -> str:
    try:
        from pyiceberg.exceptions import ValidationError
        from pyiceberg.table import StaticTable
    except ModuleNotFoundError:
        raise SinkError(f"an Iceberg table {needs('iceberg')}") from None
    if not path.name.endswith(".json"):
        path = _newest(path)
    try:
        table = StaticTable.from_metadata(
            f"file://{path}", {"py-io-impl": "pyiceberg.io.fsspec.FsspecFileIO"}
        )
        tasks = list(table.scan().plan_files())
    except ValidationError as error:
        raise OSError(str(error)) from None
    if any(task.delete_files for task in tasks):
        raise QueryError(f"{path}: rows are deleted by files; expected a table that was compacted", "tables")
    # Files are read by names: one name, one column.
    columns = {(field.field_id, field.name) for schema in table.schemas().values() for field in schema.fields}
    if len({number for number, _ in columns}) != len(columns) or len({name for _, name in columns}) != len(
        columns
    ):
        raise QueryError(f"{path}: columns were renamed, which cannot be read", "tables")
    return _select([task.file.file_path for task in tasks], (), "")


def _newest(folder: Path) -> Path:
    found = [
        (int(match[1]), file)
        for file in (folder / "metadata").iterdir()
        if (match := _METADATA.fullmatch(file.name))
    ]
    if not found:
        raise FileNotFoundError("there is no metadata of a table")
    return max(found)[1]


def _select(files: Sequence[str], partitions: Sequence[str], replaced: str) -> str:
    if not files:
        raise OSError("the table has no data yet")
    # DuckDB takes a path for a pattern.
    listed = ", ".join(sql.text(glob.escape(re.sub("^file:(//)?/", "/", file))) for file in files)
    hive = "{" + ", ".join(f"{sql.text(name)}: VARCHAR" for name in partitions) + "}"
    options = (
        f", hive_partitioning = true, hive_types = {hive}" if partitions else ", hive_partitioning = false"
    )
    return f"SELECT *{replaced} FROM read_parquet([{listed}], union_by_name = true{options})"
