"""`python3 -m distributions.staging FOLDER`: write each distribution as a project that pip installs from its folder."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

from distributions.split import WHOLE, Distribution, pyproject, split

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


if __name__ == "__main__":
    here = Path(__file__).resolve().parent.parent
    for part in split(here):
        stage(here, part, Path(sys.argv[1]))
