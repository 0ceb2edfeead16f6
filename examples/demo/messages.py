"""A message or a page as lines of text, as the person who gets it sees it."""

import html
import re
from dataclasses import dataclass

from examples.standins import PAGERDUTY, Delivery

_EFFECTS = {
    "triggered": "the phone rings",
    "updated": "the incident is updated, nobody is woken again",
    "resolved": "the incident is resolved",
    "nothing": "no such incident",
}


@dataclass(frozen=True)
class Message:
    """`where` it arrives, its `title` and its `lines`. `good`: it says that something is over."""

    where: str
    title: str
    lines: tuple[str, ...]
    good: bool

    @property
    def headline(self) -> str:
        """The title without the first alert's summary."""
        return self.title.partition(" - ")[0]


def message(delivery: Delivery) -> Message:
    """A Slack or PagerDuty delivery as the terminal shows it."""
    return _page(delivery) if delivery.kind == PAGERDUTY else _slack(delivery)


def _slack(delivery: Delivery) -> Message:
    attachments = delivery.payload.get("attachments") or [{}]
    lines = [_plain(line) for one in attachments for line in str(one.get("text", "")).splitlines()]
    return Message(
        where=f"Slack {delivery.payload.get('channel', '')}".rstrip(),
        title=_plain(str(attachments[0].get("title") or delivery.payload.get("text") or "")),
        lines=tuple(lines),
        good=all(one.get("color") == "good" for one in attachments),
    )


def _page(delivery: Delivery) -> Message:
    payload = delivery.payload.get("payload") or {}
    details = payload.get("custom_details") or {}
    lines = str(details.get("firing", "")).splitlines() if delivery.effect != "resolved" else []
    return Message(
        where=f"PagerDuty: {_EFFECTS[delivery.effect]}",
        title=str(payload.get("summary") or delivery.payload.get("dedup_key")),
        lines=tuple(lines),
        good=delivery.effect == "resolved",
    )


def _plain(line: str) -> str:
    """Slack's markup as plain text: a link by its name, no stars and underscores around."""
    named = re.sub(r"<([^|>]+)\|([^>]*)>", r"\2", line)
    return html.unescape(re.sub(r"(?<!\w)([*_])(.+)\1(?!\w)", r"\2", named))
