"""Files of training data, each split read by a task as one machine would have read all of them."""

from __future__ import annotations

import io
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any, NamedTuple

import duckdb

from exporter.references.baseline.source import (
    database,
    drop_malformed,
    reader_of,
)
from mlslo.yamlfile import InputError

if TYPE_CHECKING:
    import pyarrow as pa

SPLIT = 64 << 20
SLICE = 1 << 14
"""Rows that travel together."""

_FIRST_LINES = 100


class Split(NamedTuple):
    """A file, or the lines of JSON that begin from byte ``start`` up to ``end``. ``number``: of the file."""

    url: str
    number: int
    size: int
    start: int = 0
    end: int = -1

    @property
    def name(self) -> str:
        """The file's own name."""
        return PurePosixPath(self.url).name


class Shape(NamedTuple):
    """How all files are read. ``witnesses``: of each file that has some, the lines that tell the columns' types."""

    kind: str
    witnesses: tuple[tuple[int, str, bytes], ...] = ()
    columns: tuple[tuple[str, str], ...] = ()


class Found(NamedTuple):
    """Description of a split. ``digest``: of the witnesses as they were read.

    ``lines``: that tell what ``Shape`` does not know.
    """

    columns: tuple[tuple[str, str], ...]
    rows: int
    malformed: int
    digest: str
    lines: bytes


def listed(urls: Sequence[str]) -> tuple[list[Split], float]:
    """Return all files, those of a folder by their paths, and when the last was written (Unix seconds).

    Raises InputError where there is none.
    """
    from pyarrow.fs import FileSelector, FileType

    files: list[Split] = []
    written = 0.0
    for url in urls:
        system, path = _located(url)
        info = system.get_file_info(path)
        if info.type == FileType.NotFound:
            raise InputError.of_file(Path(url), "no such file")
        infos = [info]
        if info.type == FileType.Directory:
            inside = system.get_file_info(FileSelector(path, recursive=True))
            infos = sorted((item for item in inside if _is_data(item, path)), key=lambda item: str(item.path))
        for item in infos:
            own = url if item is info else url.rstrip("/") + str(item.path)[len(path.rstrip("/")) :]
            seconds, nanoseconds = divmod(item.mtime_ns or 0, 10**9)
            written = max(written, seconds + 1e-9 * nanoseconds)
            files.append(Split(own, len(files), item.size, 0, item.size))
    if not files:
        raise InputError.of_file(Path(urls[0]), "holds no files")
    return files, written


def split_lines(files: Sequence[Split]) -> Iterator[Split]:
    """Yield stretches of files of lines; those that are compressed stay whole."""
    for file in files:
        step = max(file.size, 1) if Path(file.name).suffix in (".gz", ".zst") else SPLIT
        for start in range(0, max(file.size, 1), step):
            yield file._replace(start=start, end=min(start + step, file.size))


def _is_data(item: Any, folder: str) -> bool:
    from pyarrow.fs import FileType

    inside = PurePosixPath(str(item.path)[len(folder) :]).parts
    return item.type == FileType.File and not any(name.startswith(("_", ".")) for name in inside)


def _located(url: str) -> tuple[Any, str]:
    from pyarrow.fs import FileSystem

    system, path = FileSystem.from_uri(url if "://" in url else Path(url).absolute().as_uri())
    return system, str(path)


def first_shape(split: Split, kind: str) -> Shape:
    """Return what the first lines of a file tell of all."""
    if kind == "parquet":
        return Shape(kind)
    with tempfile.TemporaryDirectory(prefix="mlslo-") as folder:
        lines = _lines(_fetched(split._replace(end=min(split.end, SPLIT)), Path(folder)))
    witnesses = (split.number, _plain(split.name), b"".join(lines[:_FIRST_LINES]))
    return Shape(kind, witnesses=(witnesses,))


def known(shape: Shape) -> tuple[Shape, int, str]:
    """Return the shape with the columns that its witnesses have, their number of rows and their digest."""
    with _table(shape, None) as (connection, files):
        rows = _count(connection)
        shape = shape._replace(columns=_columns(connection))
        return shape, rows, _digest(connection, rows) if files else ""


def read(split: Split, shape: Shape, witnesses: int) -> Iterator[tuple[int, Found | bytes]]:
    """Yield what a split is, and if ``shape`` is that of its columns, its rows in slices, each with its first row.

    ``witnesses``: rows of them.
    """
    with _table(shape, split) as (connection, files):
        columns = _columns(connection)
        digest = _digest(connection, witnesses)
        agreed = columns == shape.columns or shape.kind == "parquet"
        lines = b"" if agreed else b"".join(_telling(shape.columns, files, connection))
        rows, malformed = _own_rows(connection, witnesses, columns)
        yield -1, Found(columns, rows, malformed, digest, lines)
        connection.execute("SET arrow_lossless_conversion = true")
        for first in range(0, rows if agreed else 0, SLICE):
            where = f"rowid >= {first} AND rowid < {first + SLICE}"
            yield first, packed(connection.sql(f"SELECT * FROM source WHERE {where}").to_arrow_table())


def cut(content: bytes, place: int, end: int, size: int) -> Iterator[tuple[int, bytes]]:
    """Yield the rows from ``place`` to ``end`` with their places, cut where a part of ``size`` rows ends."""
    if place // size == (end - 1) // size:
        yield place, content
        return
    rows = opened([content])
    for first in (place, *range(place - place % size + size, end, size)):
        yield first, packed(rows.slice(first - place, min(end - first, size - first % size)))


