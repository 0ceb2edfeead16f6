"""docs/sinks: each page has a monitor file that is taken, and the table of all sinks has each."""

from __future__ import annotations

from pathlib import Path

import pytest

from exporter.sinks.paged.http_api import LARGEST_ANSWER
from mlslo.monitor import LokiSink, OpenSearchSink, Sink, load
from mlslo.yamlfile import StrictModel
from tests.support.paths import ROOT
from tests.support.sessions import blocks

FOLDER = ROOT / "docs/sinks"
PAGES = sorted(path for path in FOLDER.glob("*.md") if path.name != "README.md")


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.stem)
def test_the_monitor_files_of_a_page_are_taken(page: Path, tmp_path: Path) -> None:
    files = {
        block.file: block.text for block in blocks(page.read_text()) if (block.file or "").endswith(".yaml")
    }
    assert files
    sinks = set()
    for name, text in files.items():
        assert name is not None
        (tmp_path / name).write_text(text)
        monitored = load(tmp_path / name)
        sinks |= monitored.spec.predictions.sink.model_fields_set
    assert page.stem in sinks


def test_the_table_has_each_sink() -> None:
    table = (FOLDER / "README.md").read_text()
    assert not [name for name in Sink.model_fields if f"[`{name}`]" not in table]


@pytest.mark.parametrize(
    ("name", "what", "settings"), [("loki", "entries", LokiSink), ("opensearch", "documents", OpenSearchSink)]
)
def test_figures_of_a_page(name: str, what: str, settings: type[StrictModel]) -> None:
    page = (FOLDER / f"{name}.md").read_text()
    assert f"`pageSize` {what}, {settings.model_fields['pageSize'].default:,} by default" in page
    assert f"{LARGEST_ANSWER >> 20} MiB" in page
    assert f"lookback of {settings.model_fields['lookback'].default}" in page
