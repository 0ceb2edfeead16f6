"""README.md, kubernetes.md, tutorial.md: what they install is valid, and every path and key is there."""

from __future__ import annotations

import re
import shlex
from functools import reduce
from itertools import pairwise
from typing import Any

import helm_python
import pytest
import yaml

from tests.support.containerfile import parse
from tests.support.manifests import CHART, DEPLOY, KUBERNETES, mistakes, render
from tests.support.paths import DIABETES, ROOT
from tests.support.sessions import blocks

README = (ROOT / "README.md").read_text(encoding="utf-8")
PAGE = (ROOT / "docs" / "kubernetes.md").read_text(encoding="utf-8")
TUTORIAL = (ROOT / "docs" / "tutorial.md").read_text(encoding="utf-8")
SHELL = [
    shlex.split(line)
    for block in blocks(README + PAGE + TUTORIAL)
    if block.language == "bash"
    for line in block.text.replace("\\\n", " ").splitlines()
]
INSTALLS = [words for words in SHELL if words[:2] == ["helm", "install"]]


def _values(words: list[str]) -> dict[str, Any]:
    """Return the values that `--set` and `--set-file` of a command give."""
    given: dict[str, Any] = {}
    for flag, text in pairwise(words):
        if flag == "--set":
            _merge(given, helm_python.parse_set_string(text))
        elif flag == "--set-file":
            key, _, _ = text.partition("=")
            content = (DIABETES / "monitor.yaml").read_text(encoding="utf-8")
            path = [part.replace("\\.", ".") for part in re.split(r"(?<!\\)\.", key)]
            _merge(given, reduce(lambda inner, name: {name: inner}, reversed(path), content))  # type: ignore[arg-type]
    return given


def _merge(given: dict[str, Any], more: dict[str, Any]) -> None:
    for key, value in more.items():
        if isinstance(value, dict) and isinstance(given.get(key), dict):
            _merge(given[key], value)
        else:
            given[key] = value


@pytest.mark.parametrize("words", INSTALLS, ids=lambda words: words[2])
def test_what_is_installed_is_valid(words: list[str]) -> None:
    assert words[3] == str(CHART.relative_to(ROOT))
    objects = render(_values(words))
    assert len(objects) >= 2
    assert not [mistake for one in objects for mistake in mistakes(one, KUBERNETES[-1])]


def test_all_three_modes_are_shown() -> None:
    assert len(INSTALLS) == 5
    assert {_values(words).get("mode", "sidecar") for words in INSTALLS} == {"sidecar", "shared", "batch"}


def test_images_are_built_of_targets_that_are_there() -> None:
    builds = [words for words in SHELL if words[:2] == ["docker", "build"]]
    targets = {words[words.index("--target") + 1] for words in builds}
    assert targets == {"exporter", "rulegen"} <= parse(ROOT / builds[0][builds[0].index("--file") + 1]).keys()


def test_its_values_are_taken() -> None:
    (values,) = [block.text for block in blocks(PAGE) if block.language == "yaml"]
    assert render({"monitors": {"fraud.yaml": "x"}, "model": {"image": "fraud"}, **yaml.safe_load(values)})


def test_every_key_that_it_names_is_one_of_the_values() -> None:
    defaults = yaml.safe_load((CHART / "values.yaml").read_text(encoding="utf-8"))
    named = set(
        re.findall(r"`((?!web\.yaml)(?:state|logs|web|scrape|push|batch|networkPolicy)\.\w+(?:\.\w+)*)", PAGE)
    )
    assert len(named) >= 10
    for key in named:
        assert reduce(lambda inner, name: inner[name], key.split("."), defaults) is not None


def test_every_template_that_it_names_is_one_of_the_chart() -> None:
    defined = {
        name
        for path in (CHART / "templates").glob("*.tpl")
        for name in re.findall(r'define "([^"]+)"', path.read_text(encoding="utf-8"))
    }
    named = set(re.findall(r"`(mlslo-exporter\.\w+)`", PAGE))
    assert len(named) == 4
    assert named <= defined
    example = (DEPLOY / "examples/model-with-sidecar/templates/deployment.yaml").read_text(encoding="utf-8")
    assert all(f'include "{name}"' in example for name in named)


def test_deploy_lists_what_is_in_it() -> None:
    listed = re.findall(
        r"^\| `([\w/-]+)` \|", (DEPLOY / "README.md").read_text(encoding="utf-8"), re.MULTILINE
    )
    assert all((DEPLOY / name).exists() for name in listed)
    there = {path.relative_to(DEPLOY).parts[0] for path in DEPLOY.iterdir() if not path.name.startswith(".")}
    assert {name.split("/")[0] for name in listed} == there - {"README.md", "Containerfile.dockerignore"}