def packed(table: pa.Table) -> bytes:
    """Return rows as bytes."""
    import pyarrow as pa

    sink = pa.BufferOutputStream()
    options = pa.ipc.IpcWriteOptions(compression="lz4")
    with pa.ipc.new_stream(sink, table.schema, options=options) as stream:
        stream.write_table(table)
    content: bytes = sink.getvalue().to_pybytes()
    return content


def opened(content: Iterable[bytes]) -> pa.Table:
    """Return the rows of slices, one after the other."""
    import pyarrow as pa

    return pa.concat_tables([pa.ipc.open_stream(pa.py_buffer(one)).read_all() for one in content])


@contextmanager
def _table(shape: Shape, split: Split | None) -> Iterator[tuple[duckdb.DuckDBPyConnection, list[Path]]]:
    """Read the witnesses and a split into a table ``source``; yield it, and the files."""
    # Written to disk, a table costs twice as much, and a stretch fits into memory.
    on_disk = split is not None and split.end - split.start > SPLIT
    with tempfile.TemporaryDirectory(prefix="mlslo-") as name, database(on_disk=on_disk) as connection:
        folder = Path(name)
        files = []
        for place, (_, own, lines) in enumerate(shape.witnesses):
            files.append(folder / f"{place}-{own}")
            files[-1].write_bytes(lines)
        if split is not None:
            files.append(_fetched(split, folder))
        try:
            connection.execute("SET threads = 1")
            connection.execute(f"CREATE TABLE source AS SELECT * FROM {reader_of(files, shape.kind)}")
        except duckdb.Error as error:
            where = split.url if split is not None else shape.witnesses[0][1]
            raise ValueError(
                f"{where}: cannot be read as {shape.kind}: {str(error).splitlines()[0]}"
            ) from None
        yield connection, files


def _fetched(split: Split, folder: Path) -> Path:
    """Return a file on this machine that holds a split."""
    system, path = _located(split.url)
    whole = split.start == 0 and split.end >= split.size
    if whole and "://" not in split.url:
        return Path(split.url)
    target = folder / split.name
    with system.open_input_file(path) as raw, target.open("wb") as out:
        file = io.BufferedReader(raw)
        if whole:
            shutil.copyfileobj(file, out, 1 << 20)
            return target
        place = split.start
        if place:
            # The line that a byte before belongs to is of the split before.
            file.seek(place - 1)
            place += len(file.readline()) - 1
        if place < split.end:
            content = file.read(split.end - place)
            out.write(content if content.endswith(b"\n") else content + file.readline())
    return target


def _columns(connection: duckdb.DuckDBPyConnection) -> tuple[tuple[str, str], ...]:
    return tuple(
        (str(name), str(type_)) for name, type_, *_ in connection.execute("DESCRIBE source").fetchall()
    )


def _count(connection: duckdb.DuckDBPyConnection) -> int:
    ((rows,),) = connection.execute("SELECT count(*) FROM source").fetchall()
    return int(rows)


def _digest(connection: duckdb.DuckDBPyConnection, witnesses: int) -> str:
    """Name what witnesses were read as: a date that is read otherwise beside other rows is seen by it."""
    rows = connection.execute(f"SELECT * FROM source WHERE rowid < {witnesses}").fetchall()
    return sha256(repr(rows).encode()).hexdigest()


def _own_rows(
    connection: duckdb.DuckDBPyConnection, witnesses: int, columns: Sequence[tuple[str, str]]
) -> tuple[int, int]:
    """Leave the split's own rows in the table; return their number, and that of malformed ones."""
    connection.execute(f"CREATE OR REPLACE TABLE source AS SELECT * FROM source WHERE rowid >= {witnesses}")
    malformed = drop_malformed(connection, [name for name, _ in columns])
    return _count(connection), malformed


def _telling(
    columns: Sequence[tuple[str, str]], files: Sequence[Path], connection: duckdb.DuckDBPyConnection
) -> Iterator[bytes]:
    """Yield lines of the last of ``files`` that together with the witnesses tell the types of all its columns."""
    *others, own = files
    lines = _lines(own)
    telling: list[bytes] = []
    beside = others[0].with_name(f"telling-{_plain(own.name)}")

    def types(some: Sequence[bytes]) -> Any:
        beside.write_bytes(b"".join([*telling, *some]))
        read = reader_of([*others, beside], "json")
        return [row[:2] for row in connection.execute(f"DESCRIBE SELECT * FROM {read}").fetchall()]

    first = 0
    before = list(columns)
    while True:
        number = 1
        while types(lines[first : first + number]) == before:
            if first + number >= len(lines):
                yield from telling
                return
            number *= 2
        low = number // 2
        while number - low > 1:
            middle = (low + number) // 2
            low, number = (
                (middle, number) if types(lines[first : first + middle]) == before else (low, middle)
            )
        telling.append(lines[first + number - 1])
        first += number
        before = types(())


def _lines(file: Path) -> list[bytes]:
    """Return the lines of a file."""
    import pyarrow as pa

    with pa.input_stream(str(file), compression="detect") as stream:
        content: bytes = stream.read()
    return [line + b"\n" for line in content.split(b"\n") if line]


def _plain(name: str) -> str:
    """Return the name without what says that the file is compressed."""
    return name.removesuffix(".gz").removesuffix(".zst")
