"""Verdict on a batch: as data, as Markdown, and as a table for a terminal."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Sequence
from itertools import zip_longest
from textwrap import wrap
from typing import Literal

from pydantic import Field

from mlslo.yamlfile import StrictModel

HEAD = ("what", "where", "expected", "found")
_LONGEST_EXAMPLE = 40
MOST_EXAMPLES = 3
_WIDTH = 80 - 2 * 3
"""Letters of a row, without the gaps between its columns."""


class Check(StrictModel):
    """One thing that was judged."""

    what: str = Field(description="What was judged: `drift`, `missing`, `type`, the name of an alert, …")
    where: str = Field(description="The feature, field or series; `batch` for all of it.")
    expected: str = Field(description="What it should be.")
    found: str = Field(description="What it is.")
    passed: bool = Field(description="Whether that is fine.")
    rows: int | None = Field(None, description="How many rows break it, where rows are counted.")
    examples: list[str] = Field(
        default_factory=list, max_length=MOST_EXAMPLES, description="Values of such rows."
    )
    source: str = Field(
        description="What asks for it: `expectations`, a reference, or file:line of an alert."
    )

    @property
    def row(self) -> tuple[str, str, str, str]:
        """The row of a table; examples stand beside what was found."""
        shown = f" ({', '.join(self.examples)})" if self.examples else ""
        what, where, expected, found = map(
            one_line, (self.what, self.where, self.expected, self.found + shown)
        )
        return what, where, expected, found


class NotJudged(StrictModel):
    """One thing that somebody asks for and nothing in the batch can tell."""

    what: str = Field(description="The name of the alert, or what would have been judged.")
    where: str = Field(description="The gauge, feature or SLO.")
    reason: str = Field(description="Why it was not judged.")
    source: str = Field(description="What asks for it.")


class Verdict(StrictModel):
    """Verdict of `mlslo-exporter gate` on one batch (`gate.json`)."""

    mlslo: str = Field(description="The version of mlslo.")
    model: str = Field(description="The model's name.")
    time: str = Field(description="When it was judged, RFC 3339 in UTC.")
    data: list[str] = Field(description="The files and URLs, as they were given.")
    hash: str = Field(description="SHA-256 over the contents of all files, in hexadecimal digits.")
    rows: int = Field(description="The rows of the batch.")
    verdict: Literal["passed", "failed"] = Field(description="Whether every check passed.")
    checks: list[Check] = Field(description="Everything that was judged, the failed first.")
    notJudged: list[NotJudged] = Field(description="What was asked for and could not be judged.")

    @property
    def failed(self) -> list[Check]:
        """The checks that did not pass."""
        return [check for check in self.checks if not check.passed]

    @property
    def title(self) -> str:
        """One line that says it all."""
        number = len(self.checks)
        outcome = (
            f"{len(self.failed)} of {number} checks failed" if self.failed else f"passed, {number} checks"
        )
        left = f", {len(self.notJudged)} not judged" if self.notJudged else ""
        return f"{self.model}: {outcome}{left}, {self.rows} rows"


def one_line(text: str) -> str:
    """Return text without line breaks, and without what a terminal would act on."""
    return "".join(" " if unicodedata.category(letter)[0] in "CZ" else letter for letter in text)


def cut(value: object) -> str:
    """Return a value as an example: one line of at most 40 characters."""
    # Cut first: a value may be as long as the memory is large.
    text = one_line(str(value)[: _LONGEST_EXAMPLE + 1])
    return text if len(text) <= _LONGEST_EXAMPLE else text[: _LONGEST_EXAMPLE - 1] + "…"


def as_table(verdict: Verdict) -> str:
    """Return the failed checks as columns of text, 80 letters wide, then what was not judged."""
    lines = [verdict.title]
    if verdict.failed:
        lines += _columns([HEAD, *(check.row for check in verdict.failed)])
    lines += [f"not judged: {item.what} ({item.where}): {item.reason}" for item in verdict.notJudged]
    return "\n".join(lines) + "\n"


def _columns(rows: Sequence[tuple[str, ...]]) -> Iterator[str]:
    what, where, expected, found = (max(map(len, column)) for column in zip(*rows, strict=True))
    if what + where + expected + found > _WIDTH:
        what, where = min(what, _WIDTH // 4), min(where, _WIDTH * 2 // 5)
        left = _WIDTH - what - where
        expected = min(expected, max(left // 2, left - found))
        found = min(found, left - expected)
    widths = (what, where, expected, found)
    for row in rows:
        cells = (
            wrap(text, width, max_lines=4, placeholder="…") for text, width in zip(row, widths, strict=True)
        )
        for line in zip_longest(*cells, fillvalue=""):
            yield "  ".join(map(str.ljust, line, widths)).rstrip()


def as_markdown(verdict: Verdict) -> str:
    """Return a page: the table, and where the data was from."""
    data = "\n".join(map(one_line, verdict.data))
    origin = f"SHA-256 {verdict.hash}\njudged at {verdict.time} by mlslo {verdict.mlslo}"
    # What would end the block.
    text = f"{as_table(verdict)}\n{data}\n{origin}".replace("`", "'")
    return f"# Gate: {verdict.verdict}\n\n```text\n{text}\n```\n"
