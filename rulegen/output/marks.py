"""The marks around what is ours in a file of others: all between them is replaced, nothing else is touched."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from mlslo.yamlfile import InputError, Problem

BEGIN, END = "# BEGIN mlslo-rulegen", "# END mlslo-rulegen"
_BEGIN = re.compile(rf"[ \t]*{re.escape(BEGIN)}(\W.*)?")
_END = re.compile(rf"[ \t]*{re.escape(END)}(\W.*)?")


@dataclass(frozen=True)
class Unmarked:
    """A file without what is ours: once with our lines left out, once with them empty, so that lines keep
    their numbers."""

    left_out: str
    emptied: str


def without_marked(path: Path, content: str) -> Unmarked:
    """Take out what earlier runs wrote. Raises InputError where a mark has no counterpart."""
    kept: list[str] = []
    emptied: list[str] = []
    opened = 0
    for number, line in enumerate(content.splitlines(keepends=True), 1):
        text = line.rstrip("\r\n\x85\u2028\u2029")
        begins, ends = _BEGIN.fullmatch(text), _END.fullmatch(text)
        if begins and opened:
            raise _broken(path, number, f"'{BEGIN}' again, that of line {opened} has no '{END}'")
        if ends and not opened:
            raise _broken(path, number, f"'{END}' without a '{BEGIN}'")
        if begins:
            opened = number
        if opened:
            emptied.append(line[len(text) :])
        else:
            kept.append(line)
            emptied.append(line)
        if ends:
            opened = 0
    if opened:
        raise _broken(path, opened, f"'{BEGIN}' without an '{END}'")
    return Unmarked("".join(kept), "".join(emptied))


def _broken(path: Path, line: int, message: str) -> InputError:
    return InputError([Problem(str(path), line, 1, f"{message}; all between the two is ours and replaced")])
