"""What a mistake in a ModelSLO file is answered with: one line, its place, what was expected."""

import os
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner

from rulegen.cli import main
from tests.support.paths import CONTRACT

MISTAKES = yaml.safe_load(Path(__file__).with_suffix(".yaml").read_text())


def said(tmp_path: Path, old: str, new: str, *others: Path) -> tuple[int, list[str]]:
    text = (CONTRACT / "fraud.slo.yaml").read_text()
    assert old in text, "the contract has changed"
    path = tmp_path / "fraud.slo.yaml"
    path.write_text(text.replace(old, new, 1))
    out = tmp_path / "out"
    files = [str(path) for path in (path, *others)]
    result = CliRunner().invoke(main, ["generate", *files, "--out", str(out)])
    assert result.stdout == ""
    assert not out.exists(), "nothing is half-written"
    prefix = f"{path}:"
    return result.exit_code, [line.removeprefix(prefix) for line in result.stderr.splitlines()]


@pytest.mark.parametrize("mistake", MISTAKES, ids=lambda mistake: mistake["said"][:40])
def test_a_mistake_is_named_with_its_place(tmp_path: Path, mistake: dict[str, Any]) -> None:
    others = [CONTRACT / "routing.yaml", CONTRACT / "fraud.monitor.yaml"]
    code, lines = said(tmp_path, mistake["replace"], mistake["by"], *others)
    line = mistake["line"]
    text = (tmp_path / "fraud.slo.yaml").read_text().splitlines()[line - 1]
    assert (code, lines) == (2, [f"{line}:{text.index(mistake['at']) + 1}: {mistake['said']}"])


def test_every_mistake_of_a_file_is_said_at_once(tmp_path: Path) -> None:
    text = (CONTRACT / "fraud.slo.yaml").read_text()
    for old, new in (
        ("ml_feature_psi,", "ml_feature_spi,"),
        ("tier: P1, when: {atMost", "tier: P8, when: {atMost"),
    ):
        text = text.replace(old, new)
    path = tmp_path / "fraud.slo.yaml"
    path.write_text(text)
    result = CliRunner().invoke(
        main, ["check", str(path), str(CONTRACT / "routing.yaml"), "--out", str(tmp_path)]
    )
    assert result.exit_code == 2
    assert [line.split(":")[1:3] for line in result.stderr.splitlines()] == [["36", "39"], ["40", "29"]]


def test_a_key_that_is_not_known_comes_before_the_keys_that_are_missing(tmp_path: Path) -> None:
    text = "    - nmae: availability\n      layer: service"
    code, lines = said(
        tmp_path, "    - name: availability\n      layer: service", text, CONTRACT / "routing.yaml"
    )
    assert code == 2
    assert [line.split(", expected")[0] for line in lines] == [
        "12:7: unknown key 'nmae'",
        "12:7: missing key 'name'",
    ]


def test_the_same_name_twice(tmp_path: Path) -> None:
    first, second = tmp_path / "first.yaml", tmp_path / "second.yaml"
    for path in (first, second):
        path.write_text((CONTRACT / "fraud.slo.yaml").read_text())
    arguments = [
        "generate",
        str(first),
        str(second),
        str(CONTRACT / "routing.yaml"),
        "--out",
        str(tmp_path / "out"),
    ]
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 2
    lines = result.stderr.splitlines()
    assert lines[0] == (
        f"{second}:5:9: 'fraud' is the name of {first} too, expected one ModelSLO file of a name"
    )
    assert lines[1:] == [
        f"{second}:9:10: model 'fraud' has its promises in {first}, expected one file per model"
    ]


@pytest.mark.parametrize(
    ("files", "message"),
    [
        (["routing.yaml"], "SPEC: expected a file of kind ModelSLO, got none"),
        (["fraud.slo.yaml"], "SPEC: expected a file of kind AlertRouting (tiers, receivers), got none"),
    ],
)
def test_a_kind_that_is_missing(tmp_path: Path, files: list[str], message: str) -> None:
    paths = [str(CONTRACT / name) for name in files]
    result = CliRunner().invoke(main, ["generate", *paths, "--out", str(tmp_path)])
    assert (result.exit_code, result.stderr) == (2, f"{message}\n")


