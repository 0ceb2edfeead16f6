"""Every lint: what it says and where, how it is accepted, and that its page shows the same."""

from __future__ import annotations

import pkgutil
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner, Result

import rulegen.lint
from rulegen.cli import main
from rulegen.spec.lint_names import LINTS
from tests.support.paths import ROOT

CONTRACT = ROOT / "tests" / "contract"
FILES = ("fraud.slo.yaml", "routing.yaml", "fraud.monitor.yaml")
# What a case with a --base starts from.
BASE = "route: {receiver: theirs}\nreceivers: [{name: theirs}]\n"
CASES: list[dict[str, Any]] = yaml.safe_load(Path(__file__).with_suffix(".yaml").read_text())
PAGES = ROOT / "docs" / "lint"
HEADINGS = ["What it finds", "Why it matters", "Example", "How to fix it", "How to accept it"]


def run(folder: Path, *flags: str, command: str = "generate") -> Result:
    base = folder / "base.yaml"
    more = ["--base", str(base)] if base.exists() else []
    arguments = [
        command,
        *(str(folder / name) for name in FILES),
        "--out",
        str(folder / "out"),
        *more,
        *flags,
    ]
    return CliRunner().invoke(main, arguments)


def changed(folder: Path, changes: list[list[str]]) -> str:
    """Write the contract's files with ``changes``; returns ``file:line:column`` of §."""
    texts = {name: (CONTRACT / name).read_text() for name in FILES}
    if any(name == "base.yaml" for name, _, _ in changes):
        texts["base.yaml"] = BASE
    for name, old, new in changes:
        assert old in texts[name], f"the contract has changed: {old}"
        texts[name] = texts[name].replace(old, new, 1)
    place = ""
    for name, text in texts.items():
        before, mark, after = text.partition("§")
        if mark:
            place = f"{folder / name}:{before.count(chr(10)) + 1}:{len(before) - before.rfind(chr(10))}"
        (folder / name).write_text(before + after)
    return place


def expected(case: dict[str, Any], place: str) -> str:
    severity = "" if LINTS[case["lint"]].severity == "error" else "warning: "
    return f"{place}: {severity}{case['said']} [{case['lint']}]"


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case['lint']}: {case['said'][:30]}")
def test_what_is_said_and_where(case: dict[str, Any], tmp_path: Path) -> None:
    place = changed(tmp_path, case["change"])
    result = run(tmp_path)
    lines = result.stderr.splitlines()
    assert expected(case, place) in lines
    others = [line for line in lines if line != expected(case, place)]
    assert [re.sub(r"^\S+ (warning: )?| \[[a-z-]+\]$", "", line) for line in others] == case.get("others", [])
    is_error = LINTS[case["lint"]].severity == "error"
    assert result.exit_code == (2 if is_error else 0)
    assert (tmp_path / "out").exists() == (not is_error)


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case['lint']}: {case['said'][:30]}")
def test_it_is_accepted_with_a_reason(case: dict[str, Any], tmp_path: Path) -> None:
    place = changed(tmp_path, case["change"])
    file = Path(place.rpartition(":")[0].rpartition(":")[0])
    if file.name == "base.yaml":
        file = tmp_path / "routing.yaml"
    entry = f"  accept: [{{lint: {case['lint']}, reason: known and right}}]\n"
    file.write_text(file.read_text() + entry)
    result = run(tmp_path)
    if not LINTS[case["lint"]].acceptable:
        assert result.exit_code == 2
        assert f"got '{case['lint']}'" in result.stderr
    elif case.get("hard"):
        assert result.exit_code == 2
    else:
        assert result.exit_code == 0
        assert f"[{case['lint']}]" not in result.stderr
        assert "accept-unused" not in result.stderr


