"""The files that damaged ones come from, and what is learnt from them: keys, and values by their key."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mlslo.yamlfile import read
from rulegen.commands import json_schemas
from tests.support.paths import CONTRACT, CORPUS, TESTS, ZOO

OWN = Path(__file__).parent / "originals"
_FOUND: dict[str, Path] = {
    "slo.yaml": CONTRACT / "fraud.slo.yaml",
    "routing.yaml": CONTRACT / "routing.yaml",
    "monitor.yaml": CONTRACT / "fraud.monitor.yaml",
    "scenario.yaml": OWN / "scenario.yaml",
    "base.yaml": OWN / "alertmanager.yaml",
    "full.slo.yaml": OWN / "slo.yaml",
    "full.routing.yaml": OWN / "routing.yaml",
    "full.monitor.yaml": OWN / "monitor.yaml",
    "operator.routing.yaml": TESTS / "crds" / "routing.yaml",
    **{f"{path.stem}.slo.yaml": path for path in sorted(CORPUS.glob("*.yaml"))},
    **{f"{path.stem}.slo.yaml": path for path in sorted(ZOO.glob("conditions*.yaml"))},
    "companion.slo.yaml": ZOO / "companions.yaml",
}  # fmt: skip
DATA: dict[str, Any] = {name: read(path).data for name, path in _FOUND.items()}
TEXTS: dict[str, bytes] = {name: path.read_bytes() for name, path in _FOUND.items()}
SLOS = tuple(name for name in _FOUND if name.endswith("slo.yaml"))
# Those that are about no model of a monitor file.
ALONE = tuple(name for name in SLOS if name not in ("slo.yaml", "full.slo.yaml"))


def _pairs(data: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(data, dict):
        for key, value in data.items():
            yield key, value
            yield from _pairs(value)
    elif isinstance(data, list):
        for value in data:
            yield from _pairs(value)


def _by_key() -> dict[str, list[Any]]:
    found: dict[str, list[Any]] = {}
    for data in DATA.values():
        for key, value in _pairs(data):
            known = found.setdefault(key, [])
            if value not in known:
                known.append(value)
    for key, value in _pairs(json_schemas.schema(json_schemas.ANY)):
        if isinstance(value, dict):
            found.setdefault(key, []).extend(value.get("enum", []))
    return found


# What stands under a key somewhere, or may stand there.
VALUES = _by_key()
KEYS = sorted(VALUES)
