"""Lines as YAML counts them: a carriage return and Unicode's own line ends begin a new one too (YAML 1.1, 4.2)."""

from __future__ import annotations

import re
from bisect import bisect_right

_END = re.compile("\r\n|[\n\r\x85\u2028\u2029]")


def starts(content: str) -> list[int]:
    """Where each line begins; the first at 0."""
    return [0, *(end.end() for end in _END.finditer(content))]


def place_of(content: str, position: int) -> tuple[int, int]:
    """Line and column, from 1, of a position in ``content``."""
    begins = starts(content)
    line = bisect_right(begins, position)
    return line, position - begins[line - 1] + 1
