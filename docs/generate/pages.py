"""The generated pages, by path."""

from __future__ import annotations

import importlib
import json
import tomllib
from collections.abc import Mapping
from difflib import unified_diff
from pathlib import Path

import click

from docs.generate import chain, commands, decisions, files, lints, statistics, status
from exporter.gate import Verdict
from mlslo import atomic
from mlslo.actions import ActionsFile
from mlslo.catalogue import METRICS
from mlslo.catalogue import markdown as metrics
from mlslo.monitor import MonitorFile
from rulegen.commands import json_schemas
from rulegen.simulation.scenario import ScenarioFile
from rulegen.spec.model_slo import ModelSloFile
from rulegen.spec.routing import RoutingFile

KINDS = (MonitorFile, ModelSloFile, RoutingFile, ScenarioFile, ActionsFile)


def render(root: Path) -> tuple[dict[str, str], list[str]]:
    """Path below ``root`` -> text, and what has no description (metrics, flags, keys) by name."""
    undescribed = [f"metric {name}: no help" for name, metric in METRICS.items() if not metric.help.strip()]
    command_page, of_commands = commands.render(programs(root))
    file_page, of_files = files.render(KINDS)
    rendered = {
        "docs/metrics.md": metrics.render(statistics.links(root)),
        "docs/commands.md": command_page,
        "docs/files.md": file_page,
        **statistics.render(root),
        **decisions.render(root),
        "docs/lint/README.md": lints.render(),
        **{f"docs/schemas/{name}": text for name, text in json_schemas.files().items()},
        "docs/schemas/GateVerdict.json": verdict_schema(),
        **{f"docs/chain-{theme}.svg": chain.render(theme) for theme in chain.PALETTES},
        "docs/status-page.svg": status.picture(),
    }
    return rendered, [*undescribed, *of_commands, *of_files]


def verdict_schema() -> str:
    """The schema of what `mlslo-exporter gate` writes."""
    schema = {"$schema": json_schemas.DIALECT, **Verdict.model_json_schema()}
    return json.dumps(schema, indent=1, ensure_ascii=False) + "\n"


def programs(root: Path) -> dict[str, click.Group]:
    """The commands that the project installs, by name, as pyproject.toml lists them."""
    project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    found: dict[str, click.Group] = {}
    for name, target in project["scripts"].items():
        module, _, attribute = target.partition(":")
        group = getattr(importlib.import_module(module), attribute)
        assert isinstance(group, click.Group)
        found[name] = group
    return found


def differences(root: Path, rendered: Mapping[str, str]) -> str:
    """A unified diff from the files on disk to what they should be; empty where they are."""
    return "".join(
        line
        for name, text in rendered.items()
        for line in unified_diff(
            _read(root / name).splitlines(keepends=True),
            text.splitlines(keepends=True),
            name,
            f"{name} (now)",
        )
    )


def write(root: Path, rendered: Mapping[str, str]) -> list[str]:
    """Write what differs, each file whole or not at all; returns the paths written."""
    stale = [name for name, text in rendered.items() if _read(root / name) != text]
    for name in stale:
        atomic.write(root / name, rendered[name].encode())
    return stale


def _read(path: Path) -> str:
    return path.read_text(encoding="utf-8") if path.exists() else ""
