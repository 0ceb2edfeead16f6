"""Build the wheel and the source archive of each distribution, in a folder of its own."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

from distributions.split import WHOLE, Distribution, pyproject

_NOT_CODE = shutil.ignore_patterns("__pycache__", "*.pyc")


def stage(root: Path, distribution: Distribution, folder: Path) -> Path:
    """Write what ``distribution`` is built from below ``folder``, and return where: a project of its own."""
    project = folder / distribution.name
    project.mkdir(parents=True)
    (project / "pyproject.toml").write_text(pyproject(root, distribution), encoding="utf-8")
    shutil.copy(root / "LICENSE", project)
    if distribution.name == WHOLE:
        shutil.copy(root / "README.md", project)
    else:
        about = f"# {distribution.name}\n\n{distribution.description}. `mlslo` brings both halves.\n"
        (project / "README.md").write_text(about, encoding="utf-8")
    for package in distribution.packages:
        shutil.copytree(root / package, project / package, ignore=_NOT_CODE)
    return project


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
