"""Cut pyproject.toml into four: mlslo-core, mlslo-exporter, mlslo-rulegen, and mlslo, which requires both halves.

pip has no way to leave out a base dependency. So what is lean has a name of its own, and ``mlslo`` has no code.
Needs nothing but Python, as staging.py does: a pipeline installs a half from the sources.
"""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mlslo.version import VERSION

HALVES = ("exporter", "rulegen")
CORE = "mlslo-core"
WHOLE = "mlslo"
DEVELOPMENT = frozenset({"test"})
"""Extras that belong to the clone, and are in no distribution."""


class SplitError(Exception):
    """A name under ``tool.mlslo.halves`` that nothing has, or an extra that no half has."""


@dataclass(frozen=True)
class Distribution:
    """One distribution: its packages, what it requires, and its commands."""

    name: str
    description: str
    packages: Sequence[str] = ()
    dependencies: Sequence[str] = ()
    extras: Mapping[str, Sequence[str]] = field(default_factory=dict)
    scripts: Mapping[str, str] = field(default_factory=dict)


def split(root: Path) -> tuple[Distribution, ...]:
    """Return the distributions of the project in ``root``, each after those that it requires.

    Raises SplitError where ``tool.mlslo.halves`` does not fit to the dependencies and extras of the project.
    """
    settings = _read(root)
    project, halves = settings["project"], settings["tool"]["mlslo"]["halves"]
    extras: Mapping[str, Sequence[str]] = project["optional-dependencies"]
    by_name = {_name(line): line for line in project["dependencies"]}
    of_halves = {name for half in HALVES for name in halves[half]["dependencies"]}
    _require_known("dependencies", of_halves, by_name)
    owned = {name for half in HALVES for name in halves[half].get("extras", ())}
    _require_known("extras", owned, extras)
    if orphans := sorted(extras.keys() - owned - DEVELOPMENT - set(HALVES)):
        raise SplitError(f"pyproject.toml: expected each extra in tool.mlslo.halves, missing {orphans}")

    core = Distribution(
        CORE,
        "What both halves of mlslo share: strict YAML, the catalogue of metrics, the ModelMonitor file",
        packages=["mlslo"],
        dependencies=[line for name, line in by_name.items() if name not in of_halves],
    )
    parts = [
        Distribution(
            f"mlslo-{half}",
            halves[half]["description"],
            packages=[half],
            dependencies=[_exactly(CORE), *(by_name[name] for name in sorted(halves[half]["dependencies"]))],
            extras={name: extras[name] for name in halves[half].get("extras", ())},
            scripts={f"mlslo-{half}": project["scripts"][f"mlslo-{half}"]},
        )
        for half in HALVES
    ]
    whole = Distribution(
        WHOLE,
        project["description"],
        dependencies=[_exactly(part.name) for part in parts],
        extras={half: [_exactly(f"mlslo-{half}")] for half in HALVES}
        | {name: [_exactly(f"{part.name}[{name}]")] for part in parts for name in part.extras},
    )
    return core, *parts, whole


def pyproject(root: Path, distribution: Distribution) -> str:
    """Return the text of ``distribution``'s pyproject.toml; what it does not say is as in the one of ``root``."""
    settings = _read(root)
    kept = ("license", "license-files", "requires-python")
    project = {
        "name": distribution.name,
        "version": VERSION,
        "description": distribution.description,
        "readme": "README.md",
        **{key: settings["project"][key] for key in kept},
        "dependencies": distribution.dependencies,
        "optional-dependencies": distribution.extras,
        "scripts": distribution.scripts,
    }
    data = settings["tool"]["setuptools"]["package-data"]
    finder = {"include": [f"{package}*" for package in distribution.packages]}
    tool = {
        # One that has no code of its own must say so, or setuptools looks for some.
        "packages": {"find": finder} if distribution.packages else [],
        "package-data": {package: data[package] for package in distribution.packages},
    }
    tables = {"build-system": settings["build-system"], "project": project, "tool": {"setuptools": tool}}
    return "\n".join(_toml(tables, ())) + "\n"


def _read(root: Path) -> dict[str, Any]:
    return tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))


def _name(requirement: str) -> str:
    found = re.match(r"[\w.-]+", requirement)
    if found is None:
        raise SplitError(f"pyproject.toml: a dependency without a name: {requirement}")
    return found[0]


def _exactly(name: str) -> str:
    return f"{name}=={VERSION}"


def _require_known(what: str, named: set[str], known: Mapping[str, object]) -> None:
    if unknown := sorted(named - known.keys()):
        raise SplitError(
            f"pyproject.toml: tool.mlslo.halves names {what} that the project has not: {unknown}"
        )


def _toml(table: Mapping[str, Any], path: Sequence[str]) -> Iterator[str]:
    """Yield the lines of a table: a JSON text, or a list of them, is a TOML value as well."""
    if path:
        yield "[" + ".".join(path) + "]"
    for key, value in table.items():
        if not isinstance(value, Mapping):
            yield f"{key} = {json.dumps(value)}"
    for key, value in table.items():
        if isinstance(value, Mapping):
            yield from _toml(value, (*path, key))
