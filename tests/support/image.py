"""Images of deploy/Containerfile, built of this working tree without a container engine."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

from tests.support.containerfile import Stage, parse
from tests.support.manifests import DEPLOY
from tests.support.namespace import PYTHON
from tests.support.paths import ROOT

ROOTED = os.getuid() == 0 and all(map(shutil.which, ("unshare", "setpriv")))
WHY_NOT = "only root may mount folders and change the user; unshare and setpriv are needed"
CONTAINERFILE = DEPLOY / "Containerfile"


@dataclass(frozen=True)
class Image:
    """What a stage of the Containerfile adds to its base, and how a container of it is started."""

    layer: Path
    stage: Stage

    @property
    def packages(self) -> Path:
        (found,) = self.layer.glob("opt/mlslo/lib/python3*/site-packages")
        return found


def build_images(folder: Path) -> dict[str, Image]:
    """Return the images `exporter` and `rulegen`. Skips the test where this machine cannot build them."""
    if not ROOTED:
        pytest.skip(WHY_NOT)
    if not _is_like_the_base():
        pytest.skip(
            "this machine's Python cannot stand for the base image's: it has no pip, or is not called python"
        )
    if not _packages_come(folder):
        pytest.skip("no package index, which the first stage of each image needs")
    context = folder / "context"
    command = [sys.executable, "-m", "distributions", "--out", str(context / "dist")]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False)
    assert done.returncode == 0, done.stderr
    (context / "scripts").mkdir()
    shutil.copy(ROOT / "scripts" / "lock.txt", context / "scripts")
    stages = parse(CONTAINERFILE)
    return {name: _build(stages[name], context, folder / name) for name in ("exporter", "rulegen")}


def _build(stage: Stage, context: Path, folder: Path) -> Image:
    folder.mkdir()
    layer = folder / "layer"
    given = (CONTAINERFILE, stage.name, context, layer)
    module = [sys.executable, "-m", "tests.support.namespace", "build", *map(str, given)]
    command = ["unshare", "--mount", "--propagation", "private", *module]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr
    return Image(layer, stage)


def _is_like_the_base() -> bool:
    """Return whether the first steps of the Containerfile find `python` with pip."""
    try:
        return (
            subprocess.run([PYTHON, "-m", "pip", "--version"], capture_output=True, check=False).returncode
            == 0
        )
    except OSError:
        return False


@cache
def _packages_come(folder: Path) -> bool:
    """Return whether pip can download the smallest package of the lock."""
    command = [
        sys.executable,
        "-m",
        "pip",
        "download",
        "--no-deps",
        "--dest",
        str(folder / "tried"),
        "iniconfig",
    ]
    return subprocess.run(command, capture_output=True, check=False).returncode == 0
