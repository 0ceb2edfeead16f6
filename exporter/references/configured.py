"""References that a monitor file names: static ones in files, and windows of the model's own history."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

from exporter.references.reference import Reference
from exporter.references.reference_file import load
from exporter.summary.windows import MICROSECONDS, Window
from mlslo.monitor import Monitor
from mlslo.monitor import Reference as ReferenceSettings
from mlslo.yamlfile import InputError

VERSION = "{version}"
"""Stands for the model version in a reference's path."""

_LONGEST_MONTH = 31 * 86_400.0
_A_YEAR_AND_A_MONTH = 366 * 86_400.0 + _LONGEST_MONTH


def of_versions(monitor: Monitor) -> list[str]:
    """Return the names of the references that each version has of its own."""
    return [name for name, item in monitor.spec.references.items() if item.static and VERSION in item.static]


def path_of_version(monitor: Monitor, name: str, version: str) -> Path | None:
    """Return the path of the reference ``name`` of one version; a version that is no file name has none."""
    template = monitor.spec.references[name].static
    if template is None or not version or "/" in version or "\0" in version or version in (".", ".."):
        return None
    return monitor.resolve(template.replace(VERSION, version))


def fingerprint(path: Path) -> tuple[int, ...] | None:
    """Return a tuple that changes when the file does; None where there is none."""
    try:
        found = path.stat()
    except FileNotFoundError:
        return None
    except (OSError, ValueError):
        # Not a name that a file can have, or not to be looked at: what it is, ``load`` says.
        return ()
    return found.st_mtime_ns, found.st_size, found.st_ino


def load_static(monitor: Monitor) -> dict[str, Reference]:
    """Load every static reference that all versions share, by name.

    Raises InputError that points into the monitor file where one is missing, or no reference file.
    """
    references = {}
    problems = []
    for name, item in monitor.spec.references.items():
        if item.static is None or VERSION in item.static:
            continue
        path = monitor.resolve(item.static)
        try:
            references[name] = load(path)
        except InputError as error:
            text = f"reference file {error}"
            if fingerprint(path) is None:
                text += "; build it with: mlslo-exporter baseline"
            problems.append(monitor.document.problem(("spec", "references", name, "static"), text))
    if problems:
        raise InputError(problems)
    return references


class HistoryWindows:
    """Baseline windows. ``spans``: how far back each reaches, in seconds."""

    def __init__(self, references: Mapping[str, ReferenceSettings]) -> None:
        self._sliding = {
            name: (item.sliding.seconds, item.offset.seconds if item.offset else 0.0)
            for name, item in references.items()
            if item.sliding is not None
        }
        self._months = [name for name, item in references.items() if item.calendar == "month"]
        self.spans = [length + offset for length, offset in self._sliding.values()]
        self.spans += [_A_YEAR_AND_A_MONTH for _ in self._months]

    def windows(self, end: int) -> list[Window]:
        """Return the window of each as of ``end`` (epoch µs)."""
        found = []
        for name, (length, offset) in self._sliding.items():
            stop = end - int(offset * MICROSECONDS)
            found.append(Window(name, stop - int(length * MICROSECONDS), stop, reference=True))
        for name in self._months:
            found.append(Window(name, *_same_month_last_year(end), reference=True))
        return found


def _same_month_last_year(end: int) -> tuple[int, int]:
    now = datetime.fromtimestamp(end / MICROSECONDS, UTC)
    start = datetime(now.year - 1, now.month, 1, tzinfo=UTC)
    stop = datetime(start.year + start.month // 12, start.month % 12 + 1, 1, tzinfo=UTC)
    return int(start.timestamp()) * MICROSECONDS, int(stop.timestamp()) * MICROSECONDS
