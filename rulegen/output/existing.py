"""Files of others that stand where a generated one would go."""

from __future__ import annotations

from pathlib import Path

from mlslo.yamlfile import InputError, Problem
from rulegen.output import generated_files
from rulegen.output.generated_files import MARK, Files
from rulegen.output.marks import BEGIN


def refuse(directory: Path, files: Files, base: Path | None) -> None:
    """Raise InputError where a YAML file would be overwritten that is not ours as a whole.

    One with our part among others' is overwritten with the base at hand only: without it theirs would be lost.
    """
    if not directory.exists():
        return
    problems = [
        Problem(str(directory / name), 0, 0, _message(name))
        for name in files
        if name.endswith(".yaml") and _is_foreign(directory / name, files, name, base)
    ]
    if problems:
        raise InputError(problems)


def _is_foreign(path: Path, files: Files, name: str, base: Path | None) -> bool:
    if not path.exists() or _has_mark(path):
        return False
    found = generated_files.on_disk(path.parent, path.name)
    if found == files[name] or (found is None and not path.is_file()):
        return False
    if base is not None and base.exists() and path.samefile(base):
        return False
    shared = base is not None and found is not None and BEGIN in found
    return (found is None or bool(found.strip())) and not shared


def _has_mark(path: Path) -> bool:
    """Whether it begins as ours do: the rest of it may be long."""
    try:
        with path.open("rb") as file:
            return MARK in file.read(4000).decode(errors="ignore")[:1000]
    except OSError:
        return False


def _message(name: str) -> str:
    message = "not written by mlslo-rulegen, and would be overwritten; move it away"
    if name == "alertmanager/alertmanager.yaml":
        message += ", or name it with --base to put our part into it"
    return message
