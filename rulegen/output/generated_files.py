"""Generated files: rendered in memory, compared with what is on disk."""

from __future__ import annotations

import difflib
import json
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any

from rulegen.output import block_yaml
from rulegen.output.stamp import MARK, mark

__all__ = ["MARK", "Files", "differences", "json_text", "mark", "on_disk", "stale", "yaml_text"]

Files = Mapping[str, str]


def yaml_text(data: Any, source: str) -> str:
    """``data`` as one YAML document whose first line says where it came from."""
    return f"# {mark(source)}\n{block_yaml.dump(data)}"


def json_text(data: Any) -> str:
    """``data`` as JSON."""
    return json.dumps(data, indent=2, ensure_ascii=False) + "\n"


def _on_disk(path: Path) -> str | None:
    try:
        return path.read_bytes().decode()
    except (OSError, UnicodeDecodeError):
        return None


def on_disk(directory: Path, name: str) -> str | None:
    """The text of a generated file as it is; None where there is none."""
    return _on_disk(directory / name)


def stale(directory: Path, names: Collection[str]) -> list[str]:
    """Files that an earlier run generated, and that are not among ``names``."""
    return sorted(_generated(directory, names))


def _generated(directory: Path, names: Collection[str]) -> Iterator[str]:
    for pattern in (
        "rules/*.yaml",
        "tests/*.yaml",
        "alertmanager/*.yaml",
        "alertmanager/*.tmpl",
        "alertmanager/templates/*",
        "dashboards/*.json",
        "runbooks/*.md",
        "runbooks/*/*.md",
    ):
        for path in directory.glob(pattern):
            name = path.relative_to(directory).as_posix()
            if name not in names and MARK in (_on_disk(path) or "")[:1000]:
                yield name


def differences(directory: Path, files: Files) -> str:
    """A unified diff from what is on disk to what the specs say; empty where there is none."""
    wanted: dict[str, str | None] = {**files, **dict.fromkeys(stale(directory, files))}
    return "".join(_difference(directory, name, wanted[name]) for name in sorted(wanted))


def _difference(directory: Path, name: str, wanted: str | None) -> str:
    found = _on_disk(directory / name)
    if found == wanted:
        return ""
    lines = difflib.unified_diff(
        (found or "").splitlines(keepends=True),
        (wanted or "").splitlines(keepends=True),
        "/dev/null" if found is None else f"a/{name}",
        "/dev/null" if wanted is None else f"b/{name}",
    )
    return "".join(
        line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n" for line in lines
    )
