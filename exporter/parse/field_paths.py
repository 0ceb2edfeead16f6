"""Requested fields of a JSON record: their paths, as a schema for the parser and as SQL over it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Any

from exporter.parse import json_text, sql

KINDS = {"text": "VARCHAR", "whole": "VARCHAR", "number": "DOUBLE", "vector": "DOUBLE[]"}
"""Type in SQL of a value, by what it is parsed as."""
_STRUCTURES: dict[str, Any] = {
    "text": "VARCHAR",
    "whole": "VARCHAR",
    "number": "DOUBLE",
    "vector": ["DOUBLE"],
}


class FieldPaths:
    """Collects paths; each is declared to the parser once.

    A dotted path means nested objects, or a key that holds the dots itself, whichever a record has; the latter wins.
    A part of digits is a position where the value is a list, and a key where it is an object. Of a path with such a
    part the first key is declared as JSON, a *document*, and the value is extracted from its text.

    ``unwrapped``: whether a list of one element is read as that element where a single value is expected. That needs
    the JSON text of every value, so the parser asks for it once it has seen such a list. Values in documents are
    always unwrapped.

    Raises ValueError where two names in one object differ in case only: DuckDB cannot tell them apart.
    """

    def __init__(self, *, unwrapped: bool = False) -> None:
        self._unwrapped = unwrapped
        self._tree: dict[str, Any] = {}
        # Document -> pointers into it, in the order of the list that holds their values.
        self._documents: dict[str, list[str]] = {}
        # Alias -> SQL over documents.
        self._derived: dict[str, str] = {}
        # Paths at which a list may stand for a single value; False: anywhere below, too.
        self._single: dict[sql.Path, bool] = {}

    def text(self, path: str | None) -> str:
        """Return SQL for the text at ``path``; numbers and objects come as their JSON text."""
        return "NULL::VARCHAR" if path is None else self.member(None, path)

    def number(self, path: str | None) -> str:
        """Return SQL for the number at ``path``, or in its text."""
        return "NULL::DOUBLE" if path is None else self.member(None, path, "number")

    def whole(self, path: str | None) -> str:
        """Return SQL for the text at ``path``, where a list is expected: as ``text``, but never unwrapped."""
        return "NULL::VARCHAR" if path is None else self.member(None, path, "whole")

    def member(
        self, container: str | None, name: str, parsed_as: str = "text", *, literal: bool = False
    ) -> str:
        """Return SQL for the member ``name`` of the object at ``container`` (of the record, where None).

        ``parsed_as``: text, whole, number, or vector (a list of numbers; elements that are none are NULL).
        ``literal``: dots in ``name`` are no objects. In the name of a member digits are a key, not a position.
        """
        outer = _parts(container)
        positioned = _has_position(outer)
        candidates = [((*outer, name), positioned)]
        inner = () if literal else _parts(name)
        # A name may begin or end with a dot.
        if len(inner) > 1 and all(inner):
            candidates.append(((*outer, *inner), positioned or (not outer and _has_position(inner))))
        kind = KINDS[parsed_as]
        found = [
            value
            for path, in_document in candidates
            if (value := self._in_document(path, parsed_as) if in_document else self._plain(path, parsed_as))
        ] or [f"NULL::{kind}"]
        if any(in_document for _, in_document in candidates):
            found = [f"TRY_CAST({value} AS {kind})" for value in found]
        value = found[0] if len(found) == 1 else f"coalesce({', '.join(found)})"
        # What another field requests as text comes as its JSON text.
        return value if kind == "VARCHAR" else f"TRY_CAST({value} AS {kind})"

    def numbers(self, path: str | None) -> str | None:
        """Return SQL for the list of numbers at ``path``, or in a list of one element there; an empty one without it.

        None where lists are not looked for: a batch that has one is read again, unwrapped.
        """
        if path is None:
            return None
        parts = _parts(path)
        candidates = [parts] if len(parts) == 1 else [(path,), parts]
        if not self._unwrapped and not _has_position(parts):
            self._single.update(dict.fromkeys(candidates, False))
            return None
        found = []
        for key, *rest in candidates:
            self._document(key)
            value = f"json_extract({sql.name(key)}, {sql.text(json_text.pointer(tuple(rest)))})"
            alias = f"numbers at {json_text.pointer((key, *rest))}"
            self._derived[alias] = json_text.numbers(value)
            found.append(sql.name(alias))
        return found[0] if len(found) == 1 else f"coalesce({', '.join(found)})"

    def element(self, path: str, position: int, length: int, parsed_as: str) -> str:
        """Return SQL for one element of the list at ``path``; NULL where that is no list of ``length`` elements."""
        return _typed(f"{self._array(path, length)}[{position + 1}]", parsed_as)

    def given(self, path: str) -> str:
        """Return SQL for whether there is a value of any type at ``path``."""
        return f"coalesce(json_type({self._pointed(_parts(path))}) <> 'NULL', false)"

    def misfits(self, path: str, length: int) -> str:
        """Return SQL for whether there is a value at ``path`` that is no list of ``length`` elements."""
        return f"{self.given(path)} AND {self._array(path, length)} IS NULL"

    def _array(self, path: str, length: int) -> str:
        """Return the column of the elements of a list."""
        key, *rest = _parts(path)
        self._document(key)
        outer = f"json_extract({sql.name(key)}, {sql.text(json_text.pointer(tuple(rest)))})"
        pointers = ", ".join(
            sql.text(json_text.pointer((*rest, str(position)))) for position in range(length)
        )
        alias = f"{length} elements of {path}"
        self._derived[alias] = (
            f"CASE WHEN json_array_length({outer}) = {length} THEN json_extract({sql.name(key)}, [{pointers}]) END"
        )
        return sql.name(alias)

    def present(self, path: str) -> str:
        """Return SQL for whether there is an object at ``path``, of which members are requested."""
        parts = _parts(path)
        if _has_position(parts):
            return f"coalesce(json_type({self._pointed(parts)}) = 'OBJECT', false)"
        return f"{sql.extract(parts)} IS NOT NULL"

    def empty(self) -> str:
        """Return SQL for whether a record has none of the requested keys."""
        return " AND ".join(f"{sql.name(key)} IS NULL" for key in self._keys())

    def columns(self) -> str:
        """Return the schema, as read_json takes it."""
        return ", ".join(
            f"{sql.name(key)}: {sql.text('JSON' if key in self._documents else _type(self._tree[key]))}"
            for key in self._keys()
        )

    def tree(self) -> dict[str, Any] | None:
        """Return key -> type, or members of an object; None where values are extracted from documents."""
        return None if self._documents else self._tree

    def structure(self) -> str:
        """Return the same schema, as from_json takes it."""
        return json.dumps(
            {key: "JSON" if key in self._documents else self._tree[key] for key in self._keys()}
        )

    def with_documents(self, source: str) -> str:
        """Return ``source`` with the values that are extracted from documents beside its columns."""
        if not self._documents:
            return source
        replaced = [
            f"{json_text.parsed(sql.name(key), self._tree[key])} AS {sql.name(key)}"
            for key in self._documents
            if key in self._tree
        ]
        columns = [f"* REPLACE ({', '.join(replaced)})" if replaced else "*"]
        columns += [
            f"json_extract({sql.name(key)}, [{', '.join(map(sql.text, pointers))}]) AS {_values_of(key)}"
            for key, pointers in self._documents.items()
            if pointers
        ]
        columns += [f"{expression} AS {sql.name(alias)}" for alias, expression in self._derived.items()]
        return f"(SELECT {', '.join(columns)} FROM {source})"

    def single_keys(self) -> set[str]:
        """Return the last keys of the paths at which single values are expected."""
        return {path[-1] for path in self._single}

    def lists(self) -> tuple[str, FieldPaths]:
        """Return SQL for whether any record has a list where a single value is expected, and the paths it is over."""
        paths = FieldPaths()
        found = []
        # What may hold lists further below is looked at whole.
        for path, exactly in sorted(self._single.items(), key=lambda item: item[1]):
            if paths._fits(path):
                paths._declare(path, "JSON")
                text = f"{sql.extract(path)}::VARCHAR"
                found.append(f"starts_with({text}, '[')" if exactly else f"contains({text}, '[')")
        return f"coalesce(bool_or({' OR '.join(found)}), false)" if found else "false", paths

    def _plain(self, path: sql.Path, parsed_as: str) -> str | None:
        if not self._fits(path):
            return None
        if parsed_as in ("text", "number"):
            self._single.setdefault(path, True)
        if not self._unwrapped:
            self._declare(path, KINDS[parsed_as])
            return sql.extract(path)
        self._declare(path, "JSON")
        return _typed(sql.extract(path), parsed_as)

    def _in_document(self, path: sql.Path, parsed_as: str) -> str:
        return _typed(self._pointed(path), parsed_as)

    def _pointed(self, path: sql.Path) -> str:
        """Return SQL for the JSON at ``path`` of a document."""
        pointers = self._document(path[0])
        pointer = json_text.pointer(path[1:])
        if pointer not in pointers:
            pointers.append(pointer)
        return f"{_values_of(path[0])}[{pointers.index(pointer) + 1}]"

    def _document(self, key: str) -> list[str]:
        _refuse_case(self._keys(), key)
        return self._documents.setdefault(key, [])

    def _keys(self) -> Iterator[str]:
        yield from self._tree
        yield from (key for key in self._documents if key not in self._tree)

    def _fits(self, path: sql.Path) -> bool:
        """Return False where something declared before is a value and ``path`` has an object there, or vice versa."""
        node: Any = self._tree
        for part in path:
            if not isinstance(node, dict):
                return False
            if part not in node:
                return True
            node = node[part]
        return not isinstance(node, dict)

    def _declare(self, path: sql.Path, kind: str) -> None:
        node = self._tree
        if path[0] not in node:
            _refuse_case(self._documents, path[0])
        for position, part in enumerate(path):
            _refuse_case(node, part)
            if position == len(path) - 1:
                # A value requested both as text and as a number is parsed as text.
                node[part] = kind if node.get(part, kind) == kind else "VARCHAR"
            else:
                node = node.setdefault(part, {})


def _refuse_case(names: Iterable[str], name: str) -> None:
    for sibling in names:
        if sibling != name and sibling.casefold() == name.casefold():
            message = f"'{sibling}' and '{name}' differ in case only and cannot be told apart; rename one"
            raise ValueError(message)


def _typed(json_value: str, parsed_as: str) -> str:
    """SQL for the value in JSON as ``parsed_as`` of ``FieldPaths.member``."""
    single = json_text.unwrapped(json_value) if parsed_as in ("text", "number") else json_value
    return json_text.parsed(single, _STRUCTURES[parsed_as])


def _values_of(document: str) -> str:
    """The column of what is extracted from a document."""
    return sql.name(f"values of {document}")


def _has_position(path: sql.Path) -> bool:
    # A record is an object: its keys are no positions.
    return any(map(json_text.is_position, path[1:]))


def _parts(path: str | None) -> sql.Path:
    return tuple(path.split(".")) if path else ()


def _type(node: dict[str, Any] | str) -> str:
    if isinstance(node, str):
        return node
    return "STRUCT(" + ", ".join(f"{sql.name(key)} {_type(child)}" for key, child in node.items()) + ")"
