"""Files of others that stand where generated ones would go."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from mlslo.yamlfile import InputError, Problem
from rulegen.output.generated_files import MARK, Files, on_disk

BEGIN, END = "# BEGIN mlslo-rulegen", "# END mlslo-rulegen"
_BEGIN = re.compile(rf"[ \t]*{re.escape(BEGIN)}(\W.*)?")
_END = re.compile(rf"[ \t]*{re.escape(END)}(\W.*)?")
# What the templates of earlier versions, which had no mark, begin with.
_UNMARKED = ("{{/* What every channel shares.", "{{/* The incident's title.", "{{/* Slack reads &, < and >")


class ExistingFileError(InputError):
    """Files that nobody generated, and that would be overwritten."""


def refuse(directory: Path, files: Files, base: Path | None) -> None:
    """Raise ExistingFileError where a file would be overwritten that is not ours as a whole.

    An alertmanager.yaml with our part among others' is overwritten with the base at hand only: without it theirs would
    be lost.
    """
    problems = [
        Problem(str(directory / name), 0, 0, _message(name))
        for name in files
        if not _may_be_overwritten(directory / name, files[name], base)
    ]
    if problems:
        raise ExistingFileError(problems)


def _may_be_overwritten(path: Path, text: str, base: Path | None) -> bool:
    if not path.exists() or _is_generated(path):
        return True
    found = on_disk(path)
    if found is None:
        # A folder cannot be overwritten, and writing says so.
        return not path.is_file()
    if found == text or not found.strip():
        return True
    return base is not None and ((base.exists() and path.samefile(base)) or BEGIN in found)


def _is_generated(path: Path) -> bool:
    """Whether it begins as ours do: the rest of it may be long."""
    try:
        with path.open("rb") as file:
            head = file.read(4000).decode(errors="ignore")[:1000]
    except OSError:
        return False
    return MARK in head or head.startswith(_UNMARKED)


def _message(name: str) -> str:
    message = "not written by mlslo-rulegen, and would be overwritten; move it away"
    if name == "alertmanager/alertmanager.yaml":
        message += ", or name it with --base to put our part into it"
    return message


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
