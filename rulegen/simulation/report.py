"""The outcome of a scenario, as text for people and as data for programs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from typing import Any

from mlslo.yamlfile import Duration
from rulegen.promql.conventions import MODEL, SLO, WATCHDOG
from rulegen.simulation.alert import Labels
from rulegen.simulation.log import Reason
from rulegen.simulation.outcome import Cause, Held, Notification, Open, Outcome
from rulegen.simulation.setup import Setup

_WHY = {Reason.FIRST: "", Reason.CHANGED: "changed", Reason.REPEATED: "again", Reason.RESOLVED: ""}
_BY = {
    Cause.INHIBITED: "inhibited by",
    Cause.INACTIVE: "outside of",
    Cause.MUTED: "muted during",
    Cause.SILENCED: "silenced by",
}


@dataclass
class _Stretch:
    """An alert that was held back at several looks in a row."""

    held: Held
    last: int
    looks: int


def as_text(setup: Setup, outcome: Outcome) -> str:
    """One line a message, then what was held back and by what, then what stays open."""
    spec = setup.scenario.spec
    first = f"{setup.scenario.name}: {spec.length} from {setup.clock(0):%a %d %b %Y %H:%M:%S %Z} ({spec.location})"
    lines = [first, "", "Told"]
    beats = [message for message in outcome.notifications if _is_beat(message)]
    rows = [_row(setup, message) for message in outcome.notifications if not _is_beat(message)]
    lines += _table(rows) or ["  nobody"]
    lines += _beats(setup, beats)
    if stretches := list(_stretches(outcome)):
        lines += ["", "Held back", *_table([_held_row(setup, stretch) for stretch in stretches])]
    if outcome.open:
        lines += [
            "",
            "Over, and its receiver never hears of it",
            *_table([_open_row(setup, left) for left in outcome.open]),
        ]
    return "\n".join(line.rstrip() for line in lines) + "\n"


def _row(setup: Setup, message: Notification) -> list[str]:
    said = [_alerts(setup, message.group, message.firing)] if message.firing else []
    if message.resolved:
        said.append(("over: " if message.firing else "") + _alerts(setup, message.group, message.resolved))
    why = _WHY[message.reason]
    return [
        show_clock(setup.clock(message.time)),
        f"+{show_duration(message.time)}",
        f"{message.receiver} ({message.integration})",
        message.status + (f" {why}" if why else ""),
        show_group(message.group),
        "; ".join(said),
    ]


def _held_row(setup: Setup, stretch: _Stretch) -> list[str]:
    held = stretch.held
    by = " and ".join(_source(setup, source) if isinstance(source, Labels) else source for source in held.by)
    return [
        show_stretch(setup.clock(held.time), setup.clock(stretch.last)),
        held.receiver,
        show_group(held.group),
        ("" if held.firing else "the end of ") + _alerts(setup, held.group, [held.alert]),
        f"{_BY[held.cause]} {by}",
    ]


def _alerts(setup: Setup, group: Labels, alerts: Iterable[Labels]) -> str:
    telling = setup.series_labels - set(group)
    return ", ".join(show_alert(labels, telling) for labels in alerts)


def _source(setup: Setup, labels: Labels) -> str:
    place = " ".join(labels[name] for name in (MODEL, SLO) if name in labels)
    return show_alert(labels, setup.series_labels) + (f" ({place})" if place else "")


def _open_row(setup: Setup, left: Open) -> list[str]:
    return [
        f"{left.receiver} ({left.integration})",
        show_group(left.group),
        _alerts(setup, left.group, [left.alert]),
        f"last told that it fires {show_clock(setup.clock(left.time))}",
    ]


def _is_beat(message: Notification) -> bool:
    return all(labels.get("alertname") == WATCHDOG for labels in (*message.firing, *message.resolved))


def _beats(setup: Setup, beats: Sequence[Notification]) -> Iterator[str]:
    """The watchdog's messages are many and say nothing; what matters is how far they are apart."""
    receivers = dict.fromkeys((beat.receiver, beat.integration) for beat in beats)
    for receiver, integration in receivers:
        own = [beat.time for beat in beats if (beat.receiver, beat.integration) == (receiver, integration)]
        pauses = [(later - earlier, earlier) for earlier, later in pairwise([0, *own, setup.length])]
        longest, begin = max(pauses, key=lambda pause: pause[0])
        since = f" from {show_clock(setup.clock(begin))} on" if len(own) > 1 else ""
        silence = f"longest silence {show_duration(longest)}{since}"
        yield f"  {receiver} ({integration}): {WATCHDOG} {len(own)} times; {silence}"


