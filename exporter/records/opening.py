"""JSON values taken apart without copying them: objects, lists, tensors, tables, and what a text holds."""

from __future__ import annotations

import base64
import binascii
import csv
import json
import re
from collections.abc import Mapping, Sequence

import msgspec

Raw = bytes | msgspec.Raw
"""The JSON text of a value."""
RAW = (bytes, msgspec.Raw)
Members = Mapping[str, Raw]

_OBJECT = msgspec.json.Decoder(dict[str, msgspec.Raw])
_LIST = msgspec.json.Decoder(list[msgspec.Raw])
_TEXT = msgspec.json.Decoder(str)
_SHAPE = msgspec.json.Decoder(list[int])

MISSING = frozenset(("", "na", "n/a", "nan", "null", "none"))
"""Values of a CSV that stand for none, in lower case."""
_DIGITS = r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?"
_NUMBER = re.compile(_DIGITS)
# A cell between commas that is no number: most are, and one search passes over them all.
_NO_NUMBER = re.compile(rf"(?:(?<=[,\n])|\A)(?!{_DIGITS}(?:[,\n]|\Z))[^,\n]*")
# Where CSV is more than cells between commas: quotes, ends of lines that are not a newline, rows without a cell.
_UNUSUAL = re.compile(r'"|\n\n|[\r\v\f\x1c-\x1e\x85\u2028\u2029]')
_BASE64 = re.compile(
    r"(?:[A-Za-z0-9+/]{4}){2,}(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?|[A-Za-z0-9+/]{4,7}=+", re.ASCII
)
# Keys of an object that is a table: its rows, and the names of its columns.
_TABLES = (("data", "columns"), ("ndarray", "names"), ("tensor", "names"))
# Keys of an object that is a tensor: its values, in the order of rows.
_VALUES = ("data", "values")


def first_byte(value: Raw) -> int:
    """Return the byte that tells the type of a JSON value."""
    return memoryview(value)[0]


def opened_object(value: Raw) -> Members | None:
    """Return the members of the object in ``value``, or None where it is none."""
    try:
        return _OBJECT.decode(value)
    except (msgspec.DecodeError, RecursionError):
        # Python's own parser takes NaN and Infinity, as the reader of plain records does.
        found = _loaded(value)
    if not isinstance(found, dict):
        return None
    return {key: json.dumps(member).encode() for key, member in found.items()}


def opened_list(value: Raw) -> Sequence[Raw] | None:
    """Return the elements of the list in ``value``, or None where it is none."""
    try:
        return _LIST.decode(value)
    except (msgspec.DecodeError, RecursionError):
        found = _loaded(value)
    return [json.dumps(element).encode() for element in found] if isinstance(found, list) else None


def text_of(value: Raw) -> str | None:
    """Return the text that ``value`` is, or None."""
    try:
        return _TEXT.decode(value)
    except (msgspec.DecodeError, RecursionError):
        return None


def content(value: Raw) -> bytes | None:
    """Return the JSON text of what a text holds: JSON, rows of CSV as a list of lists, or base64 of either."""
    text = text_of(value)
    return None if text is None else content_of(text)


def content_of(text: str) -> bytes | None:
    """Return the JSON text of what ``text`` holds, as ``content`` does."""
    text = text.strip()
    if not text.startswith(("{", "[")):
        text = _from_base64(text) or text
    if text.startswith(("{", "[")):
        return text.encode("utf-8", "surrogatepass")
    return _from_csv(text)


def member(value: Raw, part: str) -> Raw | None:
    """Return what one part of a path leads to: a key of an object, a position in a list, the name of a tensor.

    Of a list of one element without such a position, that element's member; of a text, that of what it holds.
    """
    kind = first_byte(value)
    if kind == ord("{"):
        members = opened_object(value)
        return None if members is None else members.get(part)
    if kind == ord("["):
        return _of_list(opened_list(value) or (), part)
    if kind == ord('"'):
        inner = content(value)
        return None if inner is None else member(inner, part)
    return None


def rows(value: Raw) -> Sequence[Raw] | None:
    """Return the rows that a value holds; None where there is none.

    Elements of a list, rows of a tensor or of a table, rows of named tensors or of lists by name in step, lines of CSV;
    any other value is one row.
    """
    kind = first_byte(value)
    if kind == ord("n"):
        return None
    if kind == ord('"'):
        inner = content(value)
        return [value] if inner is None else rows(inner)
    if kind == ord("["):
        elements = opened_list(value) or []
        named = _named_tensors(elements)
        return elements if named is None else _in_step(named)
    if kind == ord("{"):
        members = opened_object(value) or {}
        return _rows_of_object(members) or [value]
    return [value]


def single(value: Raw) -> Raw:
    """Return the element of a list of one element (of one element, and so on), or ``value``."""
    while first_byte(value) == ord("["):
        elements = opened_list(value)
        if elements is None or len(elements) != 1:
            return value
        value = elements[0]
    return value


