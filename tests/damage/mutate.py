"""Ways to damage a file: its structure, and its text. The same chance gives the same damage."""

from __future__ import annotations

import copy
from random import Random
from typing import Any

import yaml

from tests.damage.originals import DATA, KEYS, TEXTS, VALUES
from tests.damage.pieces import KEYS as ODD_KEYS
from tests.damage.pieces import PIECES, TOKENS

Place = tuple[str | int, ...]
_QUERY = [
    "(",
    ")",
    "[5m]",
    "{",
    "}",
    '"',
    " by (x)",
    " / ",
    "sum(",
    "{{.window}}",
    " offset 1d",
    "@ 0",
    "#",
    "\n",
    "é",
    "[",
    " or ",
]
_ACTIONS = (
    "replace", "replace", "borrow", "borrow", "borrow", "remove", "rename", "add", "add", "twice", "deep", "retype",
    "adjust", "adjust", "adjust", "exchange",
)  # fmt: skip
_EDITS = ("insert", "insert", "cut", "delete", "line", "repeat", "indent", "flip", "swap", "ends")


def damaged(chance: Random, name: str, data: Any = None) -> bytes:
    """The original ``name``, or ``data`` in its place, damaged in its structure or its text."""
    if chance.random() < 0.65:
        return structure(chance, DATA[name] if data is None else data)
    return text(chance, TEXTS[name] if data is None else dump(data))


def dump(data: Any) -> bytes:
    return yaml.safe_dump(data, allow_unicode=True, sort_keys=False).encode(errors="replace")


def places(data: Any, at: Place = ()) -> list[Place]:
    """Every place below the top of a document."""
    items = data.items() if isinstance(data, dict) else enumerate(data) if isinstance(data, list) else ()
    return [found for key, value in items for found in ((*at, key), *places(value, (*at, key)))]


def structure(chance: Random, data: Any) -> bytes:
    """A file with a few values replaced, removed, renamed, nested, changed a little, or taken from elsewhere."""
    spec = copy.deepcopy(data)
    for _ in range(chance.choice([1, 1, 1, 2, 2, 3, 6])):
        found = places(spec)
        if not found:
            break
        *parents, key = chance.choice(found)
        holder = spec
        for step in parents:
            holder = holder[step]
        _change(chance, holder, key, str(parents[-1]) if parents else "")
    return dump(spec)


def _change(chance: Random, holder: Any, key: Any, above: str) -> None:
    old = holder[key]
    known = VALUES.get(key if isinstance(key, str) else above, [])
    match chance.choice(_ACTIONS):
        case "replace":
            holder[key] = copy.deepcopy(chance.choice(PIECES))
        case "borrow" if known:
            other = copy.deepcopy(chance.choice(known))
            holder[key] = (
                chance.choice(other) if isinstance(key, int) and isinstance(other, list) and other else other
            )
        case "remove":
            del holder[key]
        case "rename" if isinstance(holder, dict):
            name = chance.choice([*chance.sample(KEYS, 3), chance.choice(ODD_KEYS), str(key)[:-1], f"{key}s"])
            holder[name] = holder.pop(key)
        case "add":
            _add(chance, old if isinstance(old, dict | list) else holder)
        case "twice" if isinstance(old, list):
            old.extend(copy.deepcopy(old))
        case "deep":
            holder[key] = _deeper(chance, old)
        case "retype":
            holder[key] = str(old) if not isinstance(old, str) else [old]
        case "adjust":
            holder[key] = _adjusted(chance, old)
        case "exchange":
            other = chance.choice(list(holder) if isinstance(holder, dict) else range(len(holder)))
            holder[key], holder[other] = holder[other], holder[key]


def _add(chance: Random, holder: Any) -> None:
    if isinstance(holder, list):
        holder.insert(chance.randint(0, len(holder)), copy.deepcopy(chance.choice([*PIECES, *holder])))
        return
    key = chance.choice(ODD_KEYS) if chance.random() < 0.2 else chance.choice(KEYS)
    known = VALUES.get(key)
    holder[key] = copy.deepcopy(chance.choice(known if known and chance.random() < 0.7 else PIECES))


def _deeper(chance: Random, old: Any) -> Any:
    for _ in range(chance.choice([1, 5, 70])):
        small = len(repr(old)) < 2000
        old = chance.choice([[old], {"all": [old, old]}, {"x": old}]) if small else [old]
    return old


def _adjusted(chance: Random, old: Any) -> Any:
    """Nearly what it was: mistakes of people are small."""
    if isinstance(old, bool):
        return not old
    if isinstance(old, int | float):
        return chance.choice(
            [old + 1, old - 1, -old, old * 10, old * 100, old / 3, float(old), old * 1e9, old * 1e-9]
        )
    if isinstance(old, str):
        at = chance.randint(0, len(old))
        return chance.choice(
            [
                old[:at] + chance.choice(_QUERY) + old[at:],
                old[:at] + old[at + 1 :],
                old[:at] + old[at : at + 1] * 2 + old[at + 1 :],
                old.swapcase(),
                old + " ",
                " " + old,
                old + chance.choice("hdms0%é\n"),
                chance.choice(["10", "0", "99999"]) + old.lstrip("0123456789"),
                old[::-1],
            ]
        )
    if isinstance(old, list):
        return chance.sample(old, len(old))[: chance.randint(0, len(old))]
    if isinstance(old, dict):
        return {key: value for key, value in old.items() if chance.random() < 0.5}
    return ""


def text(chance: Random, content: bytes) -> bytes:
    """A file with a few bytes changed."""
    for _ in range(chance.randint(1, 4)):
        lines = content.split(b"\n")
        here, there = (chance.randint(0, max(len(content), 1)) for _ in range(2))
        line = chance.randrange(len(lines))
        match chance.choice(_EDITS):
            case "insert":
                content = content[:here] + chance.choice(TOKENS) + content[here:]
            case "cut":
                content = content[:here]
            case "delete":
                start = min(here, there)
                content = content[:start] + content[min(max(here, there), start + 30) :]
            case "line":
                content = b"\n".join([*lines[:line], *lines[line + 1 :]])
            case "repeat":
                content = b"\n".join([*lines[:line], lines[line], *lines[line:]])
            case "indent":
                content = b"\n".join([*lines[:line], b"  " + lines[line], *lines[line + 1 :]])
            case "flip" if here:
                content = content[: here - 1] + bytes([chance.randrange(256)]) + content[here:]
            case "ends":
                content = content.replace(b"\n", chance.choice([b"\r\n", b"\r", b"\n\n", "\u2028".encode()]))
            case _:
                other = chance.randrange(len(lines))
                lines[line], lines[other] = lines[other], lines[line]
                content = b"\n".join(lines)
    return content
