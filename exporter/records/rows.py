"""Rows of a record: the values at the mapped paths, one row for each element where a path has a ``*``."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field

from exporter.records.opening import (
    RAW,
    Members,
    Raw,
    content,
    first_byte,
    joined_object,
    member,
    opened_list,
    opened_object,
    rows,
    single,
    text_of,
)

PREFIX = "mlslo:"
"""Of keys that no log has."""
NULL = b"null"
_OBJECT, _LIST, _TEXT, _NULL = b'{["n'


class UnevenError(Exception):
    """A record whose lists are not as long as each other, or are empty."""


@dataclass(frozen=True)
class Target:
    """A value to be found, and its key in a plain record.

    ``paths``: where it may be; the first counts that is there. ``opened``: whether a text is read as the object or list
    that it holds. ``unwrapped``: whether a list of one element is read as that element. ``names``: of a list of
    features, which becomes an object. ``numbered``: whether rows of one record are told apart by a number that is added
    to the value. ``words``: values that stand for others, in lower case.
    """

    key: str
    paths: tuple[str, ...]
    opened: bool = False
    unwrapped: bool = True
    names: tuple[str, ...] = ()
    numbered: bool = False
    words: Mapping[bytes, bytes] = field(default_factory=dict)


@dataclass
class _Node:
    """A part of a path. ``slots``: whose path ends here. ``star``: what follows a ``*``. ``is_end``: of every path."""

    children: dict[str, _Node] = field(default_factory=dict)
    slots: list[int] = field(default_factory=list)
    star: _Node | None = None
    is_end: bool = True


Slots = list[Raw | None]
_Lists = list[tuple[_Node, Sequence[Raw]]]
Record = Mapping[str, Raw | Members]
"""A record's members; those that were taken apart already stay so."""


class Rows:
    """Finds the values of all targets in one walk through a record, and writes them as plain records."""

    def __init__(self, targets: Sequence[Target]) -> None:
        self._root = _Node()
        # Keys of a record that hold dots themselves.
        self._literals: list[tuple[str, int]] = []
        self._size = 0
        # Slot -> the part of its path that makes rows.
        self._stars: dict[int, _Node] = {}
        slots = [[self._add(path) for path in target.paths] for target in targets]
        keys = (json.dumps(target.key).replace("%", "%%") for target in targets)
        self._template = ("{" + ",".join(f"{key}:%b" for key in keys) + "}\n").encode()
        named = [_template(target.names) if target.names else b"" for target in targets]
        self._written = list(zip(targets, slots, named, strict=True))

    def of(self, record: Record) -> tuple[list[bytes], int]:
        """Return the plain records of a record, each with its newline, and how many lists of features do not fit.

        Raises UnevenError where its lists are empty, or not as long as each other.
        """
        slots: Slots = [None] * self._size
        lists: _Lists = []
        self._walk_members(self._root, record, slots, lists)
        for path, slot in self._literals:
            if isinstance(value := record.get(path), RAW):
                slots[slot] = value
        lists = self._in_step(slots, lists)
        if not lists:
            line, misfits = self._line(slots, None)
            return [line], misfits
        number = len(lists[0][1])
        found, misfits = [], 0
        for position in range(number):
            mine = slots.copy() if number > 1 else slots
            for node, elements in lists:
                self._walk(node, elements[position], mine, None)
            line, misfit = self._line(mine, position if number > 1 else None)
            found.append(line)
            misfits += misfit
        return found, misfits

    def _in_step(self, slots: Slots, lists: _Lists) -> _Lists:
        """Return the lists that are as long as those that count: the first that is there, of each target.

        Raises UnevenError where these are empty, or not as long as each other.
        """
        if len(lists) > 1 and len({len(elements) for _, elements in lists}) > 1:
            known = {id(node): len(elements) for node, elements in lists}
            lengths = {
                known[node] for _, mine, _ in self._written if (node := self._counts(mine, slots, known))
            }
            if len(lengths) > 1:
                raise UnevenError
            lists = [item for item in lists if len(item[1]) in lengths]
        if lists and not lists[0][1]:
            raise UnevenError
        return lists

    def _counts(self, mine: Sequence[int], slots: Slots, known: Collection[int]) -> int | None:
        """Return the id of the star of the first path that leads somewhere; None where that has no star."""
        for slot in mine:
            star = self._stars.get(slot)
            if star is not None and id(star) in known:
                return id(star)
            if slots[slot] is not None:
                return None
        return None

    def _add(self, path: str) -> int:
        slot, self._size = self._size, self._size + 1
        if "." in path and "*" not in path:
            self._literals.append((path, slot))
        node = self._root
        for part in path.split("."):
            node.is_end = False
            if part == "*":
                node.star = node.star or _Node()
                node = node.star
                self._stars[slot] = node
            else:
                node = node.children.setdefault(part, _Node())
        node.slots.append(slot)
        return slot

    def _walk(self, node: _Node, value: Raw, slots: Slots, lists: _Lists | None) -> None:
        for slot in node.slots:
            slots[slot] = value
        if node.is_end:
            return
        kind = first_byte(value)
        if kind == _TEXT:
            # Opened once for all that leads into it.
            inner = content(value)
            if inner is None:
                return
            value, kind = inner, inner[0]
        if node.star is not None and lists is not None and (elements := rows(value)) is not None:
            lists.append((node.star, elements))
        if kind == _OBJECT and node.children:
            self._walk_members(node, opened_object(value) or {}, slots, lists)
        elif kind == _LIST:
            for part, child in node.children.items():
                if (found := member(value, part)) is not None:
                    self._walk(child, found, slots, lists)

    def _walk_members(self, node: _Node, members: Record, slots: Slots, lists: _Lists | None) -> None:
        for part, child in node.children.items():
            value = members.get(part)
            if value is None:
                continue
            if not isinstance(value, RAW):
                self._walk_members(child, value, slots, lists)
            elif child.is_end:
                for slot in child.slots:
                    slots[slot] = value
            else:
                self._walk(child, value, slots, lists)

    def _line(self, slots: Slots, position: int | None) -> tuple[bytes, int]:
        values, misfits = [], 0
        for target, mine, named in self._written:
            for slot in mine:
                value = slots[slot]
                if value is not None:
                    text = bytes(value)
                    kind = text[0]
                    # Some formats write an empty text for nothing.
                    if kind != _NULL and (text != b'""' or len(mine) == 1):
                        break
            else:
                values.append(NULL)
                continue
            if kind == _TEXT and target.opened:
                text = _opened(text)
                kind = text[0]
            if named:
                found = _listed(text, target.names)
                misfits += found is None and kind != _NULL
                text = NULL if found is None else named % tuple(found)
            elif kind == _LIST and target.unwrapped:
                text = bytes(single(text))
            elif target.words:
                text = target.words.get(text.lower(), text)
            if position is not None and target.numbered and slot not in self._stars:
                text = _numbered(text, position)
            values.append(text)
        return self._template % tuple(values), misfits


