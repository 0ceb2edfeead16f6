"""Files of receivers as keys of a Secret."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any, Literal

from mlslo.yamlfile import Location, Problem
from rulegen.spec.routing import Operator, Routing

# Where the operator mounts what the Alertmanager object lists under `secrets` and `configMaps`:
# `secretsDir` and `configmapsDir` of its pkg/alertmanager/statefulset.go.
SECRETS = PurePosixPath("/etc/alertmanager/secrets")
CONFIG_MAPS = PurePosixPath("/etc/alertmanager/configmaps")
# The Secret of files that stand right in the first of them.
RECEIVERS = "mlslo-receivers"

_MOUNTS: Mapping[PurePosixPath, Literal["secret", "configMap"]] = {
    SECRETS: "secret",
    CONFIG_MAPS: "configMap",
}
_KEY = re.compile(r"[-._a-zA-Z0-9]{1,253}")


@dataclass(frozen=True)
class Reference:
    """One key of a Secret or of a ConfigMap."""

    kind: Literal["secret", "configMap"]
    name: str
    key: str

    @property
    def path(self) -> str:
        """The file that it is for Alertmanager."""
        return str((SECRETS if self.kind == "secret" else CONFIG_MAPS) / self.name / self.key)


@dataclass(frozen=True)
class File:
    """A file that a receiver names. ``reference`` is None for one that only the user's own mounts can bring."""

    location: Location
    path: str
    reference: Reference | None


def reference(path: str, operator: Operator) -> Reference | None:
    """The key that stands for the file at ``path``, where that is known."""
    file = PurePosixPath(path)
    if kind := _MOUNTS.get(file.parent.parent):
        return Reference(kind, file.parent.name, file.name)
    if operator.secret is not None:
        return Reference("secret", operator.secret, file.name)
    return Reference("secret", RECEIVERS, file.name) if file.parent == SECRETS else None


def files(routing: Routing) -> list[File]:
    """Every file that a receiver names, in the order of the routing file."""
    return [
        File(location, path, reference(path, routing.operator))
        for location, path in _paths(routing.spec.all_receivers, ("spec", "receivers"))
    ]


def needed(found: list[File]) -> dict[str, list[str]]:
    """Secret -> the keys that it must have."""
    keys: dict[str, set[str]] = {}
    for file in found:
        if file.reference is not None and file.reference.kind == "secret":
            keys.setdefault(file.reference.name, set()).add(file.reference.key)
    return {name: sorted(keys[name]) for name in sorted(keys)}


def problems(routing: Routing, found: list[File]) -> Iterator[Problem]:
    """Files that no key can stand for, and two that the same one would."""
    first: dict[Reference, File] = {}
    for file in found:
        if file.reference is None:
            continue
        key = file.reference.key
        if not _KEY.fullmatch(key):
            message = f"'{key}' cannot be a key of a Secret, which takes letters, digits, '-', '_' and '.'"
            yield routing.document.problem(file.location, message)
        other = first.setdefault(file.reference, file)
        if other.path != file.path:
            message = (
                f"'{file.path}' and '{other.path}' would both be the key '{key}' of the Secret "
                f"'{file.reference.name}'; give {SECRETS}/<Secret>/<key>"
            )
            yield routing.document.problem(file.location, message)


def _paths(value: Any, at: Location) -> Iterator[tuple[Location, str]]:
    if isinstance(value, dict):
        for key, inner in value.items():
            if isinstance(inner, str):
                if str(key).endswith("_file") and len(at) > 3:
                    yield (*at, key), inner
            else:
                yield from _paths(inner, (*at, key))
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from _paths(inner, (*at, index))
