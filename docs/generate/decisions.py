"""The index of docs/decisions.md: a line for each decision, in the order of the page, written by hand below it."""

from __future__ import annotations

import re
from pathlib import Path

PAGE = "docs/decisions.md"
_BEGIN = "<!-- index, by scripts/docs -->\n"
_END = "<!-- end of the index -->\n"


def render(root: Path) -> dict[str, str]:
    """Return the page with its index; nothing where there is no page."""
    path = root / PAGE
    return {PAGE: indexed(path.read_text(encoding="utf-8"))} if path.exists() else {}


def indexed(text: str) -> str:
    """Return ``text`` with a link to each of its sections; one that begins with *Superseded* is said to be so."""
    before, begin, rest = text.partition(_BEGIN)
    _, end, after = rest.partition(_END)
    if not begin or not end:
        raise ValueError(f"{PAGE} has no index to fill: {_BEGIN.strip()} … {_END.strip()}")
    lines = [
        f"* [{title}](#{anchor(title)})" + (", superseded" if start.startswith("*Superseded") else "")
        for title, start in re.findall(r"^## (.*)\n\n(.*)", after, re.MULTILINE)
    ]
    return before + begin + "\n" + "\n".join(lines) + "\n\n" + end + after


def anchor(title: str) -> str:
    """Return the anchor that GitHub gives to a heading."""
    return re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-")
