"""Generated files are written all or none."""

from __future__ import annotations

import contextlib
import errno
import os
import re
import shutil
import stat
from collections import deque
from collections.abc import Iterable
from pathlib import Path

from mlslo.yamlfile import InputError
from rulegen.output.generated_files import Files, on_disk

# So many files are brought to the disk one by one, more of them all at once: a power cut leaves no empty file.
_MOST_SYNCED_EACH = 100
_TEMPORARY = re.compile(r"\..+\.([0-9]+)-[^.]+\.new", re.DOTALL)


def write(directory: Path, files: Files) -> list[str]:
    """Write what is not on disk yet as it should be, and return its names.

    Everything is written beside its place before the first file is put there, so that running out
    of space leaves the folder as it was; a folder that is new is put there whole. What a run that was killed left
    beside its files is removed. Raises InputError where it cannot be written.
    """
    root = str(directory)
    for folder in _with_those_around(files):
        _clear(_path(root, folder))
    changed = [name for name in files if on_disk(directory / name) != files[name]]
    pending: deque[tuple[str, str]] = deque()
    try:
        prepared = _prepared(root, {_folder(name) for name in changed}, pending)
        each = len(changed) <= _MOST_SYNCED_EACH
        for name in changed:
            folder, _, own = name.rpartition("/")
            if folder in prepared:
                _create(f"{prepared[folder]}/{own}", files[name], None, synced=each)
                continue
            path = os.path.join(root, name)
            mode = _mode(path)
            beside = _beside(path, len(pending))
            pending.append((beside, path))
            _create(beside, files[name], mode, synced=each)
        if not each:
            os.sync()
        while pending:
            os.replace(*pending[0])
            pending.popleft()
    except OSError as error:
        place = _meant(str(error.filename or directory), pending)
        reason = error.strerror
        if error.errno in (errno.ENOTEMPTY, errno.EEXIST):
            reason = "somebody else has put it there meanwhile"
        raise InputError.of_file(place, f"cannot be written: {reason}") from None
    finally:
        for temporary, _ in pending:
            _remove(temporary)
    return changed


def _prepared(root: str, folders: set[str], pending: deque[tuple[str, str]]) -> dict[str, str]:
    """Where the content of folders that are not there yet is written: within a new one beside the outermost of them."""
    if (missing := _outermost_missing(root)) is not None:
        around, name = os.path.split(missing)
        _clear(around, _prefix(name))
    prepared: dict[str, str] = {}
    outermost: dict[str, str] = {}
    for folder in sorted(folders):
        path = _path(root, folder)
        missing = _outermost_missing(path)
        if missing is None:
            continue
        if missing not in outermost:
            outermost[missing] = _beside(missing, len(pending))
            pending.append((outermost[missing], missing))
        prepared[folder] = outermost[missing] + path[len(missing) :]
        os.makedirs(prepared[folder], exist_ok=True)
    return prepared


def _outermost_missing(path: str) -> str | None:
    missing = None
    while path and not os.path.lexists(path):
        missing, path = path, os.path.dirname(path)
    return missing


def _folder(name: str) -> str:
    return name.rpartition("/")[0]


def _with_those_around(files: Files) -> set[str]:
    """The folders of files, and those that they are in; the outermost is ""."""
    found = {""}
    for folder in {_folder(name) for name in files}:
        while folder not in found:
            found.add(folder)
            folder = _folder(folder)
    return found


def _path(root: str, folder: str) -> str:
    return os.path.join(root, folder) if folder else root


def _beside(path: str, number: int) -> str:
    """The name under which this run writes what will stand at ``path``."""
    folder, name = os.path.split(path)
    return os.path.join(folder, f"{_prefix(name)}{os.getpid()}-{number}.new")


def _prefix(name: str) -> str:
    """A name may have 255 bytes, and ours beside it is longer."""
    return f".{name[:50]}."


def _meant(place: str, pending: Iterable[tuple[str, str]]) -> str:
    """What will stand where ``place`` is, for messages."""
    for temporary, path in pending:
        if place == temporary or place.startswith(temporary + "/"):
            return path + place[len(temporary) :]
    return place


def _create(path: str, text: str, mode: int | None, *, synced: bool) -> None:
    """Write a new file; ``mode``: the permissions it gets, those of any new file where not given."""
    # What nobody else may read is not for a moment readable.
    created = 0o666 if mode is None else 0o600
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, created)
    try:
        data = memoryview(text.encode())
        while data:
            data = data[os.write(handle, data) :]
        if mode is not None:
            os.fchmod(handle, mode)
        if synced:
            os.fsync(handle)
    finally:
        os.close(handle)


def _remove(temporary: str) -> None:
    """A file, or a folder with all that is in it, if it is there."""
    with contextlib.suppress(OSError):
        os.unlink(temporary)
    shutil.rmtree(temporary, ignore_errors=True)


def _clear(folder: str, prefix: str = "") -> None:
    """Remove temporary files of runs that are over: a kill leaves nobody to do it."""
    try:
        names = os.listdir(folder or os.curdir)
    except OSError:
        return
    for name in names:
        process = _TEMPORARY.fullmatch(name)
        if process is not None and name.startswith(prefix) and not _runs(int(process[1])):
            _remove(os.path.join(folder, name))


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
