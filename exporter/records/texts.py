"""Texts in the way of a path, replaced by the JSON or CSV that they hold."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from typing import TypeAlias

from exporter.parse.json_lines import Buffer
from exporter.records.opening import (
    Members,
    Raw,
    content,
    first_byte,
    joined_object,
    opened_list,
    opened_object,
)

_Tree: TypeAlias = dict[str, "_Tree"]
"""Keys that paths lead through, and what is below each."""

_PIECES, _PIECE = 32, 8 << 10


class Texts:
    """Replaces the texts of plain records that paths lead through.

    Whether there are any is looked for before records are taken apart, in all of a small batch and in parts of a large
    one: most logs have none, and pay little.
    """

    def __init__(self, containers: Iterable[str]) -> None:
        """``containers``: paths of objects or lists that other paths lead into."""
        containers = list(containers)
        self._tree: _Tree = {}
        for path in containers:
            node = self._tree
            for part in path.split("."):
                node = node.setdefault(part, {})
        parts = {part for path in containers for part in path.split(".")}
        written = {
            json.dumps(part, ensure_ascii=ascii_only) for part in parts for ascii_only in (True, False)
        }
        names = b"|".join(re.escape(name[1:-1].encode()) for name in sorted(written))
        self._begun = re.compile(b'"(?:' + names + rb')"[ \t]*:[ \t]*"')

    def opened(self, lines: Buffer) -> Buffer:
        """Return whole lines, in which texts are replaced where there is one."""
        if not self._tree or not self._may_have_texts(memoryview(lines)):
            return lines
        return b"\n".join(map(self._line, bytes(lines).split(b"\n")))

    def _may_have_texts(self, lines: memoryview) -> bool:
        """Look for the beginning of a text in pieces from all over the lines: all would cost a tenth of parsing."""
        step = max(_PIECE, len(lines) // _PIECES)
        return any(self._begun.search(lines[at : at + _PIECE]) for at in range(0, len(lines), step))

    def _line(self, line: bytes) -> bytes:
        members = opened_object(line) if line.lstrip().startswith(b"{") else None
        changed = None if members is None else _changed(members, self._tree)
        return line if changed is None else joined_object({**(members or {}), **changed})


def _changed(members: Members, tree: _Tree) -> Members | None:
    """Return the members that are replaced; None where none is."""
    found = {}
    for part, below in tree.items():
        value = members.get(part)
        if value is not None and (replaced := _replaced(value, below)) is not value:
            found[part] = replaced
    return found or None


def _replaced(value: Raw, tree: _Tree) -> Raw:
    kind = first_byte(value)
    if kind == ord('"'):
        inner = content(value)
        if inner is None:
            return value
        if first_byte(inner) == ord("["):
            # One line of CSV is a list, as in a field of its own.
            rows = opened_list(inner)
            if rows is not None and len(rows) == 1 and first_byte(rows[0]) == ord("["):
                inner = bytes(rows[0])
        elif opened_object(inner) is None:
            return value
        return _replaced(inner, tree)
    if kind == ord("{") and tree:
        members = opened_object(value)
        changed = None if members is None else _changed(members, tree)
        return value if changed is None else joined_object({**(members or {}), **changed})
    return value
