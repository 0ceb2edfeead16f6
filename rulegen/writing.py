"""Generated files are written all or none."""

from __future__ import annotations

import contextlib
import os
import re
import stat
from collections import deque
from collections.abc import Iterable
from pathlib import Path

from exporter.yamlfile import InputError
from rulegen.output import Files, on_disk

# So many files are brought to the disk one by one, more of them all at once: a power cut leaves no empty file.
_MOST_SYNCED_EACH = 100
_TEMPORARY = re.compile(r"\..+\.([0-9]+)-[^.]+\.new", re.DOTALL)


def write(directory: Path, files: Files) -> list[str]:
    """Write what is not on disk yet as it should be, and return its names.

    Everything is written beside its place before the first file is put there, so that running out
    of space leaves the folder as it was. What a run that was killed left beside its files is removed.
    Raises InputError where it cannot be written.
    """
    present = {folder: _present(directory / folder) for folder in {_folder(name) for name in files}}
    known = {name for name in files if name.rpartition("/")[2] in present[_folder(name)]}
    changed = [name for name, text in files.items() if name not in known or on_disk(directory, name) != text]
    pending: deque[tuple[str, str]] = deque()
    made: list[Path] = []
    try:
        for missing in _missing({directory / _folder(name) for name in changed}):
            missing.mkdir(exist_ok=True)
            made.append(missing)
        each = len(changed) <= _MOST_SYNCED_EACH
        for name in changed:
            path = os.path.join(directory, name)
            mode = _mode(path) if name in known else None
            pending.append((_beside(path, files[name], mode, synced=each), path))
        if not each:
            os.sync()
        while pending:
            os.replace(*pending[0])
            pending.popleft()
        made.clear()
    except OSError as error:
        place = error.filename or directory
        raise InputError.of_file(place, f"cannot be written: {error.strerror}") from None
    finally:
        for temporary, _ in pending:
            with contextlib.suppress(OSError):
                os.unlink(temporary)
        for folder in reversed(made):
            # One that others have put something into stays.
            with contextlib.suppress(OSError):
                folder.rmdir()
    return changed


def _missing(folders: Iterable[Path]) -> list[Path]:
    """Of the folders and those that they are in, what is not there yet, the outer ones first."""
    absent: set[Path] = set()
    for folder in folders:
        while folder not in absent and not folder.exists():
            absent.add(folder)
            folder = folder.parent
    return sorted(absent)


def _folder(name: str) -> str:
    return name.rpartition("/")[0]


def _beside(path: str, text: str, mode: int | None, *, synced: bool) -> str:
    """Write a temporary file; ``mode``: the permissions it gets, those of any new file where not given."""
    folder, name = os.path.split(path)
    temporary = os.path.join(folder, f".{name}.{os.getpid()}-0.new")
    # What nobody else may read is not for a moment readable.
    created = 0o666 if mode is None else 0o600
    handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, created)
    try:
        data = memoryview(text.encode())
        while data:
            data = data[os.write(handle, data) :]
        if mode is not None:
            os.fchmod(handle, mode)
        if synced:
            os.fsync(handle)
    except BaseException:
        os.unlink(temporary)
        raise
    finally:
        os.close(handle)
    return temporary


def _present(folder: Path) -> set[str]:
    """The files of a folder, after removing temporary files of runs that are over: a kill leaves nobody to do it."""
    try:
        names = set(os.listdir(folder))
    except OSError:
        return set()
    for name in names:
        process = _TEMPORARY.fullmatch(name)
        if process is not None and not _runs(int(process[1])):
            with contextlib.suppress(OSError):
                (folder / name).unlink()
    return names


def _runs(process: int) -> bool:
    try:
        os.kill(process, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except OSError:
        return True
    return process != os.getpid()


def _mode(path: str) -> int | None:
    """Permissions of the file that is replaced."""
    try:
        mode = os.stat(path).st_mode
    except FileNotFoundError:
        return None
    if stat.S_ISDIR(mode):
        raise InputError.of_file(path, "cannot be written: a folder of that name is there")
    return mode & 0o777
