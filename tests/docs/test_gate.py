"""docs/gate.md: its commands print what it says; its examples for pipelines are what those tools read."""

from __future__ import annotations

import ast
import os
import runpy
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.commands import exporter
from tests.support.paths import ROOT
from tests.support.sessions import blocks, play, typed

PAGE = (ROOT / "docs" / "gate.md").read_text(encoding="utf-8")
EXAMPLES = ROOT / "examples" / "gate"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("gate") / "diabetes"
    shutil.copytree(ROOT / "examples" / "diabetes", folder)
    for block in blocks(PAGE):
        if block.file is not None:
            (folder / block.file).write_text(block.text)
    return folder


@pytest.mark.slow
@pytest.mark.one_version
def test_the_page_prints_what_it_says(folder: Path) -> None:
    programs = [str(Path(sys.executable).parent), os.environ["PATH"]]
    play(typed(PAGE), folder, {"PATH": os.pathsep.join(programs), "HOME": str(folder), "LANG": "C.UTF-8"})


@pytest.mark.slow
@pytest.mark.one_version
def test_the_example_for_pytest_says_what_failed(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data, reference = folder / "reference-data.jsonl", folder / "references/validation.json"
    if not reference.exists():
        exporter("baseline", folder / "monitor.yaml", "--data", data, "--out", reference)
    damaged = folder / "damaged.jsonl"
    damaged.write_text(data.read_text().replace('"age":', '"age":1'))
    monkeypatch.setenv("MONITOR", str(folder / "monitor.yaml"))
    monkeypatch.setenv("DATA", str(damaged))
    test = runpy.run_path(str(EXAMPLES / "test_data.py"))["test_data_passes_the_gate"]
    with pytest.raises(AssertionError, match="drift age: expected as in reference validation"):
        test(folder)


def test_the_example_for_github_is_a_workflow() -> None:
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.github-workflows"]
    done = subprocess.run(
        [*command, str(EXAMPLES / "workflow.yaml")], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout


def test_the_example_for_airflow_compiles_and_calls_the_gate_with_flags_that_exist() -> None:
    """Airflow is not installed here."""
    text = (EXAMPLES / "airflow_dag.py").read_text(encoding="utf-8")
    literals = [node.value for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Constant)]
    (command,) = [text for text in literals if isinstance(text, str) and "mlslo-exporter gate" in text]
    known = exporter("gate", "--help").stdout
    flags = [word for word in command.split() if word.startswith("--")]
    assert flags
    assert all(flag in known for flag in flags)
