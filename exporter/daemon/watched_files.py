"""Watched files: monitor files and their static references, compared by content."""

from __future__ import annotations

import hashlib
import stat
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from exporter.references.configured import VERSION
from mlslo.monitor import Monitor, load
from mlslo.yamlfile import InputError

# A file system's clock may tick as seldom as that: what was written later may have the same time.
_YOUNG = 2.0


class _Seen(NamedTuple):
    state: tuple[int, ...]
    digest: bytes


class WatchedFiles:
    """Monitor files, and the references that they name, as they were when they were loaded.

    Contents are compared, not times or names: a link that is turned to another folder, as a mounted ConfigMap has it,
    a file that is replaced and one that is written over all show. A file with the same stat is not read again.
    """

    def __init__(self, monitors: Sequence[Path]) -> None:
        self._monitors = list(monitors)
        self._seen: dict[Path, _Seen] = {}
        self._references: dict[Path, list[Path]] = {}
        self._loaded: dict[Path, bytes | None] = {}
        self._last: dict[Path, bytes | None] = {}

    def take(self) -> None:
        """Take what there is now as loaded; call it just before it is."""
        try:
            for path in self._monitors:
                try:
                    self._references[path] = references_of(load(path))
                except InputError:
                    # Those of the file before it stay in force with it.
                    self._references.setdefault(path, [])
        finally:
            self._loaded = self._last = self._contents()

    def changed(self) -> list[Path]:
        """Return the files whose content is not that which was loaded, where it has been so for two calls.

        A file that is being written is another one at the next call.
        """
        found = self._contents()
        stable = found == self._last
        self._last = found
        if not stable:
            return []
        return [path for path, digest in found.items() if digest != self._loaded.get(path)]

    def _contents(self) -> dict[Path, bytes | None]:
        paths = dict.fromkeys(
            [*self._monitors, *(path for paths in self._references.values() for path in paths)]
        )
        found = {path: self._digest(path) for path in paths}
        self._seen = {path: seen for path, seen in self._seen.items() if path in found}
        return found

    def _digest(self, path: Path) -> bytes | None:
        """Return a hash of the content; None where it cannot be read."""
        try:
            status = path.stat()
            if not stat.S_ISREG(status.st_mode):
                return None
            state = (status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns)
            seen = self._seen.pop(path, None)
            if seen is None or seen.state != state:
                with path.open("rb") as file:
                    seen = _Seen(state, hashlib.file_digest(file, "sha256").digest())
        except (OSError, ValueError):
            return None
        if abs(time.time() - status.st_mtime) > _YOUNG:
            self._seen[path] = seen
        return seen.digest


def references_of(monitor: Monitor) -> list[Path]:
    """Return the paths of the static references that all versions share; others are looked for in each cycle."""
    named = (item.static for item in monitor.spec.references.values())
    return [monitor.resolve(path) for path in named if path is not None and VERSION not in path]
