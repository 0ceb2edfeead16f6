"""The values that the records of a sample have at the mapped paths, read as plain JSON."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from contextlib import suppress
from functools import cached_property
from typing import Any, NamedTuple

from exporter.parse.json_lines import LONGEST_RECORD
from exporter.parse.sql import identity_text
from exporter.records.accounts.nearest_paths import json_type, nearest, opened_text, paths_of
from exporter.records.opening import opened_object
from exporter.records.rows import Rows, Target, UnevenError
from mlslo.monitor import ALTERNATIVE, ROWS, needs_rows
from mlslo.yamlfile import quoted_list

_LONGEST_EXAMPLE = 40
_ABSENT = object()
# Positions in a list behind the first.
_FURTHER = {"1", "2"}
_BYTE_ORDER_MARK = "\N{BYTE ORDER MARK}"

SCALAR = ("text", "number", "boolean")
"""JSON types that are one value."""


class MappedField(NamedTuple):
    """A field of the monitor file, and its path in a record.

    ``name``: in the table. ``what``: in a message. ``container``: the path of the object that ``path`` is in, empty
    for the record. ``fits``: JSON types that can be read as ``noun``. ``members``: features in the object at ``path``.
    """

    name: str
    what: str
    path: str
    fits: tuple[str, ...] = SCALAR
    noun: str = "text or a number"
    container: str = ""
    members: tuple[str, ...] = ()

    @property
    def full_path(self) -> str:
        """The path from the record on."""
        return f"{self.container}.{self.path}" if self.container else self.path

    @property
    def as_rows(self) -> tuple[str, ...]:
        """The paths from the record on, where some make rows; an element of a list may be a member by its name."""
        outer = [f"{path}." for path in self.container.split(ALTERNATIVE)] if self.container else [""]
        inner = [self.path, self.name] if self.container and self.path.isdecimal() else [self.path]
        paths = [before + after for before in outer for path in inner for after in path.split(ALTERNATIVE)]
        return tuple(paths) if any(map(needs_rows, (self.path, self.container))) else ()

    @property
    def alternatives(self) -> list[tuple[str, ...]]:
        """The keys that lead there: the last one may hold the dots, or stand for nested objects."""
        outer = tuple(self.container.split(".")) if self.container else ()
        keys = [(*outer, self.path)]
        return [*keys, (*outer, *self.path.split("."))] if "." in self.path else keys


class Account(NamedTuple):
    """An account of what is at a field.

    ``records``: how many were looked at. ``types``: JSON type -> number of them. ``example``: the first but null.
    ``path``: where it is.
    """

    field: MappedField
    records: int
    types: Counter[str]
    example: Any
    path: str

    @property
    def there(self) -> int:
        """In how many records there is something, be it null."""
        return self.types.total()

    @property
    def fits(self) -> bool:
        """Return whether some value is of a type that can be read."""
        return any(self.types[name] for name in self.field.fits)

    def line(self, width: int) -> str:
        """Describe it in a row of a table; ``width``: of the names."""
        name, path = f"    {self.field.name:<{width}}", self.path
        if not self.there:
            return f"{name}  nothing at '{path}'"
        return f"{name}  {self.there} of {self.records} at '{path}': {self._types()}{self._such_as()}"

    def of_another_kind(self) -> str:
        """Say that something is there, and never what the field needs."""
        return (
            f"{self.field.what}: '{self.path}' is there in {self.there} of {self.records} records, "
            f"but never {self.field.noun} ({self._types()}){self._such_as()}"
        )

    def _types(self) -> str:
        counted = self.types.most_common()
        return counted[0][0] if len(counted) == 1 else ", ".join(f"{name} in {n}" for name, n in counted)

    def _such_as(self) -> str:
        return f", such as {shown(self.example)}" if self.example is not None else ""


class Records:
    """The JSON objects of a sample. ``examples``: False where values must not be shown, as in a log."""

    def __init__(self, lines: bytes, fields: Sequence[MappedField] = (), *, examples: bool = True) -> None:
        self._lines = lines
        self._examples = examples
        self._fields = fields
        read = list(_objects(lines))
        self._objects = [record for record, _ in read]
        self._texts = [line for _, line in read]
        self.accounts = [self._account(field) for field in fields]

    def __len__(self) -> int:
        return len(self._objects)

    def table(self) -> list[str]:
        """Describe each field in a line, for a person."""
        if not self._objects or not self.accounts:
            return []
        width = max(len(field.name) for field in self._fields)
        head = f"  what is there, in {len(self)} record{'s' if len(self) > 1 else ''}"
        return [head, *(account.line(width) for account in self.accounts)]

    def no_object(self) -> str | None:
        """Say how the sample begins where none of its lines is a JSON object."""
        if self._objects:
            return None
        if not self._examples:
            return "no line looked at is a JSON object; mlslo-exporter check shows the first"
        first = next((line for line in self._lines.splitlines() if line.strip()), b"")
        try:
            return f"no line looked at is a JSON object; the first is {shown(first.decode())}"
        except UnicodeDecodeError as error:
            around = first[max(0, error.start - 8) : error.start + 8]
            return f"no line looked at is a JSON object; the first is no UTF-8 text, at {around!r}"

    def nothing(self, account: Account) -> str:
        """Say that nothing is at a field, and what there is instead."""
        field, records = account.field, len(self)
        nowhere = f"{field.what}: nothing at '{account.path}' in {records} of {records} records"
        mapped = {other.full_path for other in self._fields} - {field.full_path}
        near = self._holding(field.members)
        if near == [""]:
            flat = quoted_list((f"'{name}'" for name in field.members if name in self._paths), 5)
            return f"{nowhere}; {flat} are keys of the record itself: list them under 'features'"
        near = near or self._nearest(field, mapped)
        instead = "; there is " + ", ".join(f"'{path}'" for path in near) if near else ""
        return f"{nowhere}{self._in_the_way(field)}{instead}"

    def _nearest(self, field: MappedField, mapped: Collection[str]) -> list[str]:
        """Return the nearest paths that there are; one that makes rows is looked for by the first of them."""
        path = (field.as_rows or (field.full_path,))[0]
        if ROWS not in path:
            return nearest(path, field.fits, self._paths, mapped)
        fits = (*field.fits, "list") if path.endswith(f".{ROWS}") else field.fits
        firsts = {known: types for known, types in self._paths.items() if not _FURTHER & {*known.split(".")}}
        found = nearest(path.replace(f".{ROWS}", ".0"), fits, firsts, mapped)
        return list(dict.fromkeys(near.replace(".0", f".{ROWS}", 1) for near in found))

    def _holding(self, members: Sequence[str]) -> list[str]:
        """Return the path of the object that has most of ``members``, empty for the record; nothing where none has."""
        found: Counter[str] = Counter()
        for path in self._paths:
            outer, _, name = path.rpartition(".")
            found[outer] += name in members
        return [path for path, number in found.most_common(1) if number]

    def path_of(self, values: set[str]) -> str | None:
        """Return the path at which most of ``values`` are, or most records have one; None where there is none."""
        found: Counter[str] = Counter()
        for path, types in self._paths.items():
            if types.keys() & set(SCALAR):
                found[path] = len(self.texts(path) & values)
        for path, number in found.most_common(1):
            return path if number * 2 >= min(len(self), len(values)) else None
        return None

    def texts(self, path: str) -> set[str]:
        """Return the values at ``path`` as text."""
        field = MappedField(path, path, path)
        return {as_text(_value(record, field)) for record in self._objects} - {""}

    @cached_property
    def _paths(self) -> dict[str, Counter[str]]:
        return paths_of(self._objects)

    def _account(self, field: MappedField) -> Account:
        types: Counter[str] = Counter()
        example = None
        for value in self._values(field, field.as_rows):
            # A list of one element is read as that element, where no list is meant.
            while "list" not in field.fits and isinstance(value, list) and len(value) == 1:
                value = value[0]
            if value is not _ABSENT:
                types[json_type(value)] += 1
                example = value if example is None and self._examples else example
        return Account(field, len(self._objects), types, example, self._path(field))

    def _path(self, field: MappedField) -> str:
        """Return the first of several paths at which a record has something; all of them where none has."""
        if len(field.as_rows) < 2:
            return field.full_path
        found = (
            path
            for path in field.as_rows
            if any(value is not _ABSENT for value in self._values(field, (path,)))
        )
        return next(found, field.as_rows[0] if field.container else field.path)

    def _values(self, field: MappedField, paths: tuple[str, ...]) -> Iterator[Any]:
        """Yield what is at a field of each record, of several rows of one the first."""
        if not paths:
            yield from (_value(record, field) for record in self._objects)
            return
        rows = Rows([Target(field.name, paths, opened="list" in field.fits, unwrapped=False)])
        for line in self._texts:
            with suppress(UnevenError):
                (first, *_), _ = rows.of(opened_object(line) or {})
                value = json.loads(first)[field.name]
                yield _ABSENT if value is None else value
                continue
            yield _ABSENT

    def _in_the_way(self, field: MappedField) -> str:
        """Name the part of the path that is there, and is no object that could have members."""
        keys = field.alternatives[-1]
        found: Counter[tuple[str, str]] = Counter()
        for record in self._objects:
            value: Any = record
            for position, key in enumerate(keys):
                value = opened_text(value)
                if not isinstance(value, dict | list) or (isinstance(value, list) and not key.isdecimal()):
                    found[".".join(keys[:position]), json_type(value)] += 1
                    break
                value = _member(value, key, {})
        if not found:
            return ""
        (path, name), number = found.most_common(1)[0]
        return f"; '{path}' is {_ARTICLES[name]} in {number} of them, not an object"


_ARTICLES = {
    "list": "a list",
    "text": "text",
    "number": "a number",
    "boolean": "true or false",
    "null": "null",
}


def shown(value: Any) -> str:
    """``value`` as JSON, cut where it is long, without characters that move a terminal's cursor."""
    text = json.dumps(value, ensure_ascii=False)
    if not text.isprintable():
        text = json.dumps(value)
    return text if len(text) <= _LONGEST_EXAMPLE else text[: _LONGEST_EXAMPLE - 1] + "…"


