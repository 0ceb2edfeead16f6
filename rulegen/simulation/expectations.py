"""Whether what came of a scenario is what its file expects."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from mlslo.yamlfile import Problem
from rulegen.simulation.labels import Labels
from rulegen.simulation.outcome import Held, Notification, Outcome
from rulegen.simulation.scenario import HeldBack, Selection, Told
from rulegen.simulation.story import Story
from rulegen.simulation.words import duration


def unmet(story: Story, outcome: Outcome) -> list[Problem]:
    """A problem, with its place in the scenario file, for each expectation that was not met."""
    expect = story.scenario.spec.expect
    found: list[Problem] = []

    def miss(kind: str, index: int, message: str) -> None:
        found.append(story.scenario.document.problem(("spec", "expect", kind, index), message))

    for index, wanted in enumerate(expect.notified):
        count = len(list(_told(story, outcome, wanted)))
        if count != wanted.times if wanted.times is not None else not count:
            times = "" if wanted.times is None else f" {_times(wanted.times)}"
            miss("notified", index, f"expected {_message(wanted)}{times}, it was sent {_times(count)}")
    for index, unwanted in enumerate(expect.notNotified):
        if sent := list(_told(story, outcome, unwanted)):
            first = f"{sent[0].receiver} was told after {duration(sent[0].time)}"
            miss("notNotified", index, f"expected no {_message(unwanted).removeprefix('a ')}, {first}")
    for index, kept in enumerate(expect.heldBack):
        if not any(_holds(story, held, kept) for held in outcome.held):
            because = f" ({kept.because})" if kept.because else ""
            miss(
                "heldBack", index, f"expected {kept.alert or 'an alert'} to be held back{because}, it was not"
            )
    return found


def _told(story: Story, outcome: Outcome, wanted: Told) -> Iterator[Notification]:
    for message in outcome.notifications:
        listed = {
            "firing": message.firing,
            "resolved": message.resolved,
            None: (*message.firing, *message.resolved),
        }[wanted.status]
        if _fits(story, wanted, message.time, message.receiver, listed):
            yield message


def _holds(story: Story, held: Held, wanted: HeldBack) -> bool:
    cause = wanted.because in (None, held.cause)
    return cause and _fits(story, wanted, held.time, held.receiver, [held.alert])


def _fits(story: Story, wanted: Selection, time: int, receiver: str, alerts: Sequence[Labels]) -> bool:
    begin = 0 if wanted.from_ is None else story.offset(wanted.from_)
    end = story.length if wanted.until is None else story.offset(wanted.until)
    named = {"alertname": wanted.alert, "model": wanted.model, "slo": wanted.slo, **wanted.labels}
    labels = {name: value for name, value in named.items() if value is not None}
    return (
        begin <= time <= end
        and wanted.receiver in (None, receiver)
        and any(all(alert.get(name) == value for name, value in labels.items()) for alert in alerts)
    )


def _message(wanted: Told) -> str:
    about = {"firing": " fires", "resolved": " is over", None: ""}[wanted.status]
    alert = wanted.alert or "an alert"
    return f"a message to {wanted.receiver or 'anybody'} {'that' if about else 'about'} {alert}{about}"


def _times(count: int) -> str:
    return {0: "never", 1: "once", 2: "twice"}.get(count, f"{count} times")
