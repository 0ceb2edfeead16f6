"""The references that a monitor file names."""

from __future__ import annotations

from pathlib import Path

from exporter.monitor import Monitor
from exporter.reference import Reference
from exporter.reference_file import load
from exporter.yamlfile import InputError


def load_static(monitor: Monitor) -> dict[str, Reference]:
    """Every static reference by name.

    Raises InputError that points into the monitor file where one is missing, or no reference file.
    """
    references = {}
    problems = []
    for name, item in monitor.spec.references.items():
        if item.static is None:
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
