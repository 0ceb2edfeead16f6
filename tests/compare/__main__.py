"""Generate and measure the example with each of two commits, and print what differs, a line each."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click
import yaml
from prometheus_client.parser import text_string_to_metric_families

from tests.support.paths import ROOT

EXAMPLE = Path("examples/diabetes")
MOMENTS = ("2025-01-06T07:45:00Z", "2025-01-06T09:25:00Z", "2025-01-06T10:10:00Z")
TOLERANCE = 1e-9
VOLATILE = re.compile(
    r"ml_monitor_(cycle_duration|last_success_timestamp)_seconds|ml_exporter_build_info|process_|python_"
)
"""Gauges of the run itself."""

Leaves = dict[str, Any]


@contextmanager
def checked_out(commit: str) -> Iterator[Path]:
    """Check ``commit`` out for a while, its example as old as any other's: a reference is as old as its data."""
    with tempfile.TemporaryDirectory(prefix="mlslo-compare-") as folder:
        tree = Path(folder, "tree")
        subprocess.run(["git", "worktree", "add", "--quiet", "--detach", tree, commit], cwd=ROOT, check=True)
        try:
            for path in (tree / EXAMPLE).rglob("*"):
                os.utime(path, (1_736_150_400, 1_736_150_400))
            yield tree
        finally:
            subprocess.run(["git", "worktree", "remove", "--force", tree], cwd=ROOT, check=True)


def run(tree: Path, *arguments: object) -> str:
    """Run a module of ``tree`` with this environment's Python, and return what it prints."""
    done = subprocess.run(
        [sys.executable, "-m", *map(str, arguments)],
        cwd=tree,
        env={**os.environ, "PYTHONPATH": str(tree)},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise click.ClickException(f"{tree.name}: {' '.join(map(str, arguments))}: {done.stderr}")
    return done.stdout


def generated(tree: Path) -> Leaves:
    """The rules, routing and dashboards that ``tree`` generates for the example, as data."""
    specs = [EXAMPLE / f"{name}.yaml" for name in ("slo", "routing", "monitor")]
    out = tree.parent / "generated"
    run(tree, "rulegen", "generate", *specs, "--out", out)
    readers: list[tuple[str, Callable[[str], Any]]] = [
        ("rules/*.yaml", yaml.safe_load), ("alertmanager/*.yaml", yaml.safe_load),
        ("alertmanager/*.tmpl", str), ("dashboards/*.json", json.loads),
    ]  # fmt: skip
    found: Leaves = {}
    for pattern, read in readers:
        for path in sorted(out.glob(pattern)):
            if not path.stem.endswith("_test"):
                found |= dict(leaves(read(path.read_text(encoding="utf-8")), str(path.relative_to(out))))
    return found


def measured(tree: Path) -> Leaves:
    """Every gauge of the recorded log as of each moment, by its name and labels."""
    monitor = EXAMPLE / "monitor.yaml"
    run(tree, "exporter", "baseline", monitor, "--data", EXAMPLE / "reference-data.jsonl",
        "--out", EXAMPLE / "references/validation.json")  # fmt: skip
    found: Leaves = {}
    for moment in MOMENTS:
        for family in text_string_to_metric_families(run(tree, "exporter", "once", monitor, "--at", moment)):
            for sample in family.samples:
                labels = ", ".join(f'{name}="{value}"' for name, value in sorted(sample.labels.items()))
                if not VOLATILE.match(sample.name):
                    found[f"{moment} {sample.name}{{{labels}}}"] = sample.value
    return found


def leaves(data: Any, path: str) -> Iterator[tuple[str, Any]]:
    """Each value of nested data with the path to it; an entry of a list goes by its name where it has one."""
    if isinstance(data, dict) and data:
        for key, value in data.items():
            yield from leaves(value, f"{path}: {key}")
    elif isinstance(data, list) and data:
        seen: dict[str, int] = {}
        for index, value in enumerate(data):
            name = name_of(value) or str(index)
            seen[name] = seen.get(name, 0) + 1
            yield from leaves(value, f"{path}: {name}" + (f" ({seen[name]})" if seen[name] > 1 else ""))
    else:
        yield path, data


def name_of(entry: object) -> str | None:
    """The name of a rule (with its SLO and tier), group, receiver or panel."""
    if not isinstance(entry, dict):
        return None
    for key in ("alert", "record", "name", "title"):
        if isinstance(entry.get(key), str):
            labels = entry.get("labels") or {}
            return " ".join(
                [entry[key], *(str(labels[label]) for label in ("slo", "tier") if label in labels)]
            )
    return None


def differences(old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[str]:
    """A line for each value that only one side has, or that is another."""
    for path in sorted({*old, *new}):
        if path not in new:
            yield f"- {path}: {shown(old[path])}"
        elif path not in old:
            yield f"+ {path}: {shown(new[path])}"
        elif not same(old[path], new[path]):
            yield f"  {path}: {shown(old[path])} → {shown(new[path])}"


def same(old: object, new: object) -> bool:
    """Return whether two values are equal; numbers need to be so within a relative 1e-9."""
    if isinstance(old, float) and isinstance(new, float) and old == old and new == new:
        return abs(old - new) <= TOLERANCE * max(abs(old), abs(new)) or old == new
    return repr(old) == repr(new)


def shown(value: object) -> str:
    """A value on one line of bearable length."""
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= 200 else text[:200] + "…"


@click.command()
@click.argument("old")
@click.argument("new", default="HEAD")
@click.option(
    "--except", "accepted", help="Lines that match this regular expression are counted, not printed."
)
def main(old: str, new: str, accepted: str | None) -> None:
    """Compare the commits OLD and NEW: the example's rules, routing, dashboards, and gauges of its recorded log."""
    with checked_out(old) as before, checked_out(new) as after:
        pairs = {
            "rules, routing, dashboards": (generated(before), generated(after)),
            "gauges": (measured(before), measured(after)),
        }
    failed = False
    for name, (left, right) in pairs.items():
        lines = list(differences(left, right))
        unexpected = [line for line in lines if not (accepted and re.search(accepted, line))]
        failed = failed or bool(unexpected)
        for line in unexpected:
            click.echo(line)
        click.echo(f"{name}: {len(left)} values before, {len(right)} after; {len(unexpected)} differ, "
                   f"{len(lines) - len(unexpected)} more as --except says")  # fmt: skip
    sys.exit(failed)


if __name__ == "__main__":
    main()
