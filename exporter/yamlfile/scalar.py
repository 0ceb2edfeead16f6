"""Where a character of a YAML scalar's text stands in the file."""

from __future__ import annotations

_ESCAPE_DIGITS = {"x": 2, "u": 4, "U": 8}


def place_within(content: str, start: tuple[int, int], text: str, offset: int) -> tuple[int, int]:
    """Line and column, from 1, of ``text[offset]`` in a file where the scalar ``text`` starts at ``start``.

    A scalar may be folded, indented, quoted and escaped, so the two are walked together: every
    character that is no space stands in the file in the same order.
    """
    position = _index(content, start)
    opening = content[position : position + 1]
    if opening in ("|", ">"):
        position = content.find("\n", position) + 1
    elif opening in ('"', "'"):
        position += 1
    for character in text[:offset]:
        if not character.isspace():
            position = _after(content, position, opening)
    position = _skip_space(content, position, opening)
    before = content[:position]
    return before.count("\n") + 1, position - (before.rfind("\n") + 1) + 1


def _index(content: str, start: tuple[int, int]) -> int:
    line, column = start
    position = 0
    for _ in range(line - 1):
        position = content.index("\n", position) + 1
    return position + column - 1


def _skip_space(content: str, position: int, opening: str) -> int:
    while position < len(content):
        if content[position].isspace():
            position += 1
        elif opening == '"' and content[position] == "\\" and content[position + 1 : position + 2] in " nt\n":
            position += 2
        else:
            break
    return min(position, len(content))


def _after(content: str, position: int, opening: str) -> int:
    """The place after the next character that is no space."""
    position = _skip_space(content, position, opening)
    if opening == "'" and content[position : position + 2] == "''":
        return position + 2
    if opening == '"' and content[position : position + 1] == "\\":
        return position + 2 + _ESCAPE_DIGITS.get(content[position + 1 : position + 2], 0)
    return position + 1
