"""The story as the terminal shows it."""

import os
import shutil
import sys
import textwrap

from examples.demo.messages import message
from examples.demo.watch import Alert
from examples.standins import PAGERDUTY, SLACK, Delivery
from examples.story import Phase

_COLOURS = {
    "bold": "1", "dim": "2", "red": "1;31", "green": "32", "yellow": "33", "blue": "36", "magenta": "35",
}  # fmt: skip
_STATES = {
    "pending": "yellow", "firing": "red", "inhibited": "magenta", "resolved": "green", "cleared": "dim",
}  # fmt: skip
_BOXES = {SLACK: "blue", PAGERDUTY: "red"}
_INDENT = " " * 7


class Terminal:
    """Prints lines that fit the terminal, in colour where it is one and nobody objects (NO_COLOR)."""

    def __init__(self) -> None:
        self._coloured = (
            sys.stdout.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
        )

    @property
    def width(self) -> int:
        return max(40, min(shutil.get_terminal_size((100, 24)).columns, 110))

    def line(self, text: str = "", colour: str = "") -> None:
        """One line."""
        print(self._paint(text, colour), flush=True)

    def paragraph(self, text: str, colour: str = "", indent: str = "") -> None:
        """Text, wrapped."""
        wrapped = textwrap.wrap(text, self.width, initial_indent=indent, subsequent_indent=indent)
        for line in wrapped:
            self.line(line, colour)

    def heading(self, text: str) -> None:
        """A part of the closing summary begins."""
        self.line()
        self.line(text, "bold")

    def phase(self, clock: str, phase: Phase) -> None:
        """A chapter begins."""
        title = f"── {clock} ── {phase.name.upper()} "
        self.line()
        self.line(title + "─" * max(0, self.width - len(title)), "bold")
        self.paragraph(phase.text, "bold", _INDENT)

    def alert(self, clock: str, alert: Alert) -> None:
        """An alert has another state."""
        state = f"{alert.state:10}"
        name = " ".join(part for part in (alert.tier, alert.slo, alert.name) if part)
        if alert.state == "inhibited":
            detail = f": held back by {', '.join(alert.by)}"
        elif alert.state == "cleared":
            detail = ": before it was due"
        elif alert.again:
            detail = ": no longer held back"
        else:
            detail = "".join(f": {summary}" for summary in alert.summaries[:1])
        more = f" (and {len(alert.summaries) - 1} more)" if len(alert.summaries) > 1 else ""
        text = self._cut(name + detail, len(_INDENT) + len(state) + len(more)) + more
        print(f"{clock:>5}  {self._paint(state, _STATES[alert.state])}{text}", flush=True)

    def decision(self, clock: str, text: str) -> None:
        """A step from a page to an action."""
        print(f"{clock:>5}  {self._paint(self._cut('act       ' + text, len(_INDENT)), 'blue')}", flush=True)

    def delivery(self, delivery: Delivery) -> None:
        """A message or a page, as the person sees it."""
        seen = message(delivery)
        colour = "green" if seen.good else _BOXES[delivery.kind]
        bar = _INDENT + self._paint("│", colour) + " "
        print(_INDENT + self._paint(f"┌─ {seen.where}", colour))
        for part in self._wrap(seen.title):
            print(bar + self._paint(part, "bold"))
        for line in seen.lines:
            for part in self._wrap(line):
                print(f"{bar}{part}".rstrip())
        print(_INDENT + self._paint("└─", colour), flush=True)

    def _wrap(self, text: str) -> list[str]:
        return textwrap.wrap(text, self.width - len(_INDENT) - 2, break_on_hyphens=False) or [""]

    def _cut(self, text: str, taken: int) -> str:
        space = self.width - taken
        return text if len(text) <= space else text[: space - 1] + "…"

    def sent(self, clock: str, delivery: Delivery) -> None:
        """One line about a delivery, in the closing summary."""
        seen = message(delivery)
        where = seen.where.split(":")[0]
        did = "page " if delivery.effect == "triggered" else ""
        self.line(self._cut(f"{clock:>5}  {where:17} {did}{seen.headline}", 0), "green" if seen.good else "")

    def verdict(self, fine: bool, text: str) -> None:
        """Print one expectation and whether it was met."""
        mark = self._paint("✓", "green") if fine else self._paint("✗", "red")
        print(f"  {mark} {text}", flush=True)

    def _paint(self, text: str, colour: str) -> str:
        return f"\033[{_COLOURS[colour]}m{text}\033[0m" if self._coloured and colour and text else text
