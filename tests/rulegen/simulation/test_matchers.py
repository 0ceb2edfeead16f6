"""Regular expressions in matchers mean what they mean to Alertmanager, which amtool is asked about."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
import yaml

from rulegen.alertmanager.matchers import Matcher
from tests.support.tools import tool

MEANT = [
    ("[[:alpha:]]+", "fraud"),
    ("[[:alpha:]]+", "42"),
    ("[[a-z]+", "a[b"),
    (r"\pL+", "é"),
    (r"\pL+", "1"),
    (r"\Qa.b\E", "a.b"),
    (r"\Qa.b\E", "axb"),
    (r"\d+", "42"),
    # A digit to Python, not to Go.
    (r"\d+", "٤٢"),
    (r"\w+", "é"),
    ("(?i)FRAUD", "fraud"),
    ("(?P<name>a|b)c", "bc"),
    ("a|b", "ab"),
    ("a.b", "a\nb"),
    ("(?s)a.b", "a\nb"),
    ("^a$", "a"),
    (r"a\z", "a"),
    ("a*?", ""),
    ("", ""),
    ("", "a"),
]
REFUSED = [
    "(?=a)",
    "(?!a)",
    "(?<=a)b",
    r"(a)\1",
    "a*+",
    "(?>a)",
    "x{1001}",
    "[z-a]",
    "(",
    "+",
    r"\Z",
    "[[:letter:]]",
]


def configuration(folder: Path, pattern: str) -> Path:
    path = folder / "alertmanager.yaml"
    escaped = pattern.replace("\\", "\\\\")
    route = {"receiver": "other", "routes": [{"receiver": "meant", "matchers": [f'x=~"{escaped}"']}]}
    path.write_text(yaml.safe_dump({"route": route, "receivers": [{"name": "other"}, {"name": "meant"}]}))
    return path


@pytest.mark.parametrize(("pattern", "value"), MEANT)
def test_what_an_expression_matches(tmp_path: Path, pattern: str, value: str) -> None:
    # amtool reads a label as it reads a matcher.
    label = 'x="' + value.replace("\n", "\\n") + '"'
    config = f"--config.file={configuration(tmp_path, pattern)}"
    command = [str(tool("amtool")), "config", "routes", "test", config, label]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert Matcher("x", "=~", pattern).matches({"x": value}) == (done.stdout.split() == ["meant"])
    assert Matcher("x", "!~", pattern).matches({"x": value}) != (done.stdout.split() == ["meant"])


@pytest.mark.parametrize("pattern", REFUSED)
def test_what_alertmanager_refuses(tmp_path: Path, pattern: str, capfd: pytest.CaptureFixture[str]) -> None:
    command = [str(tool("amtool")), "check-config", str(configuration(tmp_path, pattern))]
    assert subprocess.run(command, capture_output=True, check=False).returncode == 1
    with pytest.raises(ValueError, match="not a regular expression of Alertmanager's"):
        Matcher("x", "=~", pattern)
    assert capfd.readouterr() == ("", "")
