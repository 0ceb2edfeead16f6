"""Judge the outcome of a damaged file: fine, or clear messages with a place; never a traceback, nor half a folder."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from tests.damage.cases import Case
from tests.damage.run import Outcome

Snapshot = Mapping[str, tuple[bytes, int]]
CODES = {"check": (0, 1, 2), "simulate": (0, 1, 2)}
SLOWEST, LARGEST, LONGEST = 6.0, 200.0, 3000
# About no place in a file: what is missing altogether, files as a whole, options.
_WHOLE = (
    r"[^:]+: note: passed over, ",
    r"SPEC: expected a file of kind ",
    r"[^:]+: cannot be (read|written): \S",
    r"[^:]+: no file of kind ",
    r"[^:]+: not written by mlslo-rulegen, and would be overwritten; ",
    r"[^:]+: expected (UTF-8 text|one line, user:password)$",
    r"out/[^:]+: warning: generated earlier, not by these specs; ",
    r"--(model|layer|slo|tier|alertmanager): ",
    r"\d+ warnings?, which --strict refuses$",
    r"\d+ of \d+ files are not what the specs say$",
    r"warning: P\d is among them, nobody is woken for ",
)
_WHOLE_FILE = re.compile("|".join(f"(?:{one})" for one in _WHOLE))
_USAGE = re.compile(r"Usage: .*\nTry .*\n\nError: .+\n", re.DOTALL)
# What Python says to programmers.
_RAW = re.compile(
    r"Traceback|NoneType|pydantic|Value error|Errno|<[a-z_.]+ object|Input should|\bNone\b|type=|dict_keys"
)


def problems(case: Case, outcome: Outcome, before: Snapshot, after: Snapshot) -> Iterator[str]:
    """Return the faults of an outcome; none where it is as it must be."""
    if outcome.failure:
        yield outcome.failure
        return
    command = case.arguments[0]
    codes = {
        *CODES.get(command, (0, 2)),
        *([1] if "--strict" in case.arguments or case.program == "exporter" else []),
    }
    if outcome.code not in codes:
        yield f"exit code {outcome.code}"
    if outcome.seconds > SLOWEST:
        yield f"slow: {outcome.seconds:.1f} s of processor time"
    if outcome.memory > LARGEST:
        yield f"large: {outcome.memory:.0f} MB"
    changed = sorted(name for name in {*before, *after} if before.get(name) != after.get(name))
    if changed and (outcome.code or command not in ("generate", "schema")):
        yield f"exit code {outcome.code}, and files changed: {changed[:5]}"
    if left := [name for name in changed if name.endswith(".new")]:
        yield f"left behind: {left[:5]}"
    if outcome.code == 2 and outcome.stdout and command != "simulate" and case.program == "rulegen":
        yield f"exit code 2, and it said {outcome.stdout[:200]!r}"
    yield from _said(case, outcome)


def _said(case: Case, outcome: Outcome) -> Iterator[str]:
    if outcome.code == 2 and not outcome.stderr.strip():
        yield "exit code 2 without a word"
    if _USAGE.fullmatch(outcome.stderr):
        return
    if case.program == "exporter" and outcome.code != 2:
        return
    for line in outcome.stderr.split("\n")[:-1]:
        yield from _line(case, outcome, line)


def _line(case: Case, outcome: Outcome, line: str) -> Iterator[str]:
    place = re.match(r"([^:]+):([1-9]\d*):([1-9]\d*): ((?:warning|note): )?(\S.*)", line)
    if place is None:
        if not _WHOLE_FILE.match(line):
            yield f"no place: {line[:500]}"
        return
    file, row, column, warning, message = place.groups()
    if file not in case.files:
        yield f"a place in no file: {line[:500]}"
        return
    if not warning and outcome.code == 0:
        yield f"accepted, and not a warning: {line[:500]}"
    if len(line) > LONGEST:
        yield f"a message of {len(line)} characters: {line[:300]}"
    if _RAW.search(message) and not _RAW.search(case.files[file].decode("utf-8", "replace")):
        yield f"not for people: {line[:500]}"
    yield from _place(case.files[file], int(row), int(column), line)


def _place(content: bytes, row: int, column: int, line: str) -> Iterator[str]:
    """Return whether a place is in the file."""
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return
    rows = re.split("\r\n|[\n\r\x85\u2028\u2029]", text)
    if row > len(rows) or column > len(rows[row - 1]) + 1:
        yield f"a place outside of the file: {line[:500]}"
