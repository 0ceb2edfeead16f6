"""Replace single values in the text of a spec; every other byte stays as it is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import yaml

from mlslo.yamlfile import Document, Location

_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def replaced(document: Document, content: str, values: Mapping[Location, str]) -> str:
    """Return ``content`` with the scalars at these places replaced, or put before the last key of their mapping.

    ``document`` is what ``content`` was read as. Raises InputError where a value stands elsewhere in the file: to
    change it would change both.
    """
    root = yaml.compose(content, Loader=_LOADER)
    edits = [_edit(document, root, at, value, content) for at, value in values.items()]
    for begin, end, text in sorted(edits, reverse=True):
        content = content[:begin] + text + content[end:]
    return content


def _edit(document: Document, root: Any, at: Location, value: str, content: str) -> tuple[int, int, str]:
    key, node = _entry(document, root, at)
    if key is not None:
        return node.start_mark.index, node.end_mark.index, value
    _, parent = _entry(document, root, at[:-1])
    last, _ = parent.value[-1]
    begin = last.start_mark.index
    line = content.rfind("\n", 0, begin) + 1
    # In brackets, or at the beginning of a line of a block.
    apart = ", " if parent.flow_style else "\n" + " " * (begin - line)
    return begin, begin, f"{at[-1]}: {value}{apart}"


def _entry(document: Document, root: Any, at: Location) -> tuple[Any, Any]:
    """The nodes of the key and the value at a place; None for the key where the last one is not there."""
    key, node = None, root
    for depth, part in enumerate(at):
        if isinstance(part, int):
            key, inner = None, node.value[part]
            before = node.start_mark.index
        else:
            found = next(((own, value) for own, value in node.value if own.value == part), None)
            if found is None:
                if depth == len(at) - 1:
                    return None, node
                raise document.error(
                    at[: depth + 1], "it is merged from elsewhere in the file; change it by hand"
                )
            key, inner = found
            before = key.end_mark.index
        if inner.start_mark.index < before:
            raise document.error(
                at[: depth + 1], "an alias: it stands elsewhere in the file; change it by hand"
            )
        node = inner
    return (key if key is not None else node), node