def test_two_routings(tmp_path: Path) -> None:
    other = tmp_path / "other.yaml"
    other.write_text((CONTRACT / "routing.yaml").read_text())
    arguments = ["generate", str(CONTRACT), str(other), "--out", str(tmp_path / "out")]
    result = CliRunner().invoke(main, arguments)
    assert (result.exit_code, result.stderr) == (
        2,
        f"{other}:3:7: a second AlertRouting: {CONTRACT / 'routing.yaml'} is one, expected exactly one\n",
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "kind: ModelSLOs\n",
            "1:7: expected one of ModelSLO, AlertRouting, ModelMonitor, AlertActions, got 'ModelSLOs'; "
            "did you mean 'ModelSLO'?",
        ),
        (
            "apiVersion: mlslo/v1\n",
            "1:1: missing key 'kind', expected one of ModelSLO, AlertRouting, ModelMonitor, AlertActions",
        ),
        ("- 1\n", "1:1: expected a mapping with apiVersion and kind"),
        (
            "kind: [a]\n",
            "1:7: expected one of ModelSLO, AlertRouting, ModelMonitor, AlertActions, got a list",
        ),
        ("a: 1\na: 2\n", "2:1: duplicate key 'a', first given at line 1"),
        # Its last line end is missing: the place is still in the file.
        ("kind: [a", "1:9: did not find expected ',' or ']'"),
        ("# é\nkind: é\a\n", "2:8: control characters are not allowed"),
        ("# é\u2028kind: é\r- 1\n", "3:1: did not find expected key"),
    ],
)
def test_a_file_of_no_known_kind(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "what.yaml"
    path.write_text(text)
    result = CliRunner().invoke(main, ["generate", str(path), "--out", str(tmp_path)])
    assert (result.exit_code, result.stderr) == (2, f"{path}:{message}\n")


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r", "\x85", "\u2028"])
def test_a_place_within_a_text_is_found_however_lines_end(tmp_path: Path, end: str) -> None:
    text = (
        (CONTRACT / "fraud.slo.yaml")
        .read_text()
        .replace("total: sum(rate", "total: |\n            sum((rate")
    )
    path = tmp_path / "slo.yaml"
    path.write_bytes(text.replace("\n", end).encode())
    result = CliRunner().invoke(
        main, ["generate", str(path), str(CONTRACT / "routing.yaml"), "--out", str(tmp_path)]
    )
    assert (result.exit_code, result.stderr[len(str(path)) :][:7]) == (2, ":30:16:"), result.stderr


def test_a_file_or_folder_without_specs(tmp_path: Path) -> None:
    missing = CliRunner().invoke(main, ["generate", str(tmp_path / "none.yaml")])
    assert missing.exit_code == 2
    assert missing.stderr == f"{tmp_path / 'none.yaml'}: cannot be read: No such file or directory\n"
    empty = CliRunner().invoke(main, ["generate", str(tmp_path)])
    assert empty.exit_code == 2
    kinds = "ModelSLO, AlertRouting, ModelMonitor, AlertActions"
    assert empty.stderr == f"{tmp_path}: no file of kind {kinds} in this folder\n"


def test_files_that_are_none(tmp_path: Path) -> None:
    """Links to themselves, pipes, what never ends, names that no file can have."""
    (tmp_path / "loop.yaml").symlink_to("loop.yaml")
    (tmp_path / "gone.yaml").symlink_to("nowhere")
    os.mkfifo(tmp_path / "pipe.yaml")
    (tmp_path / "folder.yaml").mkdir()
    (tmp_path / "around").symlink_to(tmp_path)
    for path in CONTRACT.glob("*.yaml"):
        (tmp_path / path.name).write_text(path.read_text())
    out = tmp_path / "out"
    for spec, said in (
        (tmp_path / "loop.yaml", "cannot be read: Too many levels of symbolic links"),
        (tmp_path / "gone.yaml", "cannot be read: No such file or directory"),
        (tmp_path / ("x" * 5000), "cannot be read: File name too long"),
        (Path("/dev/zero"), "cannot be read: larger than 32 MB"),
    ):
        result = CliRunner().invoke(main, ["generate", str(spec), "--out", str(out)])
        assert (result.exit_code, result.stderr) == (2, f"{spec}: {said}\n")
    long = tmp_path / ("x" * 300)
    for command in (["generate", str(CONTRACT)], ["check", str(CONTRACT)], ["schema"]):
        result = CliRunner().invoke(main, [*command, "--out", str(long)])
        assert (result.exit_code, result.stdout) == (2, "")
        assert re.fullmatch(rf"{long}\S*: cannot be \w+: File name too long\n", result.stderr)
    links = (tmp_path / "gone.yaml", tmp_path / "loop.yaml")
    result = CliRunner().invoke(main, ["generate", str(tmp_path), "--out", str(out)])
    assert (result.exit_code, len(result.stderr.splitlines())) == (2, len(links))
    for link in links:
        assert f"{link}: cannot be read: " in result.stderr
        link.unlink()
    result = CliRunner().invoke(main, ["generate", str(tmp_path), "--out", str(out)])
    assert result.exit_code == 0, result.stderr


@pytest.mark.slow
def test_what_is_long_is_cut(tmp_path: Path) -> None:
    path = tmp_path / "slo.yaml"
    for text, said in (
        (f"kind: {'x' * 1_000_000}\n", r"1:7: expected one of .{30,60}, got 'x{77}\.\.\.'"),
        ("a:\n" + "  - 1\n" * 200_001, "200000:5: more than 200000 values"),
    ):
        path.write_text(text)
        result = CliRunner().invoke(main, ["generate", str(path), "--out", str(tmp_path / "out")])
        assert result.exit_code == 2
        assert re.fullmatch(rf"{path}:{said}\n", result.stderr), result.stderr[:200]


IN_ANY_FILE = yaml.safe_load(Path(__file__).with_name("test_bad_files.yaml").read_text())


@pytest.mark.parametrize("mistake", IN_ANY_FILE, ids=lambda mistake: mistake["said"][:40])
def test_a_mistake_in_any_kind_of_file_is_named_with_its_place(
    tmp_path: Path, mistake: dict[str, str]
) -> None:
    """And alone: nothing else is wrong with the contract's files."""
    for path in CONTRACT.glob("*.yaml"):
        (tmp_path / path.name).write_text(path.read_text())
    path = tmp_path / mistake["file"]
    text = path.read_text()
    assert mistake["replace"] in text, "the contract has changed"
    before, _, after = text.replace(mistake["replace"], mistake["by"], 1).partition("§")
    path.write_text(before + after)
    result = CliRunner().invoke(main, ["generate", str(tmp_path), "--out", str(tmp_path / "out")])
    assert (result.exit_code, result.stdout, (tmp_path / "out").exists()) == (2, "", False)
    place = f"{path}:{before.count(chr(10)) + 1}:{len(before) - before.rfind(chr(10))}: "
    (line,) = result.stderr.splitlines()
    assert line.startswith(place)
    pattern = ".*".join(re.escape(part) for part in mistake["said"].split("…"))
    assert re.fullmatch(pattern, line.removeprefix(place)), line
