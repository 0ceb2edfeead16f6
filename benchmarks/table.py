"""The table of every benchmark: a row for each measurement, with the limit that it must keep."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace


@dataclass(frozen=True)
class Row:
    """``limit``: the most it may be, or with ``at_least`` the least; None for what is shown for comparison."""

    what: str
    measured: float | None
    unit: str = ""
    limit: float | None = None
    at_least: bool = False
    note: str = ""

    @property
    def ratio(self) -> float | None:
        """Of what was measured to its limit."""
        return self.measured / self.limit if self.limit and self.measured is not None else None

    @property
    def verdict(self) -> str:
        """``ok`` or ``over``; of what should have been measured and was not, ``not measured``."""
        if self.measured is None:
            return "not measured"
        if self.limit is None:
            return ""
        kept = self.measured >= self.limit if self.at_least else self.measured <= self.limit
        return "ok" if kept else "over"


def finish(title: str, rows: Sequence[Row], *, quick: bool = False) -> None:
    """Print the table and leave: exit code 1 where a limit is not kept.

    ``quick``: the limits are for other sizes, and nothing is judged.
    """
    if quick:
        title += " (quick: too small to be judged)"
        rows = [replace(row, limit=None) for row in rows]
    cells = [("what", "measured", "limit", "of limit", "", "")]
    cells += [
        (
            row.what,
            "-" if row.measured is None else f"{_number(row.measured)} {row.unit}".rstrip(),
            ""
            if row.limit is None
            else f"{'>=' if row.at_least else '<='} {_number(row.limit)} {row.unit}".rstrip(),
            "" if row.ratio is None else f"{row.ratio:.2f}",
            row.verdict,
            row.note,
        )
        for row in rows
    ]
    widths = [max(len(line[column]) for line in cells) for column in range(len(cells[0]))]
    print(f"\n## {title}\n")
    for position, line in enumerate(cells):
        print("| " + " | ".join(text.ljust(width) for text, width in zip(line, widths, strict=True)) + " |")
        if not position:
            print("|" + "|".join("-" * (width + 2) for width in widths) + "|")
    sys.stdout.flush()
    sys.exit(any(row.limit is not None and row.verdict != "ok" for row in rows))


def _number(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 1000 or value == int(value) else f"{value:.3g}"
