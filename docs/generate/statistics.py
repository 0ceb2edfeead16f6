"""The pages of docs/statistics: what they quote from docstrings, which metrics each defines, and their index."""

from __future__ import annotations

import importlib
import inspect
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from docs.generate.markdown import table

FOLDER = "docs/statistics"
INDEX = f"{FOLDER}/README.md"
HEADINGS = ("Definition", "Source", "Bound", "What a change means", "What to do about it")
_QUOTED = re.compile(r"^<!-- docstring: ([\w.]+) -->\n(?:^>.*\n)*", re.MULTILINE)
_INTRODUCTION = """\
# What is measured

After this page you can choose a statistic, and find the page that defines it. Each family has a page: definition,
source, bound, what a change means, what to do about it. `scripts/docs` writes this list, and the quotes from the code.
"""


@dataclass(frozen=True)
class Page:
    """``path``: below the root of the repository. ``text``: as it is on disk."""

    path: str
    text: str

    @property
    def name(self) -> str:
        return self.path.rpartition("/")[2]

    @property
    def title(self) -> str:
        return self.text.split("\n", 1)[0].removeprefix("# ")

    @property
    def question(self) -> str:
        """The first sentence below the title."""
        paragraph = self.text.split("\n\n", 2)[1]
        return re.split(r"(?<=[.?])\s", " ".join(paragraph.split()))[0]

    @cached_property
    def metrics(self) -> list[str]:
        """The metrics in the first column of the table of definitions."""
        section = self.text.split("\n## Definition\n", 1)[-1].split("\n## ", 1)[0]
        cells = re.findall(r"^\|([^|]*)\|", section, re.MULTILINE)
        return [name for cell in cells for name in re.findall(r"`(ml_\w+)`", cell)]

    @property
    def quoting(self) -> str:
        """The text with its quotes as the docstrings are now. Raises ValueError where there is none."""
        return _QUOTED.sub(lambda match: f"<!-- docstring: {match[1]} -->\n{_quote(match[1])}", self.text)


def pages(root: Path) -> list[Page]:
    """The pages that are written by hand, by their names."""
    folder = root / FOLDER
    found = sorted(path for path in folder.glob("*.md") if path.name != "README.md")
    return [Page(f"{FOLDER}/{path.name}", path.read_text(encoding="utf-8")) for path in found]


def render(root: Path) -> dict[str, str]:
    """Path below ``root`` -> text, of every page and the index; empty where there are no pages."""
    found = pages(root)
    rendered = {page.path: page.quoting for page in found}
    return {**rendered, INDEX: _index(found)} if found else {}


def links(root: Path) -> Mapping[str, str]:
    """Metric -> its page, as a link from docs/."""
    return {metric: f"statistics/{page.name}" for page in pages(root) for metric in page.metrics}


def _index(found: list[Page]) -> str:
    rows = [
        (f"[{page.title}]({page.name})", page.question, " ".join(f"`{metric}`" for metric in page.metrics))
        for page in found
    ]
    return f"{_INTRODUCTION}\n{table(('family', 'what it answers', 'metrics'), rows)}\n"


def _quote(name: str) -> str:
    """The docstring of a function or class as a block quote."""
    module, _, attribute = name.rpartition(".")
    try:
        found = getattr(importlib.import_module(module), attribute)
    except (ImportError, AttributeError, ValueError) as error:
        raise ValueError(f"{name}: no such function: {error}") from None
    text = inspect.getdoc(found)
    if not text:
        raise ValueError(f"{name}: no docstring")
    return "".join(f"> {line}".rstrip() + "\n" for line in _lines(attribute, text))


def _lines(attribute: str, text: str) -> Iterator[str]:
    """Markdown of a docstring; a star between factors is no emphasis."""
    marked = text.replace("``", "`")
    outside = re.split(r"(`[^`]*`)", marked)
    escaped = "".join(part if part.startswith("`") else part.replace("*", r"\*") for part in outside)
    yield from f"`{attribute}`: {escaped}".splitlines()
