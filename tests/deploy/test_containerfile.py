"""The Containerfile: hadolint's opinion, and its steps, done here; then what is in the images and what they say."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.containerfile import Copy, needed, parse
from tests.support.image import CONTAINERFILE, Image
from tests.support.manifests import DEPLOY

STAGES = parse(CONTAINERFILE)
HALVES = ("exporter", "rulegen")


def test_hadolint_has_nothing_to_say() -> None:
    hadolint = Path(sys.executable).with_name("hadolint")
    done = subprocess.run([hadolint, CONTAINERFILE], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout + done.stderr) == (0, "")


@pytest.mark.parametrize("half", HALVES)
def test_an_image_is_a_number_that_is_not_root_and_stops_in_order(half: str) -> None:
    stage = STAGES[half]
    assert stage.user == "65532:65532"
    assert stage.stop_signal == "SIGTERM"
    assert stage.entrypoint == [f"/opt/mlslo/bin/mlslo-{half}"]
    assert stage.environment["PYTHONDONTWRITEBYTECODE"] == "1"
    assert stage.labels["org.opencontainers.image.licenses"] == "Apache-2.0"
    # Nothing is run in it: what it holds was made in a stage that is not shipped.
    assert [step.sources for step in stage.steps if isinstance(step, Copy)] == [["/opt/mlslo"]]
    assert len(stage.steps) == 1


@pytest.mark.parametrize("half", HALVES)
def test_only_the_first_stage_downloads_and_none_compiles(half: str) -> None:
    wheels, environment, _ = needed(STAGES, half)
    (download,) = [step for step in wheels.steps if isinstance(step, str)]
    (install,) = [step for step in environment.steps if isinstance(step, str)]
    assert "--only-binary=:all:" in download
    assert "--constraint=/build/lock.txt" in download
    assert "--no-index" in install


def test_every_stage_begins_with_the_base_that_can_be_pinned() -> None:
    assert {stage.base for stage in STAGES.values()} == {"python:3.11-slim-trixie"}


def test_the_context_holds_what_is_copied_and_no_more() -> None:
    copied = {
        source for stage in STAGES.values() for step in stage.steps if isinstance(step, Copy) and not step.origin
        for source in step.sources
    }  # fmt: skip
    ignored = (DEPLOY / "Containerfile.dockerignore").read_text(encoding="utf-8").split()
    assert ignored == ["*", "!dist/*.whl", "!scripts/lock.txt"]
    assert {source for source in copied if not source.startswith("dist/")} == {"scripts/lock.txt"}
    assert all(source.endswith(".whl") for source in copied if source.startswith("dist/"))


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.xdist_group("images")
def test_an_image_has_its_half_alone_and_no_compiler(images: dict[str, Image]) -> None:
    found = {half: {path.name for path in images[half].packages.iterdir()} for half in HALVES}
    assert found["exporter"] >= {"exporter", "mlslo", "duckdb", "bcrypt", "zstandard"}
    assert not found["exporter"] & {"rulegen", "promql_parser", "re2", "pip", "pytest"}
    assert found["rulegen"] >= {"rulegen", "mlslo", "promql_parser"}
    assert not found["rulegen"] & {"exporter", "duckdb", "numpy", "scipy", "pip"}
    for half in HALVES:
        files = [path for path in images[half].layer.rglob("*") if path.is_file()]
        assert not {path.name for path in files} & {"gcc", "cc", "ld", "pip", "pip3"}
        assert not any(path.stat().st_mode & 0o6000 for path in files if not path.is_symlink())
        # Whoever it runs as can read it, and its modules are compiled.
        assert all(path.stat().st_mode & 0o004 for path in files if not path.is_symlink())
        code = images[half].packages / half / "__pycache__"
        assert list(code.glob("cli.*.pyc"))


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.xdist_group("images")
def test_images_are_as_small_as_the_page_says(images: dict[str, Image]) -> None:
    page = (DEPLOY.parent / "docs" / "kubernetes.md").read_text(encoding="utf-8")
    for half, packages, limit in (("exporter", 21, 300), ("rulegen", 13, 32)):
        assert len(list(images[half].packages.glob("*.dist-info"))) == packages
        size = sum(path.lstat().st_size for path in images[half].layer.rglob("*")) / 2**20
        assert size < limit
        assert re.search(rf"^\| `{half}`.* \| {packages} \| at most {limit} MiB \|", page, re.MULTILINE)
