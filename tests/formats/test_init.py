"""`init` writes a monitor file for each format that needs no edit: its figures are those of the documented mapping.

A log that has no names for its features needs one, unless there is training data that has them.
"""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner

from rulegen.cli import main
from tests.formats import dataset
from tests.formats.catalogue import FORMATS, requests_of
from tests.formats.dataset import singles
from tests.formats.figures import CATEGORICAL, differences, figures
from tests.formats.format import Format
from tests.formats.test_figures import _plain, _with_foreign_lines
from tests.support.commands import exporter

pytestmark = pytest.mark.slow

UNNAMED = {
    name
    for name in FORMATS
    if name in ("kserve-v1", "positional", "tensor-matrix") or name.startswith("sagemaker")
}
"""Formats whose features are a list without names."""
WITHOUT_SCORES = {name for name, format_ in FORMATS.items() if "score" not in format_.plain_fields}


def drafted(folder: Path, format_: Format, *options: str) -> tuple[dict[str, Any], str]:
    """Return the file that ``init`` writes for a log, and what it says."""
    requests = requests_of(format_)
    log = folder / f"predictions{format_.suffix}"
    log.write_bytes(format_.write(requests))
    labelled = []
    if format_.name not in WITHOUT_SCORES:
        (folder / "labels.jsonl").write_bytes(dataset.labels(requests))
        labelled = ["--labels", str(folder / "labels.jsonl")]
    out = folder / "credit"
    done = exporter("init", str(log), *labelled, *options, "--out", str(out))
    (file,) = out.glob("*.monitor.yaml")
    checked = exporter("check", str(file), check=False)
    assert checked.returncode == 0, checked.stdout + checked.stderr
    for arguments in (["init", file, "--out", out], ["generate", out, "--out", folder / "generated"]):
        generated = CliRunner().invoke(main, [str(argument) for argument in arguments])
        assert generated.exit_code == 0, generated.stderr
    return yaml.safe_load(file.read_text(encoding="utf-8")), done.stdout + done.stderr


def training(folder: Path, format_: Format) -> Path:
    """Write the features of the data set as a table, with the label."""
    path = folder / "training.csv"
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow([*format_.features, "label"])
        writer.writerows(
            [*(row.features.get(name) for name in format_.features), row.label]
            for _, _, row in singles(requests_of(format_))
        )
    return path


def as_figures(predictions: dict[str, Any], format_: Format) -> dict[str, Any]:
    """Return what `figures` merges: the sink is its own, and plain lines have no class of what a chat ends with."""
    given = {key: value for key, value in predictions.items() if key != "sink"}
    if format_.name in WITHOUT_SCORES:
        given = {**given, "fields": {**given.get("fields", {}), "prediction": None}}
        given.pop("classes", None)
    return given


@pytest.mark.parametrize("name", sorted(FORMATS.keys() - UNNAMED))
def test_nothing_needs_an_edit(name: str, tmp_path: Path) -> None:
    format_ = FORMATS[name]
    content, _ = drafted(tmp_path, format_)
    spec = content["spec"]
    assert spec["task"] == ("multiclass" if name in WITHOUT_SCORES else "binary")
    assert spec["features"] == {
        feature: {"type": "categorical" if feature in CATEGORICAL else "numeric"}
        for feature in format_.features
    }
    if name not in WITHOUT_SCORES:
        assert spec["labels"]["fields"] == {"id": "id", "label": "label", "timestamp": "ts"}
    found = figures(tmp_path / "read", format_, as_figures(spec["predictions"], format_))
    assert differences(_with_foreign_lines(found, -format_.foreign_lines), _plain(format_, tmp_path)) == {}


@pytest.mark.parametrize("name", sorted(UNNAMED))
def test_names_are_those_of_the_training_data(name: str, tmp_path: Path) -> None:
    format_ = FORMATS[name]
    content, said = drafted(tmp_path, format_, "--data", str(training(tmp_path, format_)))
    assert "write them under 'names'" not in said
    spec = content["spec"]
    assert spec["references"] == {"training": {"static": "credit.reference.json"}}
    found = figures(tmp_path / "read", format_, as_figures(spec["predictions"], format_))
    assert differences(_with_foreign_lines(found, -format_.foreign_lines), _plain(format_, tmp_path)) == {}


@pytest.mark.parametrize("name", sorted(UNNAMED))
def test_features_without_names_are_said_to_need_them(name: str, tmp_path: Path) -> None:
    content, said = drafted(tmp_path, FORMATS[name])
    assert "write them under 'names'" in said
    names = content["spec"]["predictions"]["fields"]["features"]["names"]
    assert names == [f"feature_{position}" for position in range(len(FORMATS[name].features))]


def test_eight_of_ten_formats_need_no_edit() -> None:
    assert len(FORMATS) - len(UNNAMED) >= 0.75 * len(FORMATS)
