"""Tables of a lake in a folder, as Delta and Iceberg write them. No catalog: the newest metadata file is the table."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow


def append_delta(folder: Path, rows: pyarrow.Table, **options: Any) -> None:
    """Append to a Delta table, which is made where there is none."""
    from deltalake import write_deltalake

    write_deltalake(folder, rows, mode="append", **options)


def rewrite_delta(folder: Path, change: Callable[[dict[str, Any]], object]) -> None:
    """Change the actions of a table's first version, as a writer would have written them that knows more."""
    first = folder / "_delta_log" / f"{0:020}.json"
    actions = [json.loads(line) for line in first.read_text().splitlines()]
    for action in actions:
        change(action)
    first.write_text("\n".join(map(json.dumps, actions)))


def append_iceberg(folder: Path, rows: pyarrow.Table) -> None:
    """Append to an Iceberg table, which is made where there is none."""
    change_iceberg(folder, lambda table: table.append(rows), rows.schema)


def change_iceberg(
    folder: Path, change: Callable[[Any], object], schema_of_new: pyarrow.Schema | None = None
) -> None:
    """Change an Iceberg table. ``schema_of_new``: of one that is made where there is none."""
    from pyiceberg.catalog.noop import NoopCatalog
    from pyiceberg.io import load_file_io
    from pyiceberg.io.pyarrow import _pyarrow_to_schema_without_ids
    from pyiceberg.partitioning import UNPARTITIONED_PARTITION_SPEC
    from pyiceberg.schema import assign_fresh_schema_ids
    from pyiceberg.serializers import ToOutputFile
    from pyiceberg.table import CommitTableResponse, Table
    from pyiceberg.table.metadata import new_table_metadata
    from pyiceberg.table.sorting import UNSORTED_SORT_ORDER
    from pyiceberg.table.update import update_table_metadata

    io = load_file_io()
    files = folder / "metadata"
    files.mkdir(parents=True, exist_ok=True)

    def write(metadata: Any) -> str:
        place = f"file://{files}/v{len([*files.glob('*.metadata.json')]) + 1}.metadata.json"
        ToOutputFile.table_metadata(metadata, io.new_output(place))
        return place

    class Folder(NoopCatalog):
        def commit_table(self, table: Table, requirements: Any, updates: Any) -> CommitTableResponse:  # noqa: ARG002
            metadata = update_table_metadata(table.metadata, updates)
            return CommitTableResponse(metadata=metadata, metadata_location=write(metadata))

    found = sorted(files.glob("*.metadata.json"))
    if found:
        from pyiceberg.table import StaticTable

        metadata, place = StaticTable.from_metadata(f"file://{found[-1]}").metadata, f"file://{found[-1]}"
    else:
        schema = assign_fresh_schema_ids(_pyarrow_to_schema_without_ids(schema_of_new))
        metadata = new_table_metadata(
            schema, UNPARTITIONED_PARTITION_SPEC, UNSORTED_SORT_ORDER, f"file://{folder}", {}
        )
        place = write(metadata)
    change(Table(("log",), metadata, place, io, Folder("folder")))
