"""Generating again: a model is passed over where its files stand, and made again where anything is different."""

from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from rulegen import generate as generation
from rulegen.cli import main
from tests.rulegen.commands.test_generate import SMALL
from tests.support.paths import ROUTING

NAMES = [f"m{number}" for number in range(6)]


def run(*arguments: object) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


@pytest.fixture
def specs(tmp_path: Path) -> Path:
    folder = tmp_path / "specs"
    folder.mkdir()
    (folder / "routing.yaml").write_text(ROUTING.read_text())
    for name in NAMES:
        (folder / f"{name}.yaml").write_text(SMALL.replace("NAME", name))
    return folder


@pytest.fixture
def out(specs: Path, tmp_path: Path) -> Path:
    assert run("generate", specs, "--out", tmp_path / "out", "--jobs", 1).exit_code == 0
    return tmp_path / "out"


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The models whose files are generated."""
    found: list[str] = []
    generate_one = generation._model_files

    def noted(*arguments: object) -> object:
        found.append(arguments[-1].file.name)  # type: ignore[attr-defined]
        return generate_one(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(generation, "_model_files", noted)
    return found


def contents(folder: Path) -> dict[str, str]:
    return {
        path.relative_to(folder).as_posix(): path.read_text() for path in folder.rglob("*") if path.is_file()
    }


def test_nothing_is_made_twice(specs: Path, out: Path, made: list[str]) -> None:
    before = contents(out)
    result = run("generate", specs, "--out", out, "--jobs", 1)
    assert (result.exit_code, made, contents(out)) == (0, [], before)
    assert (
        result.stdout
        == f"{len(before) - 5 + 1} alerts in {len(before)} files, {len(before)} of them unchanged\n"
        or ("unchanged" in result.stdout and "wrote" not in result.stdout)
    )


def test_one_changed_spec_makes_one_model_again(specs: Path, out: Path, made: list[str]) -> None:
    before = contents(out)
    (specs / "m3.yaml").write_text(SMALL.replace("NAME", "m3").replace("above: 0.1", "above: 0.2"))
    result = run("generate", specs, "--out", out, "--jobs", 1)
    assert (result.exit_code, made) == (0, ["m3"])
    changed = {name for name, text in contents(out).items() if before[name] != text}
    assert changed == {
        f"{folder}"
        for folder in ("rules/m3.yaml", "rules/m3_test.yaml", "runbooks/m3.md", "dashboards/m3.json")
    }
    assert run("check", specs, "--out", out).exit_code == 0


def test_a_comment_makes_nothing_again(specs: Path, out: Path, made: list[str]) -> None:
    (specs / "m3.yaml").write_text(f"# Reviewed.\n{SMALL.replace('NAME', 'm3')}")
    assert run("generate", specs, "--out", out, "--jobs", 1).exit_code == 0
    assert made == []


@pytest.mark.parametrize(
    "name", ["rules/m2.yaml", "rules/m2_test.yaml", "dashboards/m2.json", "runbooks/m2.md"]
)
@pytest.mark.parametrize("damage", ["edited", "stamped", "gone"])
def test_what_somebody_edited_is_made_again(
    specs: Path, out: Path, made: list[str], name: str, damage: str
) -> None:
    before = contents(out)
    path = out / name
    if damage == "gone":
        path.unlink()
    elif damage == "edited":
        path.write_text(path.read_text().replace("0.1", "0.7"))
    else:
        path.write_text(path.read_text().replace("content=", "content=0"))
    result = run("generate", specs, "--out", out, "--jobs", 1)
    assert (result.exit_code, contents(out)) == (0, before)
    assert made == ([] if damage == "stamped" and name != "rules/m2.yaml" else ["m2"])


def test_another_routing_or_force_makes_all_again(specs: Path, out: Path, made: list[str]) -> None:
    assert run("generate", specs, "--out", out, "--jobs", 1, "--force").exit_code == 0
    assert made == NAMES
    routing = specs / "routing.yaml"
    routing.write_text(routing.read_text().replace("evaluationInterval: 1m", "evaluationInterval: 30s"))
    assert run("generate", specs, "--out", out, "--jobs", 1).exit_code == 0
    assert made == NAMES * 2


def test_processes_make_the_same(specs: Path, out: Path, tmp_path: Path) -> None:
    assert run("generate", specs, "--out", tmp_path / "parallel", "--jobs", 3).exit_code == 0
    assert contents(tmp_path / "parallel") == contents(out)


def test_what_no_test_proves_is_said_in_each_run(specs: Path, out: Path) -> None:
    """A warning about a generated test is found while that is generated."""
    (specs / "m3.yaml").write_text(
        SMALL.replace("NAME", "m3").replace(
            "when: {above: 0.1}, for: 3m", "when: {dropFrom: {window: 10m, by: 0.2}}, for: 2h"
        )
    )
    first, second = (run("generate", specs, "--out", out) for _ in range(2))
    assert first.exit_code == second.exit_code == 0, first.stderr
    assert "[baseline-too-short]" in first.stderr
    assert first.stderr == second.stderr
