"""Links of the pages lead somewhere, and nothing in them is of one machine."""

import re
from pathlib import Path

import pytest

from tests.support.paths import ROOT

PAGES = [
    *sorted(ROOT.glob("*.md")),
    ROOT / "examples" / "README.md",
    *sorted((ROOT / "docs").glob("*.md")),
    *sorted((ROOT / "docs" / "statistics").glob("*.md")),
    *sorted((ROOT / "docs" / "lint").glob("*.md")),
]


def without_code(text: str) -> str:
    return re.sub(r"`[^`\n]*`", "", re.sub(r"^```.*?^```$", "", text, flags=re.MULTILINE | re.DOTALL))


def anchors(page: Path) -> set[str]:
    """Return the anchors that GitHub gives to the headings."""
    text = re.sub(r"^```.*?^```$", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    headings = re.findall(r"^#+ (.*)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def links(page: Path) -> list[str]:
    text = without_code(page.read_text(encoding="utf-8"))
    return [
        *re.findall(r"\]\(([^)\s]+)\)", text),
        *re.findall(r"\b(?:src|srcset|href)=\"([^\"]+)\"", text),
    ]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_inside_the_repository_lead_somewhere(page: Path) -> None:
    for link in links(page):
        if link.startswith(("http://", "https://")):
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.is_relative_to(ROOT), link
        assert target.exists(), link
        assert not anchor or anchor in anchors(target), link


def test_the_index_leads_to_every_page() -> None:
    docs = ROOT / "docs"
    assert {"docs/README.md", "docs/tutorial.md", "CONTRIBUTING.md"} <= set(links(ROOT / "README.md"))
    index = links(docs / "README.md")
    for page in docs.glob("*.md"):
        assert page.name == "README.md" or any(link.partition("#")[0] == page.name for link in index), (
            page.name
        )
    assert {"statistics/README.md", "lint/README.md"} <= set(index)
    for page in (docs / "statistics").glob("*.md"):
        assert page.name == "README.md" or page.name in links(docs / "statistics" / "README.md")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_no_path_is_of_one_machine(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    assert not re.search(r"(?<![\w~.-])/(work|home|root|Users)/|/tmp/", text)
    assert str(ROOT) not in text


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_metrics_flags_and_keys_named_in_prose_exist(page: Path) -> None:
    metrics = (ROOT / "docs" / "metrics.md").read_text(encoding="utf-8")
    for name in re.findall(r"`(ml_\w+)`", page.read_text(encoding="utf-8")):
        whole = re.sub(r"_(bucket|sum|count)$", "", name)
        assert f"`{whole}`" in metrics or f"`{name}`" in metrics, name


def test_links_are_found() -> None:
    found = links(ROOT / "README.md")
    assert "docs/chain-dark.svg" in found
    assert "docs/tutorial.md" in found
    assert "what-it-does-not-do" in anchors(ROOT / "docs" / "README.md")
