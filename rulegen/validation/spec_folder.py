"""The files of a folder of specs: which are ours to read, and why others are passed over."""

import re
from collections.abc import Iterator
from pathlib import Path

from mlslo.yamlfile import InputError, Problem, quoted_list
from rulegen.output.generated_files import MARK

KINDS = ("ModelSLO", "AlertRouting", "ModelMonitor", "AlertActions")
_SUFFIXES = (".yaml", ".yml")
_OURS = re.compile(rb"^[ \t]*[\"']?apiVersion[\"']?[ \t]*:[ \t]*[\"']?mlslo/", re.MULTILINE)
_SCENARIO = re.compile(rb"^kind: *[\"']?AlertScenario\b", re.MULTILINE)
# Where a file that is not named as YAML says what it is.
_HEAD = 4000


def is_folder(path: Path) -> bool:
    """Whether a path is a folder. Raises InputError for one that no file can have."""
    try:
        return path.is_dir()
    except OSError as error:
        raise InputError.of_file(path, f"cannot be read: {error.strerror}") from None


def files(folder: Path, notes: list[Problem]) -> list[Path]:
    """List the files of a folder that are ours to read; ``notes`` gets those that are passed over.

    What may be ours and cannot be read is among them: to read it says what is wrong. Scenarios, which may stand beside
    the specs that they are about, and generated files are not. Raises InputError where there is none.
    """
    try:
        entries = sorted(folder.iterdir())
    except OSError as error:
        raise InputError.of_file(folder, f"cannot be read: {error.strerror}") from None
    found: list[Path] = []
    for entry in entries:
        reason = _inner_folder(entry) if entry.is_dir() else _why_not(entry)
        if reason is None:
            found.append(entry)
        elif reason:
            notes.append(Problem(str(entry), 0, 0, f"note: passed over, {reason}"))
    if not found:
        raise InputError.of_file(folder, f"no file of kind {quoted_list(KINDS)} in this folder")
    return found


def _why_not(file: Path) -> str | None:
    """Say why a file is not ours to read; None where it may be, an empty text where nobody needs to know."""
    named = file.suffix.lower() in _SUFFIXES
    if file.exists() and not file.is_file():
        # Nothing may ever come out of a pipe.
        return "not a regular file" if named else ""
    try:
        with file.open("rb") as stream:
            content = stream.read() if named else stream.read(_HEAD)
    except OSError:
        return None if named else ""
    if not named:
        return "not named .yaml or .yml" if _is_ours(content) and not _is_generated(content) else ""
    if _is_generated(content) or _SCENARIO.search(content):
        return ""
    if not content.strip():
        return "it is empty"
    return None if _is_ours(content) or not _is_text(content) else "it has no apiVersion mlslo/v1"


def _is_generated(content: bytes) -> bool:
    return MARK.encode() in content[:1000]


def _is_ours(content: bytes) -> bool:
    return _OURS.search(content) is not None


def _is_text(content: bytes) -> bool:
    try:
        content.decode()
    except UnicodeDecodeError:
        return False
    # UTF-16 without a mark is UTF-8 with zeros in it.
    return b"\0" not in content


def _inner_folder(folder: Path) -> str:
    """Say that specs of a folder within the folder are not read."""

    def ours() -> Iterator[Path]:
        for file in folder.iterdir():
            if file.suffix.lower() in _SUFFIXES and file.is_file() and _why_not(file) is None:
                yield file

    try:
        return "folders within a folder are not searched; name it too" if next(ours(), None) else ""
    except OSError:
        return ""
