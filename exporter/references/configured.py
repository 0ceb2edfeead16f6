"""Static references that a monitor file names."""

from __future__ import annotations

from pathlib import Path

from exporter.references.reference import Reference
from exporter.references.reference_file import load
from mlslo.monitor import Monitor
from mlslo.yamlfile import InputError

VERSION = "{version}"
"""Stands for the model version in a reference's path."""


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
