"""Places in a YAML file: of a position in its text, and of a character of a scalar.

Lines are those of YAML 1.1 (4.2): a carriage return and Unicode's own line ends begin a new one too.
"""

import re
from bisect import bisect_right

_END = re.compile("\r\n|[\n\r\x85\u2028\u2029]")
_ESCAPE_DIGITS = {"x": 2, "u": 4, "U": 8}


def starts(content: str) -> list[int]:
    """Where each line begins; the first at 0."""
    return [0, *(end.end() for end in _END.finditer(content))]


def place_of(content: str, position: int) -> tuple[int, int]:
    """Line and column, from 1, of a position in ``content``."""
    begins = starts(content)
    line = bisect_right(begins, position)
    return line, position - begins[line - 1] + 1


def place_within(content: str, start: tuple[int, int], text: str, offset: int) -> tuple[int, int]:
    """Line and column, from 1, of ``text[offset]`` in a file where the scalar ``text`` starts at ``start``.

    A scalar may be folded, indented, quoted and escaped, so the two are walked together: every
    character that is no space stands in the file in the same order.
    """
    line, column = start
    position = starts(content)[line - 1] + column - 1
    opening = content[position : position + 1]
    if opening in ("|", ">"):
        position = next((begin for begin in starts(content) if begin > position), len(content))
    elif opening in ('"', "'"):
        position += 1
    for character in text[:offset]:
        if not character.isspace():
            position = _after(content, position, opening)
    position = _skip_space(content, position, opening)
    return place_of(content, position)


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
