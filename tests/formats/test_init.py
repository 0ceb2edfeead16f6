"""`init` writes a monitor file for each format that needs no edit: it is the documented mapping.

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
from tests.formats.test_figures import DOCUMENTED, UNMAPPED
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
    """Return the file that ``init`` writes for a log, and what it and ``check`` of that file say."""
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
    checked = exporter("check", str(file))
    said = done.stdout + done.stderr + checked.stdout + checked.stderr
    return yaml.safe_load(file.read_text(encoding="utf-8")), said


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


def assert_as_documented(predictions: dict[str, Any], format_: Format, said: str, folder: Path) -> None:
    """Compare with the mapping of the page, whose figures `test_figures` compares, and see that nothing is missing."""
    given = {key: value for key, value in predictions.items() if key not in ("sink", "classes")}
    if format_.name == "bentoml":
        # The page has its preset, which maps more.
        plain = figures(folder / "plain", format_, {"fields": format_.plain_fields}, plain=True)
        assert differences(figures(folder / "read", format_, given), plain) == {}
    else:
        assert given == (DOCUMENTED.get(format_.name) or UNMAPPED[format_.name])
    assert "warning: field" not in said
    # Events have no status, and some presets have a path for one that is planned.
    assert "nothing at" not in said.replace("nothing at 'response.statuscode", "")


@pytest.mark.parametrize("name", sorted(FORMATS.keys() - UNNAMED))
def test_nothing_needs_an_edit(name: str, tmp_path: Path) -> None:
    format_ = FORMATS[name]
    content, said = drafted(tmp_path, format_)
    spec = content["spec"]
    assert spec["task"] == ("multiclass" if name in WITHOUT_SCORES else "binary")
    assert spec["features"] == {
        feature: {"type": "categorical" if feature in CATEGORICAL else "numeric"}
        for feature in format_.features
    }
    if name not in WITHOUT_SCORES:
        assert spec["labels"]["fields"] == {"id": "id", "label": "label", "timestamp": "ts"}
    assert_as_documented(spec["predictions"], format_, said, tmp_path)


@pytest.mark.parametrize("name", sorted(UNNAMED))
def test_names_are_those_of_the_training_data(name: str, tmp_path: Path) -> None:
    format_ = FORMATS[name]
    content, said = drafted(tmp_path, format_, "--data", str(training(tmp_path, format_)))
    assert "write them under 'names'" not in said
    spec = content["spec"]
    assert spec["references"] == {"training": {"static": "credit.reference.json"}}
    assert_as_documented(spec["predictions"], format_, said, tmp_path)


@pytest.mark.parametrize("name", ["kserve-v1", "sagemaker-csv"])
def test_features_without_names_are_said_to_need_them(name: str, tmp_path: Path) -> None:
    content, said = drafted(tmp_path, FORMATS[name])
    assert "write them under 'names'" in said
    names = content["spec"]["predictions"]["fields"]["features"]["names"]
    assert names == [f"feature_{position}" for position in range(len(FORMATS[name].features))]


@pytest.mark.parametrize("name", ["plain", "openai"])
def test_rules_are_drafted_and_generated_from_it(name: str, tmp_path: Path) -> None:
    drafted(tmp_path, FORMATS[name])
    out = tmp_path / "credit"
    (file,) = out.glob("*.monitor.yaml")
    for arguments in (["init", file, "--out", out], ["generate", out, "--out", tmp_path / "generated"]):
        generated = CliRunner().invoke(main, [str(argument) for argument in arguments])
        assert generated.exit_code == 0, generated.stderr
