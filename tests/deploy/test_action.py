"""The GitHub Action: its shell steps run here as they stand, in a repository whose SLO file changes."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support.paths import DIABETES, ROOT
from tests.support.tools import tool

pytestmark = pytest.mark.slow

ACTION = ROOT / "deploy" / "action" / "action.yml"
STEPS: dict[str, dict[str, Any]] = {
    step["name"]: step for step in yaml.safe_load(ACTION.read_text(encoding="utf-8"))["runs"]["steps"]
}


@dataclass
class Runner:
    """A repository on a runner, as the action finds both."""

    repository: Path
    temporary: Path

    @property
    def summary(self) -> str:
        return (self.temporary / "summary").read_text(encoding="utf-8")

    def run(self, step: str, **environment: str) -> subprocess.CompletedProcess[str]:
        """Run a step with values for what the action takes from its inputs, by the name in the environment."""
        inputs = {
            "SPECS": "slos routing.yaml",
            "OUT": "generated",
            "OPTIONS": "",
            "BASE": "",
            "PROMTOOL": "promtool",
        }
        values = {name: {**inputs, **environment}[name] for name in STEPS[step]["env"]}
        files = {
            name: str(self.temporary / name.removeprefix("GITHUB_").removeprefix("STEP_").lower())
            for name in FILES
        }
        known = {"RUNNER_TEMP": str(self.temporary), **files, **values}
        command = ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", STEPS[step]["run"]]
        return subprocess.run(
            command,
            cwd=self.repository,
            env={**os.environ, **known},
            capture_output=True,
            text=True,
            check=False,
        )

    def git(self, *arguments: str) -> str:
        identity = ["-c", "user.name=a", "-c", "user.email=a@example.org", "-c", "commit.gpgsign=false"]
        command = ["git", *identity, *arguments]
        return subprocess.run(
            command, cwd=self.repository, check=True, capture_output=True, text=True
        ).stdout.strip()

    def change(self, old: str, new: str) -> None:
        path = self.repository / "slos" / "slo.yaml"
        text = path.read_text(encoding="utf-8")
        assert old in text
        path.write_text(text.replace(old, new), encoding="utf-8")

    def generate(self) -> None:
        command = [str(self.temporary / "mlslo/bin/mlslo-rulegen"), "generate", "slos", "routing.yaml"]
        subprocess.run([*command, "--out", "generated"], cwd=self.repository, check=True, capture_output=True)


FILES = ("GITHUB_STEP_SUMMARY", "GITHUB_OUTPUT")


@pytest.fixture
def runner(before: Path, tmp_path: Path) -> Runner:
    shutil.copytree(before, tmp_path, symlinks=True, dirs_exist_ok=True)
    return Runner(tmp_path / "repository", tmp_path / "temporary")


@pytest.fixture(scope="module")
def before(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("before")
    made = Runner(folder / "repository", folder / "temporary")
    (made.repository / "slos").mkdir(parents=True)
    (made.temporary / "mlslo" / "bin").mkdir(parents=True)
    # What the step of the installation leaves; it has a test of its own.
    (made.temporary / "mlslo/bin/mlslo-rulegen").symlink_to(Path(sys.executable).with_name("mlslo-rulegen"))
    content = yaml.safe_load((DIABETES / "slo.yaml").read_text(encoding="utf-8"))
    # Few, since promtool judges each.
    content["spec"]["slos"] = [
        slo for slo in content["spec"]["slos"] if slo["name"] in ("traffic", "feature-drift")
    ]
    (made.repository / "slos/slo.yaml").write_text(yaml.safe_dump(content, sort_keys=False), encoding="utf-8")
    shutil.copy(DIABETES / "routing.yaml", made.repository)
    made.generate()
    made.git("init", "--quiet")
    made.git("add", "-A")
    made.git("commit", "--quiet", "-m", "before")
    return folder


def test_the_file_is_an_action() -> None:
    command = [
        sys.executable,
        "-m",
        "check_jsonschema",
        "--builtin-schema",
        "vendor.github-actions",
        str(ACTION),
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_no_step_puts_an_input_into_its_shell_text() -> None:
    """Whoever proposes a change could write a command there."""
    for name, step in STEPS.items():
        assert "${{" not in step["run"], name


def test_a_change_that_is_generated_passes_and_is_told_in_words(runner: Runner) -> None:
    base = runner.git("rev-parse", "HEAD")
    runner.change("above: 0.25", "above: 0.3")
    runner.generate()
    reviewed = runner.run("Review", BASE=base)
    assert reviewed.returncode == 0, reviewed.stderr
    assert "### What this changes for the on-call\n\n    rules/diabetes.yaml\n" in runner.summary
    assert "FeaturesDrifting (feature-drift): threshold 0.25 → 0.3" in runner.summary
    output = (runner.temporary / "output").read_text(encoding="utf-8")
    assert output == f"file={runner.temporary}/mlslo-review.md\n"
    assert runner.git("worktree", "list").count("\n") == 0
    checked = runner.run("Check")
    assert checked.returncode == 0, checked.stdout


@pytest.mark.parametrize("options", ["", " --jobs 1"])
def test_a_change_that_is_not_generated_fails_and_says_what_to_run(options: str, runner: Runner) -> None:
    runner.change("above: 0.25", "above: 0.3")
    checked = runner.run("Check", OPTIONS=options)
    assert checked.returncode == 1
    said = f"::error::run mlslo-rulegen generate slos routing.yaml --out generated{options}, and commit"
    assert said in checked.stdout


def test_a_change_of_words_only_changes_nothing_for_the_on_call(runner: Runner) -> None:
    reviewed = runner.run("Review", BASE=runner.git("rev-parse", "HEAD"))
    assert reviewed.returncode == 0, reviewed.stderr
    assert "Nothing: rules, routing and their tests stay as they are." in runner.summary


def test_a_push_has_no_review(runner: Runner) -> None:
    assert runner.run("Review", BASE="").returncode == 0
    assert not (runner.temporary / "summary").exists()


def test_a_mistake_is_shown_beside_its_line(runner: Runner) -> None:
    base = runner.git("rev-parse", "HEAD")
    runner.change("layer: data", "layr: data")
    assert runner.run("Review", BASE=base).returncode == 0
    checked = runner.run("Check")
    assert checked.returncode == 2
    assert "::error file=slos/slo.yaml,line=" in checked.stdout
    assert "unknown key 'layr'" in checked.stdout


def test_an_input_is_never_run(runner: Runner) -> None:
    done = runner.run("Check", SPECS="slos $(touch ran) `touch ran` ;touch ran", OPTIONS="--jobs 1")
    assert done.returncode == 2
    assert not (runner.repository / "ran").exists()


def test_the_unit_tests_are_run(runner: Runner) -> None:
    promtool = str(tool("promtool"))
    assert runner.run("Unit tests of the rules", PROMTOOL=promtool).returncode == 0
    rules = runner.repository / "generated/rules/diabetes.yaml"
    rules.write_text(
        rules.read_text(encoding="utf-8").replace("> 0.25) >= 4", "> 0.25) >= 9"), encoding="utf-8"
    )
    failed = runner.run("Unit tests of the rules", PROMTOOL=promtool)
    assert failed.returncode == 1
    assert "FAILED" in failed.stdout + failed.stderr


@pytest.mark.parametrize(
    ("environment", "code", "said"),
    [
        ({"PROMTOOL": ""}, 0, "::notice::no promtool is named"),
        ({"PROMTOOL": "no-such-promtool"}, 2, "::error::no-such-promtool is not there"),
        ({"PROMTOOL": "bash", "OUT": "slos"}, 2, "::error::no unit tests in slos"),
    ],
)
def test_tests_that_are_not_run_are_told(
    runner: Runner, environment: Mapping[str, str], code: int, said: str
) -> None:
    done = runner.run("Unit tests of the rules", **environment)
    assert (done.returncode, done.stdout[: len(said)]) == (code, said)


def test_the_generator_is_installed_from_the_sources(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What it requires is taken from this environment; scripts/build --check installs that too."""
    (libraries,) = (path for path in sys.path if path.endswith("site-packages"))
    monkeypatch.setenv("PIP_NO_DEPS", "1")
    monkeypatch.setenv("PYTHONPATH", libraries)
    runner = Runner(ROOT, tmp_path)
    done = runner.run("Install mlslo-rulegen", PYTHON=sys.executable, ACTION=str(ACTION.parent))
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("mlslo-rulegen, version ")
    assert {path.name for path in tmp_path.glob("mlslo/lib/python*/site-packages/*")} >= {"mlslo", "rulegen"}
    assert not list(tmp_path.glob("mlslo/lib/python*/site-packages/exporter"))
