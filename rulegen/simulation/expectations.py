"""Whether what came of a scenario is what its file expects."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from mlslo.yamlfile import Problem
from rulegen.simulation.alert import Labels
from rulegen.simulation.outcome import Held, Notification, Outcome
from rulegen.simulation.report import show_duration
from rulegen.simulation.scenario import HeldBack, Notice, Selection
from rulegen.simulation.setup import Setup


def unmet(setup: Setup, outcome: Outcome) -> list[Problem]:
    """A problem, with its place in the scenario file, for each expectation that was not met."""
    expect = setup.scenario.spec.expect
    found: list[Problem] = []

    def miss(kind: str, index: int, message: str) -> None:
        found.append(setup.scenario.document.problem(("spec", "expect", kind, index), message))

    for index, wanted in enumerate(expect.notified):
        count = len(list(_told(setup, outcome, wanted)))
        if count != wanted.times if wanted.times is not None else not count:
            times = "" if wanted.times is None else f" {_times(wanted.times)}"
            miss("notified", index, f"expected {_message(wanted)}{times}, it was sent {_times(count)}")
    for index, unwanted in enumerate(expect.notNotified):
        if sent := list(_told(setup, outcome, unwanted)):
            first = f"{sent[0].receiver} was told after {show_duration(sent[0].time)}"
            miss("notNotified", index, f"expected no {_message(unwanted).removeprefix('a ')}, {first}")
    for index, kept in enumerate(expect.heldBack):
        if not any(_holds(setup, held, kept) for held in outcome.held):
            because = f" ({kept.because})" if kept.because else ""
            miss(
                "heldBack", index, f"expected {kept.alert or 'an alert'} to be held back{because}, it was not"
            )
    return found


def _told(setup: Setup, outcome: Outcome, wanted: Notice) -> Iterator[Notification]:
    for message in outcome.notifications:
        listed = {
            "firing": message.firing,
            "resolved": message.resolved,
            None: (*message.firing, *message.resolved),
        }[wanted.status]
        if _fits(setup, wanted, message.time, message.receiver, listed):
            yield message


def _holds(setup: Setup, held: Held, wanted: HeldBack) -> bool:
    cause = wanted.because in (None, held.cause)
    return cause and _fits(setup, wanted, held.time, held.receiver, [held.alert])


def _fits(setup: Setup, wanted: Selection, time: int, receiver: str, alerts: Sequence[Labels]) -> bool:
    begin = 0 if wanted.from_ is None else setup.offset(wanted.from_)
    end = setup.length if wanted.until is None else setup.offset(wanted.until)
    named = {"alertname": wanted.alert, "model": wanted.model, "slo": wanted.slo, **wanted.labels}
    labels = {name: value for name, value in named.items() if value is not None}
    return (
        begin <= time <= end
        and wanted.receiver in (None, receiver)
        and any(all(alert.get(name) == value for name, value in labels.items()) for alert in alerts)
    )


def _message(wanted: Notice) -> str:
    about = {"firing": " fires", "resolved": " is over", None: ""}[wanted.status]
    alert = wanted.alert or "an alert"
    return f"a message to {wanted.receiver or 'anybody'} {'that' if about else 'about'} {alert}{about}"


def _times(count: int) -> str:
    return {0: "never", 1: "once", 2: "twice"}.get(count, f"{count} times")
