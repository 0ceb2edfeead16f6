"""Rows of a record: the values at the mapped paths, one row for each element where a path has a ``*``."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from exporter.records.opening import (
    Members,
    Raw,
    content,
    first_byte,
    member,
    opened_list,
    opened_object,
    rows,
    single,
    text_of,
)

NULL = b"null"


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
    """A part of a path. ``slots``: whose path ends here. ``star``: what follows a ``*``."""

    children: dict[str, _Node] = field(default_factory=dict)
    slots: list[int] = field(default_factory=list)
    star: _Node | None = None


Slots = list[Raw | None]


class Rows:
    """Finds the values of all targets in one walk through a record, and writes them as plain records."""

    def __init__(self, targets: Sequence[Target]) -> None:
        self._targets = targets
        self._root = _Node()
        # Keys of a record that hold dots themselves.
        self._literals: list[tuple[str, int]] = []
        self._slots: list[list[int]] = []
        self._size = 0
        self._starred: set[int] = set()
        for target in targets:
            self._slots.append([self._add(path) for path in target.paths])
        keys = (json.dumps(target.key).replace("%", "%%") for target in targets)
        self._template = ("{" + ",".join(f"{key}:%b" for key in keys) + "}\n").encode()
        self._named = [_template(target.names) if target.names else b"" for target in targets]

    def of(self, record: Members) -> tuple[list[bytes], int]:
        """Return the plain records of a record, each with its newline, and how many lists of features do not fit.

        Raises UnevenError where its lists are empty, or not as long as each other.
        """
        slots: Slots = [None] * self._size
        lists: list[tuple[_Node, Sequence[Raw]]] = []
        for part, child in self._root.children.items():
            if (value := record.get(part)) is not None:
                self._walk(child, value, slots, lists)
        for path, slot in self._literals:
            if (value := record.get(path)) is not None:
                slots[slot] = value
        if not lists:
            line, misfits = self._line(slots, None)
            return [line], misfits
        number = len(lists[0][1])
        if not number or any(len(elements) != number for _, elements in lists):
            raise UnevenError
        found, misfits = [], 0
        for position in range(number):
            mine = slots.copy()
            for node, elements in lists:
                self._walk(node, elements[position], mine, None)
            line, misfit = self._line(mine, position if number > 1 else None)
            found.append(line)
            misfits += misfit
        return found, misfits

    def _add(self, path: str) -> int:
        slot, self._size = self._size, self._size + 1
        if "." in path and "*" not in path:
            self._literals.append((path, slot))
        node = self._root
        for part in path.split("."):
            if part == "*":
                node.star = node.star or _Node()
                node = node.star
                self._starred.add(slot)
            else:
                node = node.children.setdefault(part, _Node())
        node.slots.append(slot)
        return slot

    def _walk(
        self, node: _Node, value: Raw, slots: Slots, lists: list[tuple[_Node, Sequence[Raw]]] | None
    ) -> None:
        for slot in node.slots:
            slots[slot] = value
        if node.star is not None and lists is not None and (elements := rows(value)) is not None:
            lists.append((node.star, elements))
        if len(node.children) == 1 or first_byte(value) != ord("{"):
            for part, child in node.children.items():
                if (found := member(value, part)) is not None:
                    self._walk(child, found, slots, lists)
        elif node.children:
            members = opened_object(value) or {}
            for part, child in node.children.items():
                if (known := members.get(part)) is not None:
                    self._walk(child, known, slots, lists)

    def _line(self, slots: Slots, position: int | None) -> tuple[bytes, int]:
        values, misfits = [], 0
        for target, mine, named in zip(self._targets, self._slots, self._named, strict=True):
            value = slots[mine[0]]
            starred = mine[0] in self._starred
            for slot in mine[1:]:
                if value is None or first_byte(value) == ord("n"):
                    value, starred = slots[slot], slot in self._starred
            if value is None:
                values.append(NULL)
                continue
            kind = first_byte(value)
            if target.opened and kind == ord('"'):
                value = _opened(value)
                kind = first_byte(value)
            if named:
                found = _listed(value, target.names)
                misfits += found is None and kind != ord("n")
                value = NULL if found is None else named % tuple(found)
            elif target.unwrapped and kind == ord("["):
                value = single(value)
            elif target.words:
                value = target.words.get(bytes(value).lower(), value)
            if target.numbered and position is not None and not starred:
                value = _numbered(value, position)
            values.append(value)
        return self._template % tuple(values), misfits


def _template(names: Sequence[str]) -> bytes:
    keys = (json.dumps(name).replace("%", "%%") for name in names)
    return ("{" + ",".join(f"{key}:%b" for key in keys) + "}").encode()


def _opened(value: Raw) -> Raw:
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
        if len(elements) == 1 and len(names) > 1:
            return _listed(elements[0], names)
        return elements if len(elements) == len(names) else None
    return [value] if len(names) == 1 and kind != ord("n") else None


def _numbered(value: Raw, position: int) -> Raw:
    """Return an id that tells the rows of one record apart."""
    kind = first_byte(value)
    if kind == ord('"'):
        return bytes(value)[:-1] + b'/%d"' % position
    return value if kind in b"n[{" else b'"%b/%d"' % (value, position)


def text_at(record: Members, path: str) -> str | None:
    """Return the text of the single value at a path without ``*``; None where there is none."""
    value = record.get(path)
    if value is None:
        first, *rest = path.split(".")
        value = record.get(first)
        for part in rest:
            if value is None:
                return None
            value = member(value, part)
    if value is None or first_byte(value) in b"n{[":
        return None
    return text_of(value) if first_byte(value) == ord('"') else bytes(value).decode()


class Conditions:
    """Conditions that choose records: path -> value, or several of which one must be there."""

    def __init__(self, where: Mapping[str, object]) -> None:
        self._expected = [
            (path, {_text(value) for value in (values if isinstance(values, list) else [values])})
            for path, values in where.items()
        ]

    def hold(self, record: Members) -> bool:
        """Return whether a record has each of the values."""
        return all(text_at(record, path) in expected for path, expected in self._expected)


def _text(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value)
