"""Whether the real Alertmanager told the same as the simulation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rulegen.simulation.alert import Labels
from tests.differential.cases import LENGTH
from tests.differential.machines import PUNCTUAL, Machine, simulated
from tests.differential.play import CANARY, MARGIN, MARK, Run, Told
from tests.differential.webhooks import Webhooks


def received(run: Run, webhooks: Webhooks) -> dict[int, list[Told]]:
    """What the real Alertmanager has sent, by case; the canary's beats go to the run."""
    run.beats.clear()
    found: dict[int, list[Told]] = {number: [] for number in run.cases}
    for moment, path, body in webhooks.received:
        _, name, receiver, index = path.split("/")
        if name == CANARY:
            if receiver == str(id(run)) and run.start <= moment <= run.start + LENGTH / 1000:
                run.beats.append(moment)
            continue
        if int(name) not in found:
            continue
        number = int(name)
        listed: dict[str, list[Labels]] = {"firing": [], "resolved": []}
        for alert in body["alerts"]:
            listed[alert["status"]].append(_unmarked(alert["labels"]))
        found[number].append(
            Told(
                round((moment - run.begin(number)) * 1000),
                receiver,
                int(index),
                _unmarked(body["groupLabels"]),
                frozenset(listed["firing"]),
                frozenset(listed["resolved"]),
            )
        )
    return found


def tolerance(lateness: int) -> int:
    """How far from its time a message may be: a late one makes a group, whose first look is late as well."""
    return 2 * lateness + 100


def agrees(run: Run, number: int, told: Sequence[Told], machine: Machine = PUNCTUAL) -> bool:
    """Whether a case comes out in the simulation as ``told``, on a machine that is so late."""
    return not any(differences(simulated(run, number, machine), told, tolerance(run.lateness)))


def _unmarked(labels: Mapping[str, str]) -> Labels:
    return Labels({name: value for name, value in labels.items() if name != MARK})


def differences(
    expected: Sequence[Told], found: Sequence[Told], allowed: int
) -> tuple[list[Told], list[Told]]:
    """What is expected and was not found, and the other way round; what is too near to the end does not count."""
    end = LENGTH - MARGIN
    return _unmatched(expected, found, allowed, end), _unmatched(found, expected, allowed, end)


def _unmatched(these: Sequence[Told], others: Sequence[Told], allowed: int, end: int) -> list[Told]:
    left = list(others)
    missing = []
    for told in sorted(these, key=lambda told: told.time):
        match = next((other for other in left if told.same(other, allowed)), None)
        if match is not None:
            left.remove(match)
        elif told.time < end:
            missing.append(told)
    return missing
