"""The values wanted of a JSON record, as a schema for the parser and as expressions over it."""

from __future__ import annotations

import json
from typing import Any

from exporter.parse import sql


class Leaves:
    """Collects paths; each is declared to the parser once.

    A dotted path means nested objects, or a key that holds the dots itself, whichever a record has.
    Raises ValueError where two names in one object differ in case only: DuckDB cannot tell them apart.
    """

    def __init__(self) -> None:
        self._tree: dict[str, Any] = {}

    def text(self, path: str | None) -> str:
        """An expression for the text at ``path``; numbers and objects come as their JSON text."""
        return "NULL::VARCHAR" if path is None else self._first(_candidates((), path), "VARCHAR")

    def number(self, path: str | None) -> str:
        """An expression for the number at ``path``, or in its text."""
        return "NULL::DOUBLE" if path is None else _as_number(self._first(_candidates((), path), "DOUBLE"))

    def member_text(self, container: str | None, name: str) -> str:
        """``text`` of the member ``name`` of the object at ``container`` (of the record, where None)."""
        return self._first(_candidates(_parts(container), name), "VARCHAR")

    def member_number(self, container: str | None, name: str) -> str:
        """``number`` of a member."""
        return _as_number(self._first(_candidates(_parts(container), name), "DOUBLE"))

    def key_number(self, container: str, key: str) -> str:
        """``number`` of a member whose name is ``key`` as it stands: its dots are no objects."""
        return _as_number(self._first([(*_parts(container), key)], "DOUBLE"))

    def member_vector(self, container: str | None, name: str) -> str:
        """The list of numbers that a member is; elements that are none are NULL."""
        return self._first(_candidates(_parts(container), name), "DOUBLE[]")

    def present(self, path: str) -> str:
        """Whether there is an object at ``path``, of which members are wanted."""
        return f"{sql.extract(_parts(path))} IS NOT NULL"

    def tops(self) -> list[str]:
        """The record's keys that are wanted, quoted."""
        return [sql.name(key) for key in self._tree]

    def columns(self) -> str:
        """The schema, as read_json takes it."""
        return ", ".join(f"{sql.name(key)}: {sql.text(_type(node))}" for key, node in self._tree.items())

    def structure(self) -> str:
        """The same schema, as from_json takes it."""
        return json.dumps(self._tree)

    def _first(self, candidates: list[sql.Path], kind: str) -> str:
        fitting = [path for path in candidates if self._fits(path)]
        for path in fitting:
            self._declare(path, kind)
        found = [sql.extract(path) for path in fitting]
        return f"coalesce({', '.join(found)})" if len(found) > 1 else (found or [f"NULL::{kind}"])[0]

    def _fits(self, path: sql.Path) -> bool:
        """Whether nothing declared before is a value where ``path`` has an object, or the other way round."""
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
                # A value wanted both as text and as a number is parsed as text.
                node[part] = kind if node.get(part, kind) == kind else "VARCHAR"
            else:
                node = node.setdefault(part, {})


def _parts(path: str | None) -> sql.Path:
    return tuple(path.split(".")) if path else ()


def _candidates(container: sql.Path, name: str) -> list[sql.Path]:
    literal = (*container, name)
    return [literal] if "." not in name else [literal, (*container, *name.split("."))]


def _as_number(expression: str) -> str:
    return f"TRY_CAST({expression} AS DOUBLE)"


def _type(node: dict[str, Any] | str) -> str:
    if isinstance(node, str):
        return node
    return "STRUCT(" + ", ".join(f"{sql.name(key)} {_type(child)}" for key, child in node.items()) + ")"
