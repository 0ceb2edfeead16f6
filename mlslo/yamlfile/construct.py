"""The data of any YAML document, the place of each key and value in it, and what is wrong with it."""

import re
from collections.abc import Sequence
from functools import lru_cache
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple, NoReturn

import yaml

from mlslo.yamlfile.errors import InputError, Problem

Location = tuple[str | int, ...]
Place = tuple[int, int]

# Levels of mappings and lists.
DEEPEST = 60
MOST_VALUES = 200_000
_TAG = "tag:yaml.org,2002:"

# Plain scalars that are no text, by YAML 1.2's core schema (https://yaml.org/spec/1.2.2/#103-core-schema): ``no`` and
# ``22:00`` are text, not False and 1320. Hexadecimal and octal numbers, .inf and .nan are text as well: no key takes
# them.
_KINDS = {
    "null": re.compile(r"~|null|Null|NULL|"),
    "bool": re.compile(r"true|True|TRUE|false|False|FALSE"),
    "int": re.compile(r"[-+]?[0-9]+"),
    "float": re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?"),
}
_LONGEST_INTEGER = 39
# What begins a scalar that may be anything but text.
_NOT_TEXT = frozenset("~nNtTfF-+.0123456789")

Scalar = str | int | float | bool | None


class Constructed(NamedTuple):
    """``keys``, ``values``: the place, from 1, of each by its location."""

    data: Any
    keys: dict[Location, Place]
    values: dict[Location, Place]


class _Merge(NamedTuple):
    """A merge key, and the places of all below it."""

    event: Any
    location: Location
    keys: dict[Location, Place]
    values: dict[Location, Place]


def construct(path: Path, events: Sequence[yaml.Event]) -> Constructed:
    """The data of one document, and where it stands.

    ``events``: those of its nodes, in their order. Raises InputError for a duplicate key, a key that is not text, an
    unknown tag, an alias to itself or to nothing, and for what is too much or too deep once aliases are followed.
    """
    constructor = _Constructor(path, events)
    return Constructed(constructor.construct(()), constructor.keys, constructor.values)


class _Constructor:
    def __init__(self, path: Path, events: Sequence[yaml.Event]) -> None:
        self._path = path
        self._events = events
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
            found.append(self.construct((*location, len(found))))
        return found

    def _mapping(self, location: Location) -> dict[str, Any]:
        mapping: dict[str, Any] = {}
        merge: _Merge | None = None
        while type(event := self._events[self._next]) is not yaml.MappingEndEvent:
            key = self._key(event)
            at = (*location, key)
            if key in mapping:
                self._fail(event, f"duplicate key '{key}', first given at line {self.keys[at][0]}")
            self.keys[at] = _place(event)
            before = len(self.keys), len(self.values)
            mapping[key] = self.construct(at)
            if key == "<<" and type(event) is yaml.ScalarEvent and event.implicit[0]:
                found = zip((self.keys, self.values), before, strict=True)
                merge = _Merge(
                    event, at, *(dict(islice(places.items(), begin, None)) for places, begin in found)
                )
        if merge is not None:
            self._add_merged(merge, mapping)
        return mapping

    def _add_merged(self, merge: _Merge, mapping: dict[str, Any]) -> None:
        """Put the keys of a merged mapping in the place of the key ``<<``, but for those that are there already.

        https://yaml.org/type/merge.html
        """
        value = mapping.pop("<<")
        several = value if isinstance(value, list) else [value]
        if not all(isinstance(one, dict) for one in several):
            self._fail(merge.event, "expected a mapping, or a list of mappings, to merge under '<<'")
        came_from: dict[str, Location] = {}
        for index, one in enumerate(several):
            for key in one.keys() - mapping.keys():
                came_from[key] = (*merge.location, index, key) if several is value else (*merge.location, key)
            mapping.update(
                {key: inner for key, inner in one.items() if key in came_from and key not in mapping}
            )
        depth = len(merge.location) + (several is value)
        for places, found in ((self.keys, merge.keys), (self.values, merge.values)):
            for at, place in found.items():
                if len(at) > depth and came_from.get(str(at[depth])) == at[: depth + 1]:
                    places[*merge.location[:-1], *at[depth:]] = place

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
        try:
            if tag is not None and tag != "!":
                return _of_kind(tag.removeprefix(_TAG), text)
            if not event.implicit[0] or (text and text[0] not in _NOT_TEXT):
                return text
            return _plain(text)
        except ValueError as error:
            self._fail(event, str(error))
        except KeyError:
            self._fail(event, f"unknown tag {tag}")


def _place(event: Any) -> Place:
    mark = event.start_mark
    return mark.line + 1, mark.column + 1


@lru_cache(4096)
def _plain(text: str) -> Scalar:
    """The value of a scalar that is not quoted. Raises ValueError for an integer that is too long."""
    kind = next((kind for kind, pattern in _KINDS.items() if pattern.fullmatch(text)), "str")
    return _of_kind(kind, text)


def _of_kind(kind: str, text: str) -> Scalar:
    """The value of ``text`` where the kind is given. Raises ValueError where it is not of it, KeyError for another."""
    if kind == "str":
        return text
    if kind == "null":
        return None
    pattern = _KINDS[kind]
    if not pattern.fullmatch(text) or (kind == "int" and len(text) > _LONGEST_INTEGER):
        raise ValueError(f"expected a value of type {kind}, got '{text}'")
    if kind == "bool":
        return text in ("true", "True", "TRUE")
    return int(text) if kind == "int" else float(text)
