"""The first records of a log, and the values at each path of them."""

from __future__ import annotations

import glob
import json
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, suppress
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

from exporter.records.accounts.nearest_paths import opened_text
from exporter.sinks import SinkError
from exporter.sinks.files import FileSink
from mlslo.yamlfile import InputError

_LOOKED_AT = 1000
_MOST_VALUES = 2_000_000
_DEEPEST = 8
_LONGEST_NAME = 128
_FORMATS = (None, "csv", "parquet")


class LogSample(NamedTuple):
    """``files``: of the log. ``format``: None where the endings of the files tell it. ``remark``: on other lines."""

    files: Sequence[Path]
    format: str | None
    lines: bytes
    records: list[dict[str, Any]]
    remark: str


def read_log(files: Sequence[Path], number: int = _LOOKED_AT) -> LogSample:
    """Return the first records of the first of ``files`` that has any. Raises InputError where none has."""
    remarks = []
    for file in files:
        if not file.is_file():
            raise InputError.of_file(file, "is no file" if file.exists() else "no such file")
        for format_ in _FORMATS:
            try:
                with closing(
                    FileSink(Path(glob.escape(str(file.absolute()))), {}, str(file), format_)
                ) as sink:
                    found = sink.sample(number)
            except SinkError as error:
                remarks.append(str(error))
                continue
            records = objects(found.lines)
            if records:
                return LogSample(files, format_, found.lines, records, found.remark)
            remarks.append(found.remark or "no record is a JSON object or a row of CSV or Parquet")
    raise InputError.of_file(files[0], remarks[0])


def objects(lines: bytes) -> list[dict[str, Any]]:
    """Return the JSON objects among ``lines``."""
    found = []
    for line in lines.split(b"\n"):
        with suppress(ValueError, RecursionError):
            record = json.loads(line.decode("utf-8-sig"))
            if isinstance(record, dict):
                found.append(record)
    return found


def pattern_of(files: Sequence[Path], folder: Path) -> str:
    """Return the narrowest pattern for ``files`` that a monitor file in ``folder`` can have."""
    if len(files) == 1:
        common = glob.escape(_from(files[0], folder))
    else:
        names = [file.name for file in files]
        begin = _common_start(names)
        end = _common_start([name[len(begin) :][::-1] for name in names])[::-1]
        outer = Path(os.path.commonpath([file.absolute().parent for file in files]))
        apart = {file.absolute().parent for file in files} != {outer}
        where = glob.escape(_from(outer, folder))
        common = f"{where}/{'**/' if apart else ''}{glob.escape(begin)}*{glob.escape(end)}".removeprefix("./")
    return common


def _common_start(names: Sequence[str]) -> str:
    first, last = min(names), max(names)
    return first[: next((i for i, (a, b) in enumerate(zip(first, last, strict=False)) if a != b), len(first))]


def _from(path: Path, folder: Path) -> str:
    return str(path) if path.is_absolute() else os.path.relpath(path, folder)


def values_of(records: Sequence[Mapping[str, Any]]) -> dict[str, list[Any]]:
    """Return path -> the values there, one a record that has one; of a path through a list (`*`) one an element.

    Only paths that a monitor file can name: below the first, no key has a dot.
    """
    found: dict[str, list[Any]] = {}
    number = 0
    for record in records:
        for path, value in members(record):
            found.setdefault(path, []).append(value)
            number += 1
        if number > _MOST_VALUES:
            break
    return found


def members(
    record: Mapping[str, Any], prefix: str = "", depth: int = _DEEPEST, *, rows: bool = True
) -> Iterator[tuple[str, Any]]:
    """Yield the paths of a record with their values; of a list each element at `*`, unless not ``rows``."""
    for key, value in record.items():
        if not is_key(key, nested=bool(prefix)):
            continue
        path, opened = prefix + key, opened_text(value)
        yield path, opened
        if "." not in key and depth > 1:
            if isinstance(opened, dict):
                yield from members(opened, f"{path}.", depth - 1, rows=rows)
            elif isinstance(opened, list) and rows:
                for element in map(opened_text, opened):
                    yield f"{path}.*", element
                    if isinstance(element, dict):
                        yield from members(element, f"{path}.*.", depth - 1, rows=False)


def has(record: Mapping[str, Any], path: str) -> bool:
    """Return whether there is something at ``path``; of a path through a list, whether the list is there."""
    value: Any = record
    for part in [path] if path in record else path.partition(".*")[0].split("."):
        value = opened_text(value)
        if not isinstance(value, dict) or value.get(part) is None:
            return False
        value = value[part]
    return True


@lru_cache(maxsize=1 << 16)
def is_key(key: str, *, nested: bool) -> bool:
    """Return whether a path can have ``key`` as its part."""
    if not 0 < len(key) <= _LONGEST_NAME or (nested and "." in key) or " | " in key or key.strip("|") != key:
        return False
    parts = key.split(".")
    # A lone half of a character outside of the BMP is text in JSON, and in nothing else.
    return all(map(str.strip, parts)) and "*" not in parts and not re.search("[\ud800-\udfff]", key)
