"""scripts/tools: takes what PATH has where it is new enough, and says what to do where nothing helps."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.support.paths import ROOT
from tests.support.tools import NAMES, installed, tool

pytestmark = pytest.mark.one_version

NEEDED = (
    *("bash", "cat", "chmod", "cksum", "dirname", "env", "grep", "head", "id", "ln"),
    *("mkdir", "mktemp", "mv", "rm", "sed", "sort", "tail"),
)


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A checkout with the two scripts, and a folder `commands` that is the whole PATH: no apt-get."""
    scripts = tmp_path / "scripts"
    scripts.mkdir()
    for name in ("tools", "debian-package"):
        shutil.copy(ROOT / "scripts" / name, scripts / name)
    commands = tmp_path / "commands"
    commands.mkdir()
    for name in NEEDED:
        (commands / name).symlink_to(shutil.which(name) or name)
    return tmp_path


def provide(checkout: Path, name: str, text: str) -> None:
    executable = checkout / "commands" / name
    executable.write_text(f"#!/bin/sh\n{text}\n")
    executable.chmod(0o755)


def provide_version(checkout: Path, name: str, version: str) -> None:
    reported = name.removeprefix("prometheus-")
    provide(checkout, name, f"echo '{reported}, version {version} (branch: HEAD, revision: 0)'")


def provide_pair(
    checkout: Path, version: str, of_alertmanager: str, alertmanager: str = "alertmanager"
) -> None:
    """Programs of both; ``alertmanager``: what that one is called."""
    for name in ("prometheus", "promtool"):
        provide_version(checkout, name, version)
    for name in (alertmanager, "amtool"):
        provide_version(checkout, name, of_alertmanager)


def run(checkout: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(checkout / "scripts" / "tools")],
        env={**os.environ, "PATH": str(checkout / "commands")},
        capture_output=True, text=True, timeout=60, check=False, stdin=subprocess.DEVNULL,
    )  # fmt: skip


def test_new_enough_tools_on_path_are_linked_once(checkout: Path) -> None:
    """None of the three pairs, but new enough."""
    provide_pair(checkout, "3.50.0", "0.25.0", alertmanager="prometheus-alertmanager")
    first = run(checkout)
    assert first.returncode == 0, first.stderr
    linked = {name: (checkout / ".tools" / "bin" / name).readlink().name for name in NAMES}
    assert linked == {
        "prometheus": "prometheus",
        "promtool": "promtool",
        "alertmanager": "prometheus-alertmanager",
        "amtool": "amtool",
    }
    assert tool("alertmanager", checkout) == checkout / ".tools" / "bin" / "alertmanager"
    second = run(checkout)
    assert (second.returncode, second.stdout, second.stderr) == (0, "", "")


def test_a_pair_on_path_is_taken_as_it_and_the_others_are_said_to_be_missing(checkout: Path) -> None:
    provide_pair(checkout, "2.53.3", "0.28.1")
    found = run(checkout)
    assert found.returncode == 0, found.stderr
    assert "tools: missing: Prometheus 2.42 with Alertmanager 0.25" in found.stderr
    assert "tools: missing: Prometheus 3.5 with Alertmanager 0.33" in found.stderr
    assert installed(checkout) == ["2.53"]
    assert tool("promtool", checkout, version="2.53").readlink().name == "promtool"
    with pytest.raises(FileNotFoundError, match=r"3\.5"):
        tool("promtool", checkout, version="3.5")


@pytest.mark.parametrize(
    "text",
    [
        "echo 'prometheus, version 2.41.9 (branch: HEAD)'",
        "echo 'error while loading shared libraries: libnone.so.1' >&2; exit 127",
    ],
    ids=["too old", "cannot run"],
)
def test_without_a_package_client_it_says_what_to_put_on_path(checkout: Path, text: str) -> None:
    provide(checkout, "prometheus", text)
    refused = run(checkout)
    assert refused.returncode == 1
    assert "debian-package: this machine has no apt-get" in refused.stderr
    assert (
        "tools: put prometheus and promtool 2.42 or newer, alertmanager and amtool 0.25 or newer on PATH"
        in refused.stderr
    )
    assert "tools: missing: Prometheus 3.5 with Alertmanager 0.33" in refused.stderr
    assert not (checkout / ".tools" / "bin" / "prometheus").exists()


def test_a_tool_that_is_nowhere_is_an_error_that_names_the_script(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(FileNotFoundError, match=r"run scripts/tools"):
        tool("amtool", tmp_path)
    with pytest.raises(LookupError, match="there are prometheus, promtool"):
        tool("amtol", tmp_path)
