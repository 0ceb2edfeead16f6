"""Requested fields of a JSON record: their paths, as a schema for the parser and as SQL over it."""

from __future__ import annotations

import json
from typing import Any

from exporter.parse import sql


class FieldPaths:
    """Collects paths; each is declared to the parser once.

    A dotted path means nested objects, or a key that holds the dots itself, whichever a record has.
    Raises ValueError where two names in one object differ in case only: DuckDB cannot tell them apart.
    """

    def __init__(self) -> None:
        self._tree: dict[str, Any] = {}

    def text(self, path: str | None) -> str:
        """Return SQL for the text at ``path``; numbers and objects come as their JSON text."""
        return "NULL::VARCHAR" if path is None else self.member(None, path)

    def number(self, path: str | None) -> str:
        """Return SQL for the number at ``path``, or in its text."""
        return "NULL::DOUBLE" if path is None else self.member(None, path, "number")

    def member(
        self, container: str | None, name: str, parsed_as: str = "text", *, literal: bool = False
    ) -> str:
        """Return SQL for the member ``name`` of the object at ``container`` (of the record, where None).

        ``parsed_as``: text, number, or vector (a list of numbers; elements that are none are NULL). ``literal``:
        dots in ``name`` are no objects.
        """
        outer = _parts(container)
        candidates = [(*outer, name)]
        if "." in name and not literal:
            candidates.append((*outer, *name.split(".")))
        kind = {"text": "VARCHAR", "number": "DOUBLE", "vector": "DOUBLE[]"}[parsed_as]
        fitting = [path for path in candidates if self._fits(path)]
        for path in fitting:
            self._declare(path, kind)
        found = [sql.extract(path) for path in fitting] or [f"NULL::{kind}"]
        value = found[0] if len(found) == 1 else f"coalesce({', '.join(found)})"
        # What another field requests as text comes as its JSON text.
        return value if parsed_as == "text" else f"TRY_CAST({value} AS {kind})"

    def present(self, path: str) -> str:
        """Return SQL for whether there is an object at ``path``, of which members are requested."""
        return f"{sql.extract(_parts(path))} IS NOT NULL"

    def empty(self) -> str:
        """Return SQL for whether a record has none of the requested keys."""
        return " AND ".join(f"{sql.name(key)} IS NULL" for key in self._tree)

    def columns(self) -> str:
        """Return the schema, as read_json takes it."""
        return ", ".join(f"{sql.name(key)}: {sql.text(_type(node))}" for key, node in self._tree.items())

    def structure(self) -> str:
        """Return the same schema, as from_json takes it."""
        return json.dumps(self._tree)

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
        for position, part in enumerate(path):
            for sibling in node:
                if sibling != part and sibling.casefold() == part.casefold():
                    message = (
                        f"'{sibling}' and '{part}' differ in case only and cannot be told apart; rename one"
                    )
                    raise ValueError(message)
            if position == len(path) - 1:
                # A value requested both as text and as a number is parsed as text.
                node[part] = kind if node.get(part, kind) == kind else "VARCHAR"
            else:
                node = node.setdefault(part, {})


def _parts(path: str | None) -> sql.Path:
    return tuple(path.split(".")) if path else ()


def _type(node: dict[str, Any] | str) -> str:
    if isinstance(node, str):
        return node
    return "STRUCT(" + ", ".join(f"{sql.name(key)} {_type(child)}" for key, child in node.items()) + ")"
