"""Plain data from the events of a YAML parser, and the place of each key and value.

PyYAML's own way, over a tree of nodes, takes half as long again, and hundreds of files may be read at once. Places are
asked for where something is wrong.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn

import yaml

from exporter.yamlfile.errors import InputError, Problem

Location = tuple[str | int, ...]
Place = tuple[int, int]

# Levels of mappings and lists.
DEEPEST = 60
MOST_VALUES = 200_000
_INTEGER = re.compile(r"[-+]?[0-9]+")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_TAG = "tag:yaml.org,2002:"
# YAML 1.2's core scalars: ``no`` and ``22:00`` are text, not False and 1320.
_SCALARS = {
    "null": re.compile(r"~|null|Null|NULL|"),
    "bool": re.compile(r"true|True|TRUE|false|False|FALSE"),
    "int": _INTEGER,
    "float": _FLOAT,
}
# What a plain scalar begins with where it may be anything but text.
_NOT_TEXT = frozenset("~nNtTfF-+.0123456789")


def construct(path: Path, events: Sequence[yaml.Event]) -> Any:
    """The data of one document.

    ``events``: those of its nodes, in their order. Raises InputError for a duplicate key, a key that is not text, an
    unknown tag, an alias to itself or to nothing, and for what is too much or too deep once aliases are followed.
    """
    return _Constructor(path, events, placing=False).construct(())


def places(path: Path, events: Sequence[yaml.Event]) -> tuple[dict[Location, Place], dict[Location, Place]]:
    """The places, from 1, of the keys and of the values of one document. Raises InputError as ``construct`` does."""
    constructor = _Constructor(path, events, placing=True)
    constructor.construct(())
    return constructor.keys, constructor.values


class _Constructor:
    """``placing``: whether places are kept; without, every location is ()."""

    def __init__(self, path: Path, events: Sequence[yaml.Event], *, placing: bool) -> None:
        self._path = path
        self._events = events
        self._placing = placing
        self._count = 0
        # The event that comes next; an alias goes back to its anchor.
        self._next = 0
        self.keys: dict[Location, Place] = {}
        self.values: dict[Location, Place] = {}
        self._anchors: dict[str, int] = {}
        self._open: list[int] = []

    def _fail(self, event: yaml.Event, message: str) -> NoReturn:
        raise InputError([Problem(str(self._path), *_place(event), message)])

    def construct(self, location: Location) -> Any:
        index = self._next
        event: Any = self._events[index]
        self._next = index + 1
        kind = type(event)
        if kind is yaml.AliasEvent:
            return self._alias(event, location)
        if event.anchor is not None:
            self._anchor(event, index)
        if self._placing:
            self.values[location] = _place(event)
        self._count += 1
        if self._count > MOST_VALUES:
            expanded = " once its aliases are expanded" if self._anchors else ""
            self._fail(event, f"more than {MOST_VALUES} values{expanded}")
        if kind is yaml.ScalarEvent:
            return self._scalar(event)
        if len(self._open) >= DEEPEST:
            self._fail(event, f"nested deeper than {DEEPEST} levels")
        own_tag = f"{_TAG}map" if kind is yaml.MappingStartEvent else f"{_TAG}seq"
        if event.tag not in (None, "!", own_tag):
            self._fail(event, f"unknown tag {event.tag}")
        self._open.append(index)
        data = self._mapping(location) if kind is yaml.MappingStartEvent else self._sequence(location)
        self._open.pop()
        # Past its end.
        self._next += 1
        return data

    def _anchor(self, event: Any, index: int) -> None:
        first = self._anchors.setdefault(event.anchor, index)
        if first != index:
            line, _ = _place(self._events[first])
            self._fail(event, f"duplicate anchor '{event.anchor}', first given at line {line}")

    def _alias(self, event: Any, location: Location) -> Any:
        index = self._anchored(event)
        if index in self._open:
            self._fail(self._events[index], "an alias that contains itself")
        behind, self._next = self._next, index
        data = self.construct(location)
        self._next = behind
        return data

    def _anchored(self, event: Any) -> int:
        index = self._anchors.get(event.anchor)
        if index is None:
            self._fail(event, f"found undefined alias '{event.anchor}'")
        return index

    def _sequence(self, location: Location) -> list[Any]:
        found: list[Any] = []
        while type(self._events[self._next]) is not yaml.SequenceEndEvent:
            found.append(self.construct((*location, len(found)) if self._placing else ()))
        return found

    def _mapping(self, location: Location) -> dict[str, Any]:
        mapping: dict[str, Any] = {}
        while type(event := self._events[self._next]) is not yaml.MappingEndEvent:
            key = self._key(event)
            at: Location = ()
            if self._placing:
                at = (*location, key)
                if key in mapping:
                    self._fail(event, f"duplicate key '{key}', first given at line {self.keys[at][0]}")
                self.keys[at] = _place(event)
            elif key in mapping:
                # It says where the first one is.
                places(self._path, self._events)
            mapping[key] = self.construct(at)
        return mapping

    def _key(self, event: Any) -> str:
        text = self._events[self._anchored(event)] if type(event) is yaml.AliasEvent else event
        if type(text) is not yaml.ScalarEvent:
            self._fail(event, "expected a key that is plain text")
        if text is event and event.anchor is not None:
            self._anchor(event, self._next)
        self._next += 1
        return str(text.value)

    def _scalar(self, event: Any) -> Any:
        text: str = event.value
        tag = event.tag
        if tag is not None and tag != "!":
            kind = tag.removeprefix(_TAG)
        elif not event.implicit[0] or (text and text[0] not in _NOT_TEXT):
            return text
        else:
            kind = next((kind for kind, pattern in _SCALARS.items() if pattern.fullmatch(text)), "str")
        match kind:
            case "str":
                return text
            case "null":
                return None
            case "bool" if text.lower() in ("true", "false"):
                return text.lower() == "true"
            case "int" if _INTEGER.fullmatch(text) and len(text) < 40:
                return int(text)
            case "float" if _FLOAT.fullmatch(text):
                return float(text)
            case "int" | "float" | "bool":
                self._fail(event, f"expected a value of type {kind}, got '{text}'")
        return self._fail(event, f"unknown tag {tag}")


def _place(event: Any) -> Place:
    mark = event.start_mark
    return mark.line + 1, mark.column + 1
