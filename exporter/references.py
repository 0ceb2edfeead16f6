"""The references that a monitor file names."""

from __future__ import annotations

from pathlib import Path

from exporter.monitor import Monitor
from exporter.reference import Reference
from exporter.reference_file import load
from exporter.yamlfile import InputError

VERSION = "{version}"
"""Stands for the model version in a reference's path."""


def of_versions(monitor: Monitor) -> list[str]:
    """The names of the references that each version has of its own."""
    return [name for name, item in monitor.spec.references.items() if item.static and VERSION in item.static]


def load_of_version(monitor: Monitor, name: str, version: str) -> Reference | None:
    """The reference ``name`` of one version, None where there is no such file.

    Raises InputError where it is no reference file. A version that is no file name has none.
    """
    template = monitor.spec.references[name].static
    if template is None or not version or "/" in version or "\0" in version or version in (".", ".."):
        return None
    path = monitor.resolve(template.replace(VERSION, version))
    return None if _is_missing(path) else load(path)


def load_static(monitor: Monitor) -> dict[str, Reference]:
    """Every static reference that all versions share, by name.

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
            if _is_missing(path):
                text += "; build it with: mlslo-exporter baseline"
            problems.append(monitor.document.problem(("spec", "references", name, "static"), text))
    if problems:
        raise InputError(problems)
    return references


def _is_missing(path: Path) -> bool:
    try:
        path.stat()
    except FileNotFoundError:
        return True
    except (OSError, ValueError):
        # Not a name that a file can have, or not to be looked at.
        return False
    return False
