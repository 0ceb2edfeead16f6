"""Paths that match a pattern: as ``glob`` finds them, but each folder below ``**`` once, whatever links lead to it."""

from __future__ import annotations

import glob
import os
from collections.abc import Iterator
from pathlib import Path

from exporter.sinks.descriptors import failure

_ANY_FOLDERS = "**"


def matches(pattern: Path) -> tuple[list[str], list[str]]:
    """Return the sorted paths, and why folders could not be listed, where ``**`` asks for it."""
    if _ANY_FOLDERS not in pattern.parts:
        return sorted(glob.glob(str(pattern))), []  # noqa: PTH207 - the pattern is absolute
    place = pattern.parts.index(_ANY_FOLDERS)
    below = pattern.parts[place + 1 :]
    while below[:1] == (_ANY_FOLDERS,):
        below = below[1:]
    found: set[str] = set()
    failures: list[str] = []
    for base in glob.glob(str(Path(*pattern.parts[:place]))):  # noqa: PTH207
        for folder in _folders(base, set(), failures):
            paths, further = matches(Path(glob.escape(folder), *(below or ("*",))))
            found.update(paths)
            failures += further
    return sorted(found), failures


def unlistable(pattern: Path) -> str | None:
    """Say why the folder of ``pattern`` cannot be listed, which a glob passes over; None where it can or is none."""
    folder = next(parent for parent in pattern.parents if not glob.has_magic(str(parent)))
    try:
        os.scandir(folder).close()
    except FileNotFoundError:
        return None
    except OSError as error:
        return failure(str(folder), error)
    return None


def _folders(folder: str, seen: set[tuple[int, int]], failures: list[str]) -> Iterator[str]:
    """Yield ``folder`` and those below it, hidden ones excepted, by links as well."""
    try:
        status = os.stat(folder)  # noqa: PTH116 - thousands of them
        if (status.st_dev, status.st_ino) in seen:
            return
        seen.add((status.st_dev, status.st_ino))
        with os.scandir(folder) as entries:
            below = sorted(entry.path for entry in entries if entry.name[0] != "." and entry.is_dir())
    except (FileNotFoundError, NotADirectoryError):
        return
    except OSError as error:
        failures.append(failure(folder, error))
        return
    yield folder
    for path in below:
        yield from _folders(path, seen, failures)
