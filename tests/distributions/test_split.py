"""The four distributions say together what pyproject.toml says, and each requires what its code imports."""

from __future__ import annotations

import ast
import sys
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement

from distributions.bounds import lowest
from distributions.split import CORE, DEVELOPMENT, HALVES, WHOLE, Distribution, SplitError, pyproject, split
from mlslo.version import VERSION
from tests.support.paths import ROOT

PARTS = {part.name: part for part in split(ROOT)}
PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def names(lines: Any) -> set[str]:
    return {Requirement(line).name.lower().replace("_", "-") for line in lines}


def imported(package: str, required: set[str]) -> set[str]:
    """Return the distributions from which ``package`` imports something, at its start or later.

    Of the owners of a namespace, such as ``google``, those are meant that are ``required``.
    """
    owners = {
        name: {owner.lower().replace("_", "-") for owner in found}
        for name, found in packages_distributions().items()
    }
    found: set[str] = set()
    for file in (ROOT / package).rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                modules = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                modules = [node.module]
            else:
                continue
            for module in (module.partition(".")[0] for module in modules):
                if module not in sys.stdlib_module_names and module not in ("mlslo", *HALVES):
                    found |= owners[module] & required or owners[module]
    return found - {"pydantic-core"}  # it comes with pydantic, in the version that pydantic needs


@pytest.mark.parametrize("package", ["mlslo", *HALVES])
def test_a_distribution_requires_what_its_code_imports(package: str) -> None:
    """A new dependency that one half alone imports belongs into its list under tool.mlslo.halves."""
    core = names(PARTS[CORE].dependencies)
    if package == "mlslo":
        assert imported(package, core) == core
        return
    part = PARTS[f"mlslo-{package}"]
    own = names(part.dependencies) - {CORE}
    optional = names(line for lines in part.extras.values() for line in lines)
    assert imported(package, own | optional) - core == own | optional
    assert not own & core


def test_all_of_them_are_the_project() -> None:
    parts = [part for part in PARTS.values() if part.name != WHOLE]
    ours = {f"{name}=={VERSION}" for name in PARTS}
    assert {line for part in parts for line in part.dependencies} - ours == set(PROJECT["dependencies"])
    assert {name: command for part in parts for name, command in part.scripts.items()} == PROJECT["scripts"]
    extras = {name: list(lines) for part in parts for name, lines in part.extras.items()}
    assert extras == {
        n: v for n, v in PROJECT["optional-dependencies"].items() if n not in {*DEVELOPMENT, *HALVES}
    }


def test_plain_mlslo_is_both_halves_and_has_every_extra() -> None:
    whole = PARTS[WHOLE]
    assert names(whole.dependencies) == {f"mlslo-{half}" for half in HALVES}
    assert whole.extras.keys() == PROJECT["optional-dependencies"].keys() - DEVELOPMENT
    assert whole.extras["web"] == [f"mlslo-exporter[web]=={VERSION}"]


@pytest.mark.parametrize("part", PARTS.values(), ids=PARTS)
def test_a_project_is_whole_and_as_the_repository_says(part: Distribution) -> None:
    written = tomllib.loads(pyproject(ROOT, part))
    project = written["project"]
    assert (project["name"], project["version"]) == (part.name, VERSION)
    assert project["requires-python"] == PROJECT["requires-python"]
    assert project["dependencies"] == list(part.dependencies)
    assert written["tool"]["setuptools"]["package-data"].keys() == set(part.packages)


def test_the_lowest_bounds_are_those_of_every_dependency() -> None:
    found = dict(line.split("==") for line in lowest(PARTS.values()))
    extras = [line for n, v in PROJECT["optional-dependencies"].items() if n not in DEVELOPMENT for line in v]
    assert found.keys() == {Requirement(line).name for line in [*PROJECT["dependencies"], *extras]}
    assert all(
        f"{name}>={version}" in str([*PROJECT["dependencies"], *extras]) for name, version in found.items()
    )


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        (
            '"duckdb", "httptools"',
            '"duckdb2", "httptools"',
            "names dependencies that the project has not: ['duckdb2']",
        ),
        (
            '"loss", "objects"',
            '"loss2", "objects"',
            "names extras that the project has not: ['loss2']",
        ),
        (
            '"loss", "objects"',
            '"objects"',
            "expected each extra in tool.mlslo.halves, missing ['loss']",
        ),
    ],
)
def test_a_list_of_a_half_that_does_not_fit_is_refused(old: str, new: str, said: str, tmp_path: Path) -> None:
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    assert old in text
    (tmp_path / "pyproject.toml").write_text(text.replace(old, new), encoding="utf-8")
    with pytest.raises(SplitError) as refused:
        split(tmp_path)
    assert said in str(refused.value)