def joined(values: Sequence[Raw]) -> bytes:
    """Return the list of ``values``."""
    return b"[" + b",".join(values) + b"]"


def joined_object(members: Members) -> bytes:
    """Return the object of ``members``."""
    return (
        b"{"
        + b",".join(b"%b:%b" % (json.dumps(key).encode(), value) for key, value in members.items())
        + b"}"
    )


def _of_list(elements: Sequence[Raw], part: str) -> Raw | None:
    if part.isascii() and part.isdigit():
        position = int(part) if len(part) < 10 else len(elements)
        return elements[position] if position < len(elements) else None
    if not elements or first_byte(elements[0]) != ord("{"):
        # Tensors stand among tensors.
        return _of_single(elements, part)
    for element in elements:
        members = opened_object(element) if first_byte(element) == ord("{") else None
        if members and "name" in members and text_of(members["name"]) == part:
            return element
    return _of_single(elements, part)


def _of_single(elements: Sequence[Raw], part: str) -> Raw | None:
    """Return the member of the only element, which is no text."""
    if len(elements) != 1 or first_byte(elements[0]) == ord('"'):
        return None
    return member(elements[0], part)


def _rows_of_object(members: Members) -> Sequence[Raw] | None:
    """Return the rows of a table or tensor; None where the object is neither."""
    if "shape" in members:
        return _tensor(members)
    for data, names in _TABLES:
        if data in members:
            listed, found = opened_list(members.get(names, b"[]")), rows(members[data])
            if found is not None and (listed or names == "names"):
                return [_object(listed, _elements(row)) for row in found] if listed else found
    if any(first_byte(value) != ord("[") for value in members.values()):
        return None
    return _in_step({name: opened_list(value) or () for name, value in members.items()})


def _tensor(members: Members) -> Sequence[Raw] | None:
    """Return the rows of a tensor, by the first number of its shape."""
    data = next((members[key] for key in _VALUES if key in members), None)
    try:
        shape = _SHAPE.decode(members["shape"])
    except msgspec.DecodeError:
        return None
    elements = None if data is None else opened_list(data)
    if elements is None or not shape:
        return None
    number = shape[0]
    if len(elements) == number:
        return elements
    if number < 1 or len(elements) % number:
        return None
    width = len(elements) // number
    return [joined(elements[start : start + width]) for start in range(0, len(elements), width)]


def _named_tensors(elements: Sequence[Raw]) -> dict[str, Sequence[Raw]] | None:
    """Return the rows of each tensor by its name; None where some element is no named tensor."""
    found: dict[str, Sequence[Raw]] = {}
    for element in elements:
        if first_byte(element) != ord("{"):
            return None
        members = opened_object(element) or {}
        if "name" not in members or "shape" not in members:
            return None
        tensor = _tensor(members)
        if tensor is None:
            return None
        found[text_of(members["name"]) or ""] = tensor
    return found or None


def _in_step(columns: Mapping[str, Sequence[Raw]]) -> Sequence[Raw] | None:
    """Return an object for each row of equally long columns; the values alone of a single one."""
    lengths = {len(column) for column in columns.values()}
    if len(lengths) != 1:
        return None
    if len(columns) == 1:
        return next(iter(columns.values()))
    names = [json.dumps(name).encode() for name in columns]
    return [_object(names, row) for row in zip(*columns.values(), strict=True)]


def _object(names: Sequence[Raw], values: Sequence[Raw]) -> bytes:
    """Return the object of a row's values by name."""
    return b"{" + b",".join(b"%b:%b" % pair for pair in zip(names, values, strict=False)) + b"}"


def _elements(row: Raw) -> Sequence[Raw]:
    """Return the values of a row; a single one may stand without its list."""
    found = opened_list(row) if first_byte(row) == ord("[") else None
    return [row] if found is None else found


def _from_base64(text: str) -> str | None:
    if not _BASE64.fullmatch(text):
        return None
    try:
        found = base64.b64decode(text, validate=True).decode().strip()
    except (binascii.Error, UnicodeDecodeError):
        return None
    return found if found[:1].isascii() and all(map(_is_text, found)) else None


def _is_text(character: str) -> bool:
    return character.isprintable() or character in "\r\n\t"


def _from_csv(text: str) -> bytes | None:
    if not text:
        return None
    if not _UNUSUAL.search(text):
        return b"[[%b]]" % _NO_NUMBER.sub(_cell, text).replace("\n", "],[").encode()
    try:
        found = [row for row in csv.reader(text.splitlines()) if row]
    except csv.Error:
        return None
    return joined([joined([_csv_value(value).encode() for value in row]) for row in found])


def _cell(found: re.Match[str]) -> str:
    return _csv_value(found.group())


def _csv_value(value: str) -> str:
    value = value.strip()
    if _NUMBER.fullmatch(value):
        return value
    return "null" if value.lower() in MISSING else json.dumps(value)


def _loaded(value: Raw) -> object:
    try:
        return json.loads(bytes(value))
    except (ValueError, RecursionError):
        return None
