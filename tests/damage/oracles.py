"""Oracles of the files that came of accepted specs: the editors' schemas, promtool, amtool, the CRDs."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import jsonschema
import yaml

from mlslo.yamlfile import InputError, read
from rulegen.commands import json_schemas
from tests.damage.cases import Case
from tests.support.crd_schemas import Schema
from tests.support.tools import tool


@cache
def _validator() -> jsonschema.Draft7Validator:
    return jsonschema.Draft7Validator(json_schemas.schema(json_schemas.ANY))


def schemas(case: Case, folder: Path) -> Iterator[str]:
    """Return what editors would mark in an accepted file."""
    for name in case.files:
        if "/" in name or name not in case.arguments or name == "base.yaml":
            continue
        try:
            data = read(folder / name).data
        except InputError:
            continue
        for error in list(_validator().iter_errors(data))[:1]:
            yield f"the schema refuses {name}, which was accepted: {error.json_path}: {error.message[:300]}"


def _ran(name: str, *arguments: object) -> Iterator[str]:
    done = subprocess.run(
        [str(tool(name)), *map(str, arguments)], capture_output=True, text=True, check=False, timeout=600
    )
    if done.returncode:
        yield f"{name} {arguments[0]} {arguments[1]}: {(done.stdout + done.stderr)[-1500:]}"


def rules(case: Case, folder: Path) -> Iterator[str]:
    """Return why Prometheus, Alertmanager or the operator would not load what was written."""
    out = folder / "out" if "out" in case.arguments else folder
    if "operator" in case.arguments:
        for path in (*out.glob("rules/*.yaml"), out / "alertmanager/mlslo.yaml"):
            data = yaml.safe_load(path.read_text())
            if data["kind"] == "Secret":
                yield from _secret(case, folder, data["stringData"])
                continue
            for mistake in Schema.of(data["kind"]).mistakes(data)[:1]:
                yield f"the CRD of {path.name}: {mistake}"
    else:
        written = [path for path in out.glob("rules/*.yaml") if not path.stem.endswith("_test")]
        yield from _ran("promtool", "check", "rules", *written)
        configuration = out / "alertmanager/alertmanager.yaml"
        # What Alertmanager refuses in the file of others is theirs.
        base = folder / "base.yaml"
        if "--base" not in case.arguments or not list(_ran("amtool", "check-config", base)):
            yield from _ran("amtool", "check-config", configuration)
    for path in out.glob("dashboards/*.json"):
        json.loads(path.read_text())


def _secret(case: Case, folder: Path, carried: dict[str, str]) -> Iterator[str]:
    """Return why Alertmanager would refuse what the operator gives it, its templates beside it."""
    if "--base" in case.arguments and list(_ran("amtool", "check-config", folder / "base.yaml")):
        return
    place = folder / "secret"
    place.mkdir()
    for name, text in carried.items():
        (place / name).write_text(text.replace("/etc/alertmanager/config/", ""))
    yield from _ran("amtool", "check-config", place / "alertmanager.yaml")


def tests(case: Case, folder: Path) -> Iterator[str]:
    """Return how the generated tests of the generated rules fail."""
    out = folder / "out" if "out" in case.arguments else folder
    where = "tests" if "operator" in case.arguments else "rules"
    yield from _ran("promtool", "test", "rules", *sorted(out.glob(f"{where}/*_test.yaml")))
