"""All renderings of deploy/, made once."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

import pytest
from click.testing import CliRunner

from rulegen import cli
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
from tests.support.paths import CONTRACT, DIABETES, TESTS

_EXAMPLE = [DIABETES / name for name in ("slo.yaml", "routing.yaml", "monitor.yaml")]
_ROUTED = [TESTS / "crds" / "routing.yaml", CONTRACT / "fraud.slo.yaml"]
CHARTS = [path.stem for path in sorted(VALUES.glob("*.yaml"))]


@pytest.fixture(scope="session")
def renderings(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[Object]]:
    """Objects of the chart by values file, of the example chart, of each overlay, and of the generated rules."""
    folder = tmp_path_factory.mktemp("deploy")
    return {
        **{name: render(values(name)) for name in CHARTS},
        "example": render_example(folder),
        **{f"overlay {name}": kustomize(DEPLOY / "kustomize" / "overlays" / name) for name in OVERLAYS},
        "rules": kustomize(_generated(folder / "rules", "diabetes", _EXAMPLE)),
        "rules of an AlertmanagerConfig": kustomize(_generated(folder / "routed", "fraud", _ROUTED)),
    }


def _generated(folder: Path, model: str, specs: Sequence[Path]) -> Path:
    """Return deploy/rules, named after ``model``, with what the generator writes there."""
    shutil.copytree(DEPLOY / "rules", folder)
    kustomization = folder / "kustomization.yaml"
    kustomization.write_text(
        kustomization.read_text(encoding="utf-8").replace("diabetes", model), encoding="utf-8"
    )
    command = ["generate", *map(str, specs), "--format", "operator", "--out", str(folder)]
    result = CliRunner().invoke(cli.main, command)
    assert result.exit_code == 0, result.output
    return folder


@pytest.fixture(scope="session")
def images(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Image]:
    """The images of both halves."""
    return build_images(tmp_path_factory.mktemp("images"))
