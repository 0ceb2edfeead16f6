"""Other programs that do a part of this, each in a virtual environment of its own under .tools/peers.

Their versions are pinned, with all that they need, in benchmarks/peers.txt, those of packages that bring data along in
benchmarks/data_sets.txt: fresh installs of some were broken on
the day that this was written.
"""

from __future__ import annotations

import hashlib
import subprocess
import sys
from pathlib import Path

from benchmarks.process import ROOT, ProgramError

_PINS = {name: ROOT / "benchmarks" / f"{name}.txt" for name in ("peers", "data_sets")}
_FOLDER = ROOT / ".tools" / "peers"
_SCRIPT = ROOT / "benchmarks" / "evidently_drift.py"


def evidently() -> list[object]:
    """The command that runs Evidently's drift preset. Raises ProgramError where it cannot be installed."""
    return [_environment("evidently", _PINS["peers"]), _SCRIPT]


def shipped_data() -> list[object]:
    """The command that writes the data sets of packages. Raises ProgramError where they cannot be installed."""
    return [_environment("data_sets", _PINS["data_sets"]), ROOT / "benchmarks" / "shipped_data.py"]


def _environment(name: str, pins: Path) -> Path:
    """The interpreter of an environment with the pinned packages, made where it is not there."""
    folder = _FOLDER / name
    interpreter = folder / "bin" / "python"
    stamp = folder / "stamp"
    edition = hashlib.sha256(pins.read_bytes() + sys.version.encode()).hexdigest()
    if interpreter.exists() and stamp.exists() and stamp.read_text() == edition:
        return interpreter
    print(f"installing {name} into {folder.relative_to(ROOT)}", file=sys.stderr)
    install = [interpreter, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-input"]
    for command in (
        [sys.executable, "-m", "venv", "--clear", folder],
        [*install, "--requirement", pins],
    ):
        words = [str(word) for word in command]
        try:
            subprocess.run(words, check=True, capture_output=True, text=True, timeout=900)
        except subprocess.CalledProcessError as error:
            raise ProgramError(f"{name} cannot be installed: {error.stderr.strip()[-300:]}") from None
        except (OSError, subprocess.TimeoutExpired) as error:
            raise ProgramError(f"{name} cannot be installed: {error}") from None
    stamp.write_text(edition)
    return interpreter
