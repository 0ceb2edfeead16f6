"""Paths that the records have, and those of them that a wrong one most likely meant."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from difflib import get_close_matches
from typing import Any

_NAMED = 3
_MOST_PATHS = 2000
# Of a list.
_POSITIONS = 3
_DEEPEST = 12
_LONGEST = 200
_NAMES = {bool: "boolean", int: "number", float: "number", str: "text", list: "list", dict: "object"}


def json_type(value: Any) -> str:
    """Name the JSON type of a parsed value."""
    return _NAMES.get(type(value), "null")


def opened_text(value: Any) -> Any:
    """Return the object or list that a text holds as JSON, or ``value``."""
    if isinstance(value, str) and value.startswith(("{", "[")):
        with suppress(ValueError, RecursionError):
            return json.loads(value)
    return value


def paths_of(records: Sequence[Mapping[str, Any]]) -> dict[str, Counter[str]]:
    """Path -> JSON types of its values, each with its number; at most so many paths as are worth comparing."""
    found: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for record in records:
        for path, value in _members(record, "", _DEEPEST):
            if path in found or len(found) < _MOST_PATHS:
                found[path][json_type(value)] += 1
    return dict(found)


def nearest(
    path: str, fits: Sequence[str], paths: Mapping[str, Counter[str]], mapped: Collection[str]
) -> list[str]:
    """Return at most three of ``paths`` that ``path`` may have meant, the likeliest first.

    ``fits``: JSON types that can be read there, the likeliest first; others are named only where nothing else is near.
    ``mapped``: paths of other fields, which are named only for their last key. The same last key counts most, then
    spelling, then the same object.
    """
    ranks = {known: min(map(_rank(fits), types)) for known, types in paths.items()}
    fitting = [known for known, rank in ranks.items() if rank < len(fits)]
    for candidates in (fitting, [known for known in paths if not path.startswith(f"{known}.")]):
        if same := [known for known in candidates if known.casefold() == path.casefold()]:
            return same[:_NAMED]
        free = [known for known in candidates if known not in mapped]
        found = [*_same_last_key(path, candidates), *_alike(path, free)]
        if not found:
            found = sorted(_beside(path, free, paths), key=ranks.__getitem__)
        if found:
            return list(dict.fromkeys(found))[:_NAMED]
    return []


def _rank(fits: Sequence[str]) -> Callable[[str], int]:
    return lambda name: fits.index(name) if name in fits else len(fits)


def _members(record: Mapping[str, Any], prefix: str, depth: int) -> Iterator[tuple[str, Any]]:
    """Yield the values that a dotted path leads to, and their paths: below the first, no key can hold a dot."""
    for key, value in record.items():
        if (prefix and "." in key) or not all(map(str.strip, key.split("."))):
            continue
        yield prefix + key, value
        if "." not in key and depth > 1:
            value = opened_text(value)
            if isinstance(value, list):
                value = {str(position): one for position, one in enumerate(value[:_POSITIONS])}
            if isinstance(value, dict):
                yield from _members(value, f"{prefix}{key}.", depth - 1)


def _same_last_key(path: str, candidates: Sequence[str]) -> list[str]:
    """Paths that end in the same key, whatever the case; those of a similar depth first."""
    *_, last = path.casefold().split(".")
    depth = path.count(".")
    found = [known for known in candidates if known.casefold().split(".")[-1] == last]
    return sorted(found, key=lambda known: abs(known.count(".") - depth))


def _alike(path: str, candidates: Sequence[str]) -> list[str]:
    """Paths of a similar spelling; else those whose last key is spelt alike."""
    if len(path) > _LONGEST:
        return []
    for part in (str.casefold, _last_key):
        known: defaultdict[str, list[str]] = defaultdict(list)
        for candidate in candidates:
            known[part(candidate)].append(candidate)
        near = get_close_matches(part(path), known, n=_NAMED, cutoff=0.7)
        if near:
            return [candidate for name in near for candidate in known[name]]
    return []


def _last_key(path: str) -> str:
    return path.casefold().rpartition(".")[2]


def _beside(path: str, candidates: Sequence[str], paths: Collection[str]) -> list[str]:
    """Paths in the same object, or in the nearest one around it that there is; those of a similar spelling first."""
    parent = path.rpartition(".")[0]
    while parent and parent not in paths:
        parent = parent.rpartition(".")[0]
    found = {_last_key(known): known for known in candidates if known.rpartition(".")[0] == parent}
    return [found[key] for key in get_close_matches(_last_key(path), found, n=len(found) or 1, cutoff=0.0)]
