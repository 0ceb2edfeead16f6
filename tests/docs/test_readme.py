"""README.md is short and its commands are run; CONTRIBUTING.md lists the folders that are there."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

from mlslo.version import VERSION
from tests.support.manifests import KUBERNETES, mistakes, render_example, the_exporter
from tests.support.paths import DIABETES, ROOT
from tests.support.sessions import blocks, play, typed

README = (ROOT / "README.md").read_text(encoding="utf-8")
(CHART_OF_A_MODEL,) = (block.text for block in blocks(README) if "kind: Deployment" in block.text)
CONTRIBUTING = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")


def test_its_commands_print_what_it_says(tmp_path: Path) -> None:
    folder = tmp_path / "diabetes"
    shutil.copytree(DIABETES, folder)
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    session = typed(README)
    assert len(session) > 4
    play(session, folder, {"PATH": path, "HOME": str(tmp_path), "LANG": "C.UTF-8"})


def test_it_is_short() -> None:
    assert len(README.splitlines()) <= 150


def test_shell_blocks_are_scripts_and_the_excerpt_is_of_the_example() -> None:
    for block in blocks(README):
        if block.language == "sh":
            for line in block.text.splitlines():
                assert os.access(ROOT / line, os.X_OK), line
        if block.language == "yaml":
            shown = block.text in (DIABETES / "slo.yaml").read_text(encoding="utf-8")
            assert shown or block.text == CHART_OF_A_MODEL


def test_the_chart_of_a_model_is_one_as_it_stands(tmp_path: Path) -> None:
    example = render_example(tmp_path / "example")
    objects = render_example(tmp_path / "shown", CHART_OF_A_MODEL)
    assert not [mistake for one in objects for mistake in mistakes(one, KUBERNETES[-1])]
    assert the_exporter(objects)[0] == the_exporter(example)[0]
    (deployment,) = [one for one in objects if one["kind"] == "Deployment"]
    (monitor,) = [one for one in objects if one["kind"] == "PodMonitor"]
    labels = deployment["spec"]["template"]["metadata"]["labels"]
    assert labels.items() >= monitor["spec"]["selector"]["matchLabels"].items()
    (model,) = deployment["spec"]["template"]["spec"]["containers"]
    assert model["volumeMounts"] == [{"name": "mlslo-logs", "mountPath": "/var/log/model"}]


def test_scripts_named_in_prose_exist() -> None:
    for script in set(re.findall(r"`(scripts/\w+)", README + CONTRIBUTING)):
        assert os.access(ROOT / script, os.X_OK), script


def test_contributing_lists_every_folder_and_no_other() -> None:
    section = CONTRIBUTING.split("\n## Where things go\n", 1)[1].split("\n## ", 1)[0]
    cells = re.findall(r"^\| (`.*?) \|", section, re.MULTILINE)
    listed = {name for cell in cells for name in re.findall(r"`([\w.]+)/`", cell)}
    tracked = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert listed == {line.partition("/")[0] for line in tracked.splitlines() if "/" in line}


def test_the_license_is_the_one_that_the_package_names() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    text = (ROOT / "LICENSE").read_text(encoding="utf-8")
    assert project["license"] == "Apache-2.0"
    assert re.search(r"Apache License\s+Version 2\.0, January 2004", text)
    assert "END OF TERMS AND CONDITIONS" in text


def test_the_changelog_has_this_version_and_what_comes_next() -> None:
    versions = re.findall(
        r"^## \[([^\]]+)\]", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), re.MULTILINE
    )
    assert versions[:2] == ["Unreleased", VERSION]
