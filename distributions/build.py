"""Build the wheel and the source archive of each distribution, in a folder of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from distributions.split import Distribution
from distributions.staging import stage


def build(root: Path, distribution: Distribution, staging: Path, out: Path) -> None:
    """Build into ``out``: the source archive from the project, the wheel from the source archive.

    Nothing is downloaded: setuptools is the one of this environment. A wheel of the same commit has the same bytes.
    Raises subprocess.CalledProcessError with the output of the build where it fails.
    """
    project = stage(root, distribution, staging)
    environment = os.environ | {"SOURCE_DATE_EPOCH": _time_of_commit(root)}
    command = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(out), str(project)]
    subprocess.run(
        command, env=environment, check=True, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )


def _time_of_commit(root: Path) -> str:
    command = ["git", "-C", str(root), "log", "-1", "--format=%ct"]
    found = subprocess.run(command, capture_output=True, text=True, check=False)
    # An archive of the sources has no history; 1980 is the first year that a wheel can tell.
    return found.stdout.strip() or "315532800"
