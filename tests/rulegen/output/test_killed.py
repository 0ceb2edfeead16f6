"""A run that is killed, or runs out of space, while it writes: every file is old or new, and nothing else stays."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from mlslo.yamlfile import InputError
from rulegen.output import writing

pytestmark = pytest.mark.slow

ENDLESSLY = """
import itertools, sys
from pathlib import Path
from rulegen.output import writing
for turn in itertools.count():
    files = {f"rules/{number}.yaml": f"{'ab'[turn % 2]}" * 200_000 for number in range(12)}
    writing.write(Path(sys.argv[1]), files)
    print(turn, flush=True)
"""
EACH_INTO_A_NEW_FOLDER = """
import itertools, sys
from pathlib import Path
from rulegen.output import writing
for turn in itertools.count():
    files = {f"{folder}/{number}.yaml": "a" * 200_000 for folder in ("rules", "runbooks/m") for number in range(6)}
    writing.write(Path(sys.argv[1], str(turn)), files)
    print(turn, flush=True)
"""
# A limit of the kernel, met in the middle of the third file.
TOO_LARGE = """
import resource, sys
from pathlib import Path
from mlslo.yamlfile import InputError
from rulegen.output import writing
resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, 50_000))
files = {f"rules/{number}.yaml": "b" * (10_000 if number < 2 else 200_000) for number in range(4)}
try:
    writing.write(Path(sys.argv[1]), files)
except InputError as error:
    print(error)
"""


def contents(folder: Path) -> dict[str, str]:
    return {path.name: path.read_text() for path in (folder / "rules").iterdir()}


def _run_and_kill(program: str, folder: Path, chance: random.Random) -> None:
    """Some time after it has written everything once."""
    process = subprocess.Popen([sys.executable, "-c", program, str(folder)], stdout=subprocess.PIPE)
    assert process.stdout is not None
    process.stdout.readline()
    time.sleep(chance.uniform(0.0, 0.03))
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stdout.close()


def test_a_killed_run_leaves_whole_files_and_the_next_one_clears_up(tmp_path: Path) -> None:
    chance = random.Random(4)
    left = 0
    for _ in range(8):
        _run_and_kill(ENDLESSLY, tmp_path, chance)
        found = contents(tmp_path)
        whole = {name: text for name, text in found.items() if not name.startswith(".")}
        assert len(whole) == 12
        assert {(len(text), len(set(text))) for text in whole.values()} == {(200_000, 1)}
        left += len(found) - len(whole)
    assert left, "no kill came while a file was being written"
    writing.write(tmp_path, {"rules/0.yaml": "new"})
    assert not [name for name in contents(tmp_path) if name.startswith(".")]


def test_what_a_run_that_goes_on_is_writing_stays(tmp_path: Path) -> None:
    (tmp_path / "rules").mkdir()
    other = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    theirs = tmp_path / "rules" / f".0.yaml.{other.pid}-abc.new"
    theirs.touch()
    (tmp_path / "rules" / ".notes.new").touch()
    writing.write(tmp_path, {"rules/0.yaml": "new"})
    assert set(contents(tmp_path)) == {"0.yaml", theirs.name, ".notes.new"}
    other.communicate(b"\n")
    writing.write(tmp_path, {"rules/0.yaml": "newer"})
    assert set(contents(tmp_path)) == {"0.yaml", ".notes.new"}


def test_without_space_the_folder_is_as_it_was(tmp_path: Path) -> None:
    before = {f"rules/{number}.yaml": "old" for number in range(3)}
    writing.write(tmp_path, before)
    done = subprocess.run([sys.executable, "-c", TOO_LARGE, str(tmp_path)], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert "cannot be written: File too large" in done.stdout
    assert contents(tmp_path) == {Path(name).name: text for name, text in before.items()}


def test_without_space_no_folder_is_left_either(tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    for place in ("there", "there/new", "new/below"):
        folder = tmp_path / place
        done = subprocess.run([sys.executable, "-c", TOO_LARGE, str(folder)], capture_output=True, text=True)
        assert "cannot be written: File too large" in done.stdout
    assert [path.name for path in tmp_path.rglob("*")] == ["there"]


def test_a_folder_that_is_new_is_there_whole_or_not_at_all(tmp_path: Path) -> None:
    chance = random.Random(5)
    left: set[str] = set()
    for attempt in range(8):
        folder = tmp_path / str(attempt)
        _run_and_kill(EACH_INTO_A_NEW_FOLDER, folder, chance)
        for made in folder.iterdir():
            if made.name.startswith("."):
                left.add(f"{attempt}/{made.name.split('.')[1]}")
            else:
                assert len([path for path in made.rglob("*.yaml") if path.stat().st_size == 200_000]) == 12
    assert left, "no kill came while a folder was being written"
    for name in left:
        writing.write(tmp_path / name, {"rules/0.yaml": "new"})
    assert not list(tmp_path.glob("*/.*"))


def test_names_may_be_as_long_as_names_can_be(tmp_path: Path) -> None:
    names = [f"{letter * 250}/{letter * 250}{end}" for letter in "ab" for end in ("1.md", "2.md")]
    for text in ("old", "new"):
        assert writing.write(tmp_path / ("x" * 250), dict.fromkeys(names, text)) == names
    assert {path.read_text() for path in tmp_path.rglob("*.md")} == {"new"}
    assert not list(tmp_path.rglob(".*"))


def test_what_cannot_be_written_is_named_by_its_own_name(tmp_path: Path) -> None:
    with pytest.raises(InputError) as refused:
        writing.write(tmp_path, {"rules/0.yaml": "a", f"rules/{'b' * 300}": "a"})
    assert str(refused.value) == f"{tmp_path}/rules/{'b' * 300}: cannot be written: File name too long"
    assert not list(tmp_path.iterdir())


def test_who_comes_second_is_told_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    replace = os.replace

    def meanwhile(made: str, place: str) -> None:
        (tmp_path / "rules").mkdir()
        (tmp_path / "rules" / "theirs.yaml").touch()
        replace(made, place)

    monkeypatch.setattr(os, "replace", meanwhile)
    with pytest.raises(InputError) as refused:
        writing.write(tmp_path, {"rules/0.yaml": "a"})
    said = "cannot be written: somebody else has put it there meanwhile"
    assert str(refused.value) == f"{tmp_path}/rules: {said}"
    assert [path.name for path in tmp_path.rglob("*")] == ["rules", "theirs.yaml"]