def _template(names: Sequence[str]) -> bytes:
    keys = (json.dumps(name).replace("%", "%%") for name in names)
    return ("{" + ",".join(f"{key}:%b" for key in keys) + "}").encode()


def _opened(value: bytes) -> bytes:
    """Return the object or list that a text holds, or ``value``."""
    text = (text_of(value) or "").strip()
    return text.encode("utf-8", "surrogatepass") if text.startswith(("{", "[")) else value


def _listed(value: Raw, names: Sequence[str]) -> Sequence[Raw] | None:
    """Return the values by position, or those of an object by name; None where there are as many of them not."""
    kind = first_byte(value)
    if kind == ord('"') and (inner := content(value)) is not None:
        value, kind = inner, inner[0]
    if kind == ord("{"):
        members: Mapping[str, Raw] = opened_object(value) or {}
        return [members.get(name, NULL) for name in names]
    if kind == ord("["):
        elements = opened_list(value) or ()
        if len(elements) == 1 and len(names) > 1 and first_byte(elements[0]) != _TEXT:
            return _listed(elements[0], names)
        return elements if len(elements) == len(names) else None
    return [value] if len(names) == 1 and kind != ord("n") else None


def _numbered(value: bytes, position: int) -> bytes:
    """Return an id that tells the rows of one record apart."""
    if value[0] == _TEXT:
        return value[:-1] + b'/%d"' % position
    return value if value[0] in b"n[{" else b'"%b/%d"' % (value, position)


def line_of(record: Record) -> bytes:
    """Return the JSON of a record, without the keys that were added to it."""
    return joined_object(
        {
            key: value if isinstance(value, RAW) else joined_object(value)
            for key, value in record.items()
            if not key.startswith(PREFIX)
        }
    )


Reader = Callable[[Members], bytes | None]
"""Returns what is at a path without ``*``, or None."""


def reader(path: str) -> Reader:
    """Build the reader of a path."""
    first, *rest = path.split(".")

    def read(record: Members) -> bytes | None:
        value = record.get(path)
        if value is None and rest:
            value = record.get(first)
            for part in rest:
                if value is None:
                    return None
                value = member(value, part)
        return None if value is None else bytes(value)

    return read


def single_text(value: bytes | None) -> str | None:
    """Return the text of a single value; None where it is an object, a list or nothing."""
    if value is None or value[0] in b"n{[":
        return None
    return text_of(value) if value[0] == _TEXT else value.decode()


class Conditions:
    """Conditions that choose records: path -> value, or several of which one must be there."""

    def __init__(self, where: Mapping[str, object]) -> None:
        self._expected = [
            (reader(path), frozenset(map(_written, values if isinstance(values, list) else [values])))
            for path, values in where.items()
        ]

    def hold(self, record: Members) -> bool:
        """Return whether a record has each of the values."""
        for read, expected in self._expected:
            value = read(record)
            # Most are written as they would be here.
            if value not in expected and (value is None or _written(single_text(value)) not in expected):
                return False
        return True


def _written(value: object) -> bytes:
    """Return a value as the JSON of its text, whether it is a number or not."""
    return json.dumps(value if isinstance(value, str) else json.dumps(value)).encode()
