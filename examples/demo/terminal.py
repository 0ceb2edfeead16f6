"""How the story looks on the terminal."""

import os
import shutil
import sys
import textwrap

from examples.demo.watch import Alert
from examples.standins import PAGERDUTY, SLACK, Delivery, headline, render
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
        state = alert.state.ljust(10)
        text = f"{alert.tier:3} {alert.name}"
        if alert.state == "inhibited":
            detail = f"by {', '.join(alert.by)}"
        elif alert.state == "cleared":
            detail = "before it was due"
        elif len(alert.summaries) > 1:
            detail = f"{alert.summaries[0]} (and {len(alert.summaries) - 1} more)"
        else:
            detail = "".join(alert.summaries)
        rest = f"{text} · {detail}" if detail else text
        space = self.width - len(_INDENT) - len(state)
        if len(rest) > space:
            rest = rest[: space - 1] + "…"
        print(f"{clock:>5}  {self._paint(state, _STATES[alert.state])}{rest}", flush=True)

    def delivery(self, delivery: Delivery) -> None:
        """A message or a page, as the person sees it."""
        colour = "green" if _is_over(delivery) else _BOXES.get(delivery.kind, "dim")
        for line in render(delivery).splitlines():
            head, _, text = line.partition(" ")
            for part in textwrap.wrap(text, self.width - len(_INDENT) - 2) or [""]:
                print(f"{_INDENT}{self._paint(head, colour)} {part}".rstrip(), flush=True)
                head = "│" if head == "│" else " "

    def sent(self, clock: str, delivery: Delivery) -> None:
        """One line about a delivery, in the closing summary."""
        where = f"Slack {delivery.payload.get('channel', '')}" if delivery.kind == SLACK else "PagerDuty"
        text = headline(delivery)
        if delivery.kind == PAGERDUTY:
            text = f"{delivery.effect}: {text}"
        space = self.width - 7 - 18
        if len(text) > space:
            text = text[: space - 1] + "…"
        self.line(f"{clock:>5}  {where:17} {text}", "green" if _is_over(delivery) else "")

    def verdict(self, fine: bool, text: str) -> None:
        """Whether one thing came out as told."""
        mark = self._paint("✓", "green") if fine else self._paint("✗", "red")
        print(f"  {mark} {text}", flush=True)

    def _paint(self, text: str, colour: str) -> str:
        return f"\033[{_COLOURS[colour]}m{text}\033[0m" if self._coloured and colour and text else text


def _is_over(delivery: Delivery) -> bool:
    if delivery.kind == PAGERDUTY:
        return delivery.effect == "resolved"
    return any(attachment.get("color") == "good" for attachment in delivery.payload.get("attachments") or [])
