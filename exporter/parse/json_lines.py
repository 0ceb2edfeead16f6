"""Lines of JSON become numpy columns, by DuckDB."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import duckdb
import numpy as np
import numpy.typing as npt

from exporter.parse import sql
from exporter.parse.field_paths import FieldPaths
from exporter.parse.typed_rows import TypedRows

Buffer = bytes | memoryview
Columns = dict[str, npt.NDArray[Any]]
Request = Callable[[FieldPaths], Mapping[str, str]]
"""Alias -> expression over the paths that it collects."""

LONGEST_RECORD = 2 << 20
"""Lines of so many bytes are not parsed."""
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_LIST = re.compile(rb"\[")
_CHUNK = 1 << 20
_SPACES = np.frombuffer(b" \t\r\n", dtype=np.uint8)


class Parser:
    """Runs one SELECT over the lines of each batch.

    Lists of one element are unwrapped where a single value is expected. To look for them costs as much as parsing, so
    it is done only where a bracket follows one of the keys; from the first that is found, all batches are read in the
    way that unwraps, which costs twice as much.
    """

    takes_rows = True
    """True where rows are selected from without their lines."""

    def __init__(self, request: Request) -> None:
        """Raises ValueError where two names of one object differ in case only."""
        # A cache of files by their path and time could take one batch for another.
        self._connection = duckdb.connect(config={"threads": 1, "enable_external_file_cache": False})
        self._connection.execute("SET TimeZone = 'UTC'")
        # An anonymous file in memory: DuckDB's parallel reader wants something it can seek in.
        self._file = os.fdopen(os.memfd_create("mlslo-batch"), "wb", buffering=0)
        self._request = request
        self._unwrapped = False
        # What was taken last, unless it was lines.
        self._rows: TypedRows | None = None
        self._prepare()

    def close(self) -> None:
        """Release the database in memory."""
        self._connection.close()
        self._file.close()

    def define_categories(self, name: str, categories: Iterable[str]) -> None:
        """Define an enumeration that expressions can cast to."""
        values = ", ".join(sql.text(category) for category in categories)
        self._connection.execute(f"CREATE TYPE {sql.name(name)} AS ENUM ({values})")

    def select(self, lines: Buffer | TypedRows) -> tuple[Columns, int]:
        """Return the requested columns, and how many lines were too long to be parsed."""
        if isinstance(lines, TypedRows):
            self._rows = lines
            if self.takes_rows and not self._unwrapped and self._from_rows(self._paths) is not None:
                return self.again(self._request), 0
            lines = bytes(lines)
        self._rows = None
        if bytes(memoryview(lines)[: len(_BYTE_ORDER_MARK)]) == _BYTE_ORDER_MARK:
            lines = memoryview(lines)[len(_BYTE_ORDER_MARK) :]
        columns, rejected = self._columns(lines)
        if not self._unwrapped and self._may_have_lists(lines) and self._has_lists():
            self._unwrapped = True
            self._prepare()
            columns = self._execute()
        return columns, rejected

    def _columns(self, lines: Buffer) -> tuple[Columns, int]:
        try:
            return self._run(lines), 0
        except duckdb.Error:
            # One monstrous line makes DuckDB refuse the whole batch.
            content = bytes(lines)
            short = [line for line in content.splitlines(keepends=True) if len(line) < LONGEST_RECORD]
            rejected = content.count(b"\n") - len(short)
            if not rejected:
                raise
            return self._run(b"".join(short)), rejected

    def again(self, request: Request) -> Columns:
        """Return other columns of the lines that ``select`` took last; lines that were too long give no row."""
        paths = FieldPaths(unwrapped=self._unwrapped)
        requested = request(paths)
        if self._rows is not None and self._from_rows(paths) is None:
            self._write(bytes(self._rows))
            self._rows = None
        return self._connection.execute(self._select(requested, paths)).fetchnumpy()

    def others(self, lines: Buffer, request: Request) -> Columns:
        """Return other columns of other lines; ``again`` is about these then."""
        self._rows = None
        self._write(lines)
        return self.again(request)

    def _prepare(self) -> None:
        self._paths = FieldPaths(unwrapped=self._unwrapped)
        self._query = self._select(self._request(self._paths), self._paths)
        self._prepared = False

    def _may_have_lists(self, lines: Buffer) -> bool:
        """Return True where a list follows a key that a single value is expected of, wherever that key is."""
        return _LIST.search(lines) is not None and opens_list(lines, self._paths.single_keys())

    def _has_lists(self) -> bool:
        """Return True where a record has a list in place of a single value."""
        expression, paths = self._paths.lists()
        if expression == "false":
            return False
        ((found,),) = self._connection.execute(self._select({"found": expression}, paths)).fetchall()
        return bool(found)

    def _select(self, requested: Mapping[str, str], paths: FieldPaths) -> str:
        select = ", ".join(f"{expression} AS {sql.name(alias)}" for alias, expression in requested.items())
        path = f"/proc/self/fd/{self._file.fileno()}"
        source = self._from_rows(paths) or self._source(sql.text(path), paths)
        return f"SELECT {select} FROM {paths.with_documents(source)}"

    def _from_rows(self, paths: FieldPaths) -> str | None:
        """Return the source of what was taken last, where that is rows whose types tell enough."""
        tree = paths.tree()
        return None if self._rows is None or tree is None else self._rows.source(tree)

    def _source(self, path: str, paths: FieldPaths) -> str:
        """Return the source of rows: one for each line that is not blank."""
        # Of a single column DuckDB would find out whether lines are records, and fail where one is nested deeply.
        return (
            f"read_json({path}, format = 'newline_delimited', records = true, ignore_errors = true, "
            f"maximum_object_size = {LONGEST_RECORD}, columns = {{{paths.columns()}}})"
        )

    def _run(self, lines: Buffer) -> Columns:
        self._write(lines)
        return self._execute()

    def _write(self, lines: Buffer) -> None:
        # Pages that are written over need not be cleared first; those of a short batch are given back.
        self._file.seek(0)
        rest = memoryview(lines)
        while rest:
            rest = rest[self._file.write(rest) :]
        self._file.truncate()

    def _execute(self) -> Columns:
        if not self._prepared:
            # To plan it for each batch would cost as much as parsing two thousand records.
            self._connection.execute(f"PREPARE requested AS {self._query}")
            self._prepared = True
        return self._connection.execute("EXECUTE requested").fetchnumpy()


def opens_list(lines: Buffer, keys: Iterable[str]) -> bool:
    """Return True where ``"key":[`` is in ``lines`` for one of ``keys``, with spaces or without."""
    content = np.frombuffer(lines, dtype=np.uint8)
    found = [
        np.flatnonzero(content[start : start + _CHUNK] == ord("[")) + start
        for start in range(0, len(content), _CHUNK)
    ]
    ends = np.concatenate(found) - 1 if found else np.empty(0, dtype=np.intp)
    for mark in b':"':
        while len(spaced := np.flatnonzero(np.isin(content[ends], _SPACES))):
            ends[spaced] -= 1
        ends = _preceded(content, ends, mark)
    # As most loggers write what is not ASCII, and as others do.
    written = {json.dumps(key, ensure_ascii=ascii_only)[:-1] for key in keys for ascii_only in (True, False)}
    for text in written:
        places = ends
        for byte in reversed(text.encode("utf-8", "surrogatepass")):
            places = _preceded(content, places, byte)
        if len(places):
            return True
    return False


def _preceded(
    content: npt.NDArray[np.uint8], places: npt.NDArray[np.intp], byte: int
) -> npt.NDArray[np.intp]:
    """Return the places before those of ``places`` that hold ``byte``."""
    places = places[places >= 0]
    found: npt.NDArray[np.intp] = places[content[places] == byte] - 1
    return found


def filled(column: npt.NDArray[Any], value: Any) -> npt.NDArray[Any]:
    """``column`` with ``value`` where it is null."""
    return np.ma.filled(column, value) if isinstance(column, np.ma.MaskedArray) else column