def as_text(value: Any) -> str:
    """``value`` as the text of an id; empty where it is neither text nor a number."""
    if isinstance(value, int | float):
        return identity_text(json.dumps(value))
    return identity_text(value) if isinstance(value, str) else ""


def _objects(lines: bytes) -> Iterator[tuple[dict[str, Any], bytes]]:
    for line in lines.split(b"\n"):
        if len(line) >= LONGEST_RECORD:
            continue
        with suppress(ValueError, RecursionError):
            record = json.loads(line.decode().removeprefix(_BYTE_ORDER_MARK))
            if isinstance(record, dict):
                yield record, line


def _value(record: dict[str, Any], field: MappedField) -> Any:
    """Return the value of a field as the exporter finds it: the first alternative that is not null."""
    found: Any = _ABSENT
    for keys in field.alternatives:
        value: Any = record
        for key in keys:
            value = _member(value, key, _ABSENT)
        if value is not _ABSENT and (found is _ABSENT or found is None):
            found = value
    return found


def _member(value: Any, key: str, missing: Any) -> Any:
    """Return a member of an object, of one in a text, or the element of a list at the position that ``key`` is."""
    value = opened_text(value)
    if isinstance(value, dict):
        return value.get(key, missing)
    if isinstance(value, list) and key.isdecimal() and len(key) < 10 and int(key) < len(value):
        return value[int(key)]
    return missing
