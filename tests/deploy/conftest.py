"""All renderings of deploy/, made once."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.image import Image, build_images
from tests.support.manifests import (
    DEPLOY,
    OVERLAYS,
    VALUES,
    Object,
    kustomize,
    render,
    render_example,
    values,
)
from tests.support.paths import DIABETES

CHARTS = [path.stem for path in sorted(VALUES.glob("*.yaml"))]


@pytest.fixture(scope="session")
def renderings(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[Object]]:
    """Objects of the chart by values file, of the example chart, of each overlay, and of the generated rules."""
    folder = tmp_path_factory.mktemp("deploy")
    return {
        **{name: render(values(name)) for name in CHARTS},
        "example": render_example(folder),
        **{f"overlay {name}": kustomize(DEPLOY / "kustomize" / "overlays" / name) for name in OVERLAYS},
        "rules": kustomize(_generated(folder / "rules")),
    }


def _generated(folder: Path) -> Path:
    """Return deploy/rules with what the generator writes there of the example."""
    shutil.copytree(DEPLOY / "rules", folder)
    specs = [DIABETES / name for name in ("slo.yaml", "routing.yaml", "monitor.yaml")]
    command = [
        sys.executable,
        "-m",
        "rulegen",
        "generate",
        *map(str, specs),
        "--format",
        "operator",
        "--out",
        str(folder),
    ]
    subprocess.run(command, check=True, capture_output=True, cwd=DEPLOY.parent)
    return folder


@pytest.fixture(scope="session")
def images(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Image]:
    """The images of both halves."""
    return build_images(tmp_path_factory.mktemp("images"))
