"""What scripts/build writes: each half runs from its wheels, where nothing of the other half is."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

from distributions.build import build
from distributions.split import split
from tests.support.paths import DIABETES, ROOT

pytestmark = pytest.mark.slow

# None in sys.modules: an import of it fails as where it is not installed.
WITHOUT = """
import sys
sys.modules.update(dict.fromkeys({absent!r}))
from {half}.cli import main
main({arguments!r}, prog_name="mlslo-{half}")
"""


@pytest.fixture(scope="module")
def dist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("dist")
    for distribution in split(ROOT):
        build(ROOT, distribution, tmp_path_factory.mktemp("staging"), folder)
    return folder


def unpacked(dist: Path, names: list[str], folder: Path) -> Path:
    for name in names:
        (wheel,) = dist.glob(f"{name}-[0-9]*.whl")
        zipfile.ZipFile(wheel).extractall(folder)
    return folder


def run(
    half: str, arguments: list[object], absent: list[str], packages: Path
) -> subprocess.CompletedProcess[str]:
    """Run a half's command on the packages alone: this clone is not on the path of the interpreter."""
    program = WITHOUT.format(half=half, arguments=[str(argument) for argument in arguments], absent=absent)
    libraries = next(path for path in sys.path if path.endswith("site-packages"))
    environment = os.environ | {
        "PYTHONPATH": os.pathsep.join([str(packages), libraries]),
        "PYTHONSAFEPATH": "1",
    }
    # -S: without the editable installation of this clone.
    command = [sys.executable, "-S", "-W", "error", "-c", program]
    return subprocess.run(command, env=environment, cwd=packages, capture_output=True, text=True, check=False)


def test_every_file_of_the_packages_is_in_one_wheel_and_its_source_archive(dist: Path) -> None:
    listed = ["git", "ls-files", "mlslo", "exporter", "rulegen"]
    tracked = set(
        subprocess.run(listed, cwd=ROOT, capture_output=True, text=True, check=True).stdout.splitlines()
    )
    packed = [name for wheel in dist.glob("*.whl") for name in zipfile.ZipFile(wheel).namelist()]
    assert sorted(name for name in packed if ".dist-info/" not in name) == sorted(tracked)
    archived: set[str] = set()
    for archive in dist.glob("*.tar.gz"):
        with tarfile.open(archive) as content:
            archived |= {name.partition("/")[2] for name in content.getnames()}
    assert tracked <= archived


def test_the_exporter_runs_without_the_parser_of_promql(dist: Path, tmp_path: Path) -> None:
    packages = unpacked(dist, ["mlslo_core", "mlslo_exporter"], tmp_path / "packages")
    folder = tmp_path / "diabetes"
    shutil.copytree(DIABETES, folder)
    absent = ["promql_parser", "re2", "rulegen"]
    reference = ["--data", folder / "reference-data.jsonl", "--out", folder / "references/validation.json"]
    built = run("exporter", ["baseline", folder / "monitor.yaml", *reference], absent, packages)
    assert built.returncode == 0, built.stderr
    done = run(
        "exporter", ["once", folder / "monitor.yaml", "--at", "2025-01-06T08:40:00Z"], absent, packages
    )
    assert done.returncode == 0, done.stderr
    assert 'ml_feature_psi{feature="glucose"' in done.stdout


def test_the_generator_runs_without_duckdb_and_arrays(dist: Path, tmp_path: Path) -> None:
    packages = unpacked(dist, ["mlslo_core", "mlslo_rulegen"], tmp_path / "packages")
    absent = ["duckdb", "numpy", "scipy", "msgspec", "prometheus_client", "exporter"]
    done = run("rulegen", ["generate", DIABETES, "--out", tmp_path / "out"], absent, packages)
    assert done.returncode == 0, done.stderr
    written = (tmp_path / "out/rules/diabetes.yaml").read_text(encoding="utf-8")
    assert written == (ROOT / "rules/diabetes.yaml").read_text(encoding="utf-8")


def test_what_is_not_there_is_missed(dist: Path, tmp_path: Path) -> None:
    """The two tests above can fail: what they take away is found missing where it is used."""
    packages = unpacked(dist, ["mlslo_core", "mlslo_rulegen"], tmp_path / "packages")
    done = run("rulegen", ["generate", DIABETES, "--out", tmp_path / "out"], ["promql_parser"], packages)
    assert "promql_parser" in done.stderr
    assert done.returncode == 1
    nothing = run("exporter", ["metrics"], [], packages)
    assert "No module named 'exporter'" in nothing.stderr
