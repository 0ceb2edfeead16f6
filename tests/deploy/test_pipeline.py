"""The hooks of pre-commit, and what Argo CD and Flux are told to apply."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner

from rulegen.cli import main
from tests.support.paths import DIABETES, ROOT
from tests.support.sessions import blocks

GITOPS = ROOT / "deploy" / "gitops"


def documents(path: Path) -> list[dict[str, Any]]:
    return [document for document in yaml.safe_load_all(path.read_text(encoding="utf-8")) if document]


@pytest.fixture(scope="module")
def generated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the examples suppose: objects of prometheus-operator in the folder `generated` of a repository."""
    folder = tmp_path_factory.mktemp("repository") / "generated"
    done = CliRunner().invoke(main, ["generate", str(DIABETES), "--format", "operator", "--out", str(folder)])
    assert done.exit_code == 0, done.output
    return folder


HOOKS = yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text(encoding="utf-8"))


def test_every_hook_is_a_command() -> None:
    hooks = HOOKS
    assert [hook["id"] for hook in hooks] == ["mlslo-rulegen-generate", "mlslo-rulegen-check"]
    for hook in hooks:
        (command,) = re.findall(r"mlslo-rulegen (\w+)", hook["entry"])
        assert command in main.commands
        assert re.search(hook["files"], "slos/slo.yaml")
        assert hook["language"] == "python"


@pytest.mark.slow
def test_the_hook_fails_where_it_wrote_a_file_be_it_new_or_changed(tmp_path: Path) -> None:
    specs = [str(DIABETES / name) for name in ("slo.yaml", "routing.yaml")]
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])

    def hook(*arguments: str) -> subprocess.CompletedProcess[str]:
        # As pre-commit starts it.
        command = [*shlex.split(HOOKS[0]["entry"]), *arguments, "--out", "generated"]
        return subprocess.run(
            command, cwd=tmp_path, env={"PATH": path}, capture_output=True, text=True, check=False
        )

    first = hook(*specs)
    assert (first.returncode, "wrote generated/rules/diabetes.yaml" in first.stdout) == (1, True)
    again = hook(*specs)
    assert (again.returncode, "wrote" in again.stdout) == (0, False), again.stderr
    (tmp_path / "generated" / "rules" / "diabetes.yaml").unlink()
    assert hook(*specs).returncode == 1
    wrong = hook("no such file.yaml")
    assert (wrong.returncode, wrong.stdout) == (2, "")
    assert "no such file.yaml" in wrong.stderr


def applied_by_argo_cd(repository: Path) -> set[Path]:
    (application,) = documents(GITOPS / "argo-cd" / "application.yaml")
    source = application["spec"]["source"]
    include = source["directory"]["include"].strip("{}").split(",")
    return {file for pattern in include for file in (repository / source["path"]).glob(pattern)}


def applied_by_flux(repository: Path) -> set[Path]:
    kustomizations = [
        item for item in documents(GITOPS / "flux" / "alerting.yaml") if item["kind"] == "Kustomization"
    ]
    folders = [repository / item["spec"]["path"] for item in kustomizations]
    return {file.resolve() for folder in folders for file in folder.rglob("*") if file.is_file()}


@pytest.mark.parametrize("applied", [applied_by_argo_cd, applied_by_flux])
def test_all_objects_are_applied_and_nothing_else(applied: Any, generated: Path) -> None:
    found = applied(generated.parent)
    objects = {
        path.resolve()
        for path in generated.rglob("*.yaml")
        if all({"apiVersion", "kind"} <= document.keys() for document in documents(path))
    }
    assert {path.resolve() for path in found} == objects
    assert {path.parent.name for path in objects} == {"rules", "alertmanager"}


def test_the_workflow_of_the_page_is_one_and_uses_the_action_as_it_is(tmp_path: Path) -> None:
    page = (ROOT / "docs" / "pipeline.md").read_text(encoding="utf-8")
    text = next(block.text for block in blocks(page) if block.language == "yaml")
    path = tmp_path / "workflow.yaml"
    path.write_text(text, encoding="utf-8")
    command = [
        sys.executable,
        "-m",
        "check_jsonschema",
        "--builtin-schema",
        "vendor.github-workflows",
        str(path),
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
    action = yaml.safe_load((ROOT / "deploy" / "action" / "action.yml").read_text(encoding="utf-8"))
    (used,) = (
        step
        for step in yaml.safe_load(text)["jobs"]["slos"]["steps"]
        if "/deploy/action@" in step.get("uses", "")
    )
    assert used["with"].keys() <= action["inputs"].keys()
    assert re.findall(r"steps\.slos\.outputs\.(\w+)", text) == ["review", "review"]
    assert action["outputs"].keys() == {"review"}
    assert re.findall(r"^\| `(\w+)` \|", page, re.MULTILINE) == list(action["inputs"])


def test_routing_comes_before_rules() -> None:
    items = {item["metadata"]["name"]: item["spec"] for item in documents(GITOPS / "flux" / "alerting.yaml")}
    assert items["mlslo-rules"]["dependsOn"] == [{"name": "mlslo-routing"}]
    assert items["mlslo-routing"]["path"].endswith("/alertmanager")