def _stretches(outcome: Outcome) -> Iterator[_Stretch]:
    """Join the flushes at which an alert was held back, up to its notification or another cause."""
    open_: dict[tuple[str, Labels, Labels], _Stretch] = {}
    ended: list[_Stretch] = []
    told = [(message.time, message) for message in outcome.notifications]
    events: list[tuple[int, Held | Notification]] = [*((held.time, held) for held in outcome.held), *told]
    for time, event in sorted(events, key=lambda pair: pair[0]):
        if isinstance(event, Notification):
            for labels in (*event.firing, *event.resolved):
                if stretch := open_.pop((event.receiver, event.group, labels), None):
                    ended.append(stretch)
            continue
        key = (event.receiver, event.group, event.alert)
        stretch = open_.get(key)
        if stretch and (stretch.held.cause, stretch.held.by, stretch.held.firing) == (
            event.cause,
            event.by,
            event.firing,
        ):
            stretch.last, stretch.looks = time, stretch.looks + 1
            continue
        if stretch:
            ended.append(stretch)
        open_[key] = _Stretch(event, time, 1)
    yield from sorted([*ended, *open_.values()], key=lambda stretch: stretch.held.time)


def _table(rows: Sequence[Sequence[str]]) -> list[str]:
    """Columns, two spaces apart."""
    if not rows:
        return []
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return [
        "  " + "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in rows
    ]


def as_data(setup: Setup, outcome: Outcome) -> dict[str, Any]:
    """The same, complete: every message and every look at which an alert was held back."""

    def at(time: int) -> dict[str, Any]:
        return {"time": setup.clock(time).isoformat(), "seconds": time / 1000}

    def labels(alerts: Iterable[Labels]) -> list[dict[str, str]]:
        return [dict(alert) for alert in alerts]

    return {
        "scenario": setup.scenario.name,
        "start": setup.clock(0).isoformat(),
        "end": setup.clock(setup.length).isoformat(),
        "notifications": [
            {
                **at(message.time),
                "receiver": message.receiver,
                "integration": str(message.integration),
                "status": message.status,
                "reason": message.reason.value,
                "groupLabels": dict(message.group),
                "firing": labels(message.firing),
                "resolved": labels(message.resolved),
            }
            for message in outcome.notifications
        ],
        "heldBack": [
            {
                **at(held.time),
                "receiver": held.receiver,
                "groupLabels": dict(held.group),
                "alert": dict(held.alert),
                "status": "firing" if held.firing else "resolved",
                "because": held.cause.value,
                "by": [dict(source) if isinstance(source, Labels) else source for source in held.by],
            }
            for held in outcome.held
        ],
        "open": [
            {
                "receiver": left.receiver,
                "integration": str(left.integration),
                "groupLabels": dict(left.group),
                "alert": dict(left.alert),
                "told": at(left.time),
            }
            for left in outcome.open
        ],
    }


def show_duration(milliseconds: int) -> str:
    """``1h5m30s``."""
    return str(Duration.of_seconds(milliseconds / 1000)) if milliseconds else "0s"


def show_clock(moment: datetime) -> str:
    """``Sun 25 Oct 02:30:30 CEST``; clocks that are put back show the same hour under another name."""
    return f"{moment:%a %d %b %H:%M:%S %Z}"


def show_stretch(first: datetime, last: datetime) -> str:
    """From one moment to another, the date said once."""
    if first == last:
        return show_clock(first)
    end = f"{last:%H:%M:%S %Z}" if first.date() == last.date() else show_clock(last)
    return f"{show_clock(first)} to {end}"


def show_alert(labels: Labels, telling: frozenset[str]) -> str:
    """``FeatureDrift{feature="amount"}``: the name, and those labels that tell it from others of its name."""
    shown = labels.matching(telling)
    return f"{labels.get('alertname', '')}{shown}" if shown else labels.get("alertname", "")


def show_group(labels: Labels) -> str:
    """``model=fraud slo=auc``."""
    return " ".join(f"{name}={value}" for name, value in labels.items()) or "all"
