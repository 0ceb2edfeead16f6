"""The generated pages are what the code says, and leave nothing out."""

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import click
import pydantic
import pytest
from click.testing import CliRunner

from docs.generate import __main__ as command
from docs.generate import chain, commands, decisions, files, pages
from mlslo.yamlfile import StrictModel
from tests.support.paths import ROOT


@pytest.fixture(scope="module")
def page() -> dict[str, str]:
    rendered, problems = pages.render(ROOT)
    assert problems == []
    return rendered


def test_the_pages_on_disk_are_current(page: dict[str, str]) -> None:
    assert pages.differences(ROOT, page) == "", "run scripts/docs"


@pytest.mark.slow
def test_a_stale_page_fails_the_check_with_a_diff(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    (tmp_path / "docs").mkdir()
    monkeypatch.setattr(command, "ROOT", tmp_path)
    missing = CliRunner().invoke(command.main, ["--check"])
    assert missing.exit_code == 1
    assert CliRunner().invoke(command.main).exit_code == 0
    fine = CliRunner().invoke(command.main, ["--check"])
    assert (fine.exit_code, fine.output) == (0, "")
    stale = tmp_path / "docs" / "metrics.md"
    stale.write_text(stale.read_text().replace("`ml_feature_psi`", "`ml_feature_spi`"))
    found = CliRunner().invoke(command.main, ["--check"])
    assert found.exit_code == 1
    assert re.search(r"^-.*ml_feature_spi.*\n\+.*ml_feature_psi", found.output, re.MULTILINE)
    assert "ml_feature_spi" in stale.read_text(), "a check writes nothing"
    written = CliRunner().invoke(command.main)
    assert written.output == "wrote docs/metrics.md\n"


@pytest.mark.slow
def test_the_pages_do_not_depend_on_the_terminal_or_the_hash_seed(page: dict[str, str]) -> None:
    program = (
        "import json, pathlib, docs.generate.pages as p; print(json.dumps(p.render(pathlib.Path('.'))[0]))"
    )
    environment = {"COLUMNS": "40", "PYTHONHASHSEED": "7", "LANG": "C", "PATH": "/usr/bin:/bin"}
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, env=environment, capture_output=True, check=True
    )
    assert json.loads(done.stdout) == page


def test_every_metric_of_the_installed_command_is_documented(page: dict[str, str]) -> None:
    group = pages.programs(ROOT)["mlslo-exporter"]
    metrics = json.loads(CliRunner().invoke(group, ["metrics", "--format", "json"]).output)
    assert len(metrics) > 50
    for metric in metrics:
        assert re.search(rf"^\| \[?`{metric['name']}`[^|]* \|", page["docs/metrics.md"], re.MULTILINE), (
            metric["name"]
        )


def helps(name: str, group: click.Group) -> Iterator[tuple[str, str]]:
    """Every command with what --help prints, which is another way to its flags than the page's own."""
    for inner, within in group.commands.items():
        if isinstance(within, click.Group):
            yield from helps(f"{name} {inner}", within)
        result = CliRunner().invoke(group, [inner, "--help"], prog_name=name)
        assert result.exit_code == 0
        yield f"{name} {inner}", result.output


def test_every_command_and_flag_is_documented(page: dict[str, str]) -> None:
    sections = dict(re.findall(r"^### (.*)\n((?:(?!#).*\n)*)", page["docs/commands.md"], re.MULTILINE))
    seen = set()
    for name, group in pages.programs(ROOT).items():
        for full, text in helps(name, group):
            flags = set(re.findall(r"(?<![\w-])--[a-z][\w.-]*", text)) - {"--help"}
            for flag in flags:
                assert f"`{flag}" in sections[full], f"{full} {flag}"
            seen |= {full}
    assert seen == set(sections)
    assert {"mlslo-exporter run", "mlslo-rulegen generate"} <= seen


def schema_keys(schema: dict[str, Any]) -> set[str]:
    """Every key of a file, from pydantic's JSON schema, which is another way to it than the page's own."""
    found = set(schema.get("properties", {}))
    for part in schema.values():
        for inner in part if isinstance(part, list) else [part]:
            if isinstance(inner, dict):
                found |= schema_keys(inner)
                for named in inner.values():
                    if isinstance(named, dict):
                        found |= schema_keys(named)
    return found


@pytest.mark.parametrize("model", pages.KINDS)
def test_every_file_key_is_documented(model: type[pydantic.BaseModel], page: dict[str, str]) -> None:
    kind = files.kind_of(model)
    (section,) = re.findall(rf"^## {kind}\n((?:(?!## ).*\n)*)", page["docs/files.md"], re.MULTILINE)
    documented = {path.rpartition(".")[2] for path in re.findall(r"^\| `([^`]+)` ", section, re.MULTILINE)}
    expected = schema_keys(model.model_json_schema())
    assert len(expected) > 20
    assert expected <= {key.removesuffix("[]") for key in documented}


def test_a_key_without_a_description_is_named() -> None:
    class Inner(StrictModel):
        silent: int

    class Spec(StrictModel):
        items: list[Inner] = pydantic.Field(description="Some.")
        named: dict[str, Inner] = pydantic.Field(description="Others.")

    class File(StrictModel):
        kind: Literal["Thing"] = pydantic.Field(description="What it is.")
        spec: Spec = pydantic.Field(description="All.")

    _, problems = files.render([File])
    assert problems == [
        "Thing: spec.items[].silent: no description",
        "Thing: spec.named.<named>.silent: no description",
    ]


def test_a_command_flag_or_argument_without_help_is_named() -> None:
    @click.group(help="Does things.")
    def group() -> None: ...

    @group.command()
    @click.option("--loud", is_flag=True)
    @click.argument("target")
    def shout(loud: bool, target: str) -> None: ...

    page, problems = commands.render({"thing": group})
    assert problems == [
        "command thing shout: no help",
        "thing shout: --loud: no help",
        "thing shout: TARGET: no help",
    ]
    assert "### thing shout" in page


def test_boxes_of_the_picture_stand_apart_and_inside() -> None:
    for index, box in enumerate(chain.BOXES):
        assert box.x >= 0
        assert box.x + box.width <= chain.WIDTH
        assert box.y + box.height <= chain.HEIGHT
        for other in chain.BOXES[:index]:
            apart = (
                box.x >= other.x + other.width
                or other.x >= box.x + box.width
                or box.y >= other.y + other.height
                or other.y >= box.y + box.height
            )
            assert apart, (box.name, other.name)


def test_the_index_of_decisions_has_each_of_them() -> None:
    text = "# Decisions\n\n<!-- index, by scripts/docs -->\nold\n<!-- end of the index -->\n"
    text += "\n## A, and `b`\n\nText.\n\n## C\n\n*Superseded by A.*\n"
    lines = decisions.indexed(text).split("<!--")[1].splitlines()
    assert lines[2:4] == ["* [A, and `b`](#a-and-b)", "* [C](#c), superseded"]
    assert decisions.indexed(decisions.indexed(text)) == decisions.indexed(text)
    with pytest.raises(ValueError, match="no index to fill"):
        decisions.indexed("# Decisions\n")
