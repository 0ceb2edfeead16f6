"""The page about the code names files that are there, and every room of the exporter."""

import re

from tests.support.paths import ROOT

PAGE = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
NAMED = re.findall(r"`((?:exporter|rulegen|mlslo|tests|docs)/[\w/.]*)`", PAGE)


def test_files_and_folders_exist() -> None:
    assert len(NAMED) > 30
    assert not [name for name in NAMED if not (ROOT / name).exists()]


def test_the_way_of_a_record_passes_every_room() -> None:
    """But for the command line, which no record passes, and summaries, which are what crosses between the others."""
    way = PAGE.partition("## The way of a record")[2].partition("## The way of an SLO")[0]
    assert rooms("exporter") - passed("exporter", way) <= {"commands", "summary"}


def test_the_way_of_an_slo_passes_every_room() -> None:
    way = PAGE.partition("## The way of an SLO")[2].partition("### Add a condition")[0]
    assert rooms("rulegen") == passed("rulegen", way)


def rooms(half: str) -> set[str]:
    return {path.parent.name for path in (ROOT / half).glob("*/__init__.py")}


def passed(half: str, way: str) -> set[str]:
    return {name.split("/")[1] for name in re.findall(rf"`({half}/[\w/.]+)`", way) if name.count("/") > 1}