def test_strictly_nothing_is_written_with_a_warning(tmp_path: Path) -> None:
    changed(tmp_path, [["fraud.slo.yaml", "when: {atMost: 0}, for: 5m", "when: {atMost: 0}, for: 1m"]])
    result = run(tmp_path, "--strict")
    assert (result.exit_code, result.stderr.splitlines()[-1]) == (1, "1 warning, which --strict refuses")
    assert not (tmp_path / "out").exists()
    assert run(tmp_path).exit_code == 0
    assert (
        run(tmp_path, command="check").exit_code,
        run(tmp_path, "--strict", command="check").exit_code,
    ) == (0, 1)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("    - name: nulls\n", "    - name: nulls\n      ACCEPT\n"),
        ("FeatureDrift, tier: P3,", "FeatureDrift, tier: P3, ACCEPT,"),
    ],
)
def test_an_acceptance_is_of_the_slo_or_alert_that_it_stands_in(tmp_path: Path, old: str, new: str) -> None:
    accept = "accept: [{lint: keep-firing-without-effect, reason: seen}]"
    changes = [
        ["fraud.slo.yaml", "floor: 0.01}}, for: 15m", "floor: 0.01}}, for: 15m, keepFiringFor: 30s"],
        ["fraud.slo.yaml", "when: {above: 0.1}, for: 1h", "when: {above: 0.1}, for: 1h, keepFiringFor: 30s"],
        ["fraud.slo.yaml", old, new.replace("ACCEPT", accept)],
    ]
    changed(tmp_path, changes)
    (line,) = run(tmp_path).stderr.splitlines()
    text = (tmp_path / "fraud.slo.yaml").read_text().splitlines()[int(line.split(":")[1]) - 1]
    assert ("FeatureDrift" in text) == ("nulls" in old)


def test_a_reason_is_required(tmp_path: Path) -> None:
    for reason in ("", ", reason: ''", ", reason: ' '"):
        change = f"for: 1h, accept: [{{lint: for-too-short{reason}}}]}}"
        changed(tmp_path, [["fraud.slo.yaml", "for: 1h}", change]])
        result = run(tmp_path)
        assert result.exit_code == 2
        assert "reason" in result.stderr or "expected at least 1 character" in result.stderr, result.stderr


def test_what_only_a_monitor_shows_stays_accepted_without_it(tmp_path: Path) -> None:
    case = next(case for case in CASES if case["lint"] == "too-few-samples")
    changed(tmp_path, case["change"])
    path = tmp_path / "fraud.slo.yaml"
    path.write_text(path.read_text() + "  accept: [{lint: too-few-samples, reason: a small model}]\n")
    arguments = ["generate", str(path), str(tmp_path / "routing.yaml"), "--out", str(tmp_path / "out")]
    result = CliRunner().invoke(main, arguments)
    assert (result.exit_code, result.stderr) == (0, "")


@pytest.mark.parametrize("folder", [CONTRACT, ROOT / "examples" / "diabetes"], ids=["contract", "example"])
def test_the_contract_and_the_example_raise_no_warning(folder: Path, tmp_path: Path) -> None:
    result = CliRunner().invoke(main, ["generate", str(folder), "--out", str(tmp_path), "--strict"])
    assert result.stderr == ""
    assert result.exit_code == 0


def test_each_lint_has_a_file_a_page_and_a_case() -> None:
    names = set(LINTS)
    modules = {module.name.replace("_", "-") for module in pkgutil.iter_modules(rulegen.lint.__path__)}
    assert {name for name, lint in LINTS.items() if lint.found == "checking"} == names & modules
    assert {case["lint"] for case in CASES} == names
    assert {path.stem for path in PAGES.glob("*.md")} - {"README"} == names
    assert list(LINTS) == sorted(LINTS)


@pytest.mark.parametrize("name", LINTS)
def test_a_page_shows_what_is_said(name: str, tmp_path: Path) -> None:
    text = (PAGES / f"{name}.md").read_text()
    assert text.startswith(f"# {name}\n\n{LINTS[name].summary}\n")
    assert re.findall(r"^## (.*)$", text, re.MULTILINE) == HEADINGS
    case = next(case for case in CASES if case["lint"] == name)
    said = expected(case, changed(tmp_path, case["change"])).removeprefix(f"{tmp_path}/")
    assert f"```text\n{said}\n```" in text
    example = text.split("## Example\n", 1)[1]
    flat = " ".join(example.split())
    assert " ".join(case["change"][0][2].replace("§", "").split()) in flat
    assert ("cannot be accepted" in text) == (not LINTS[name].acceptable)
    assert (f"lint: {name}" in text) == LINTS[name].acceptable
