"""Play a case to the simulation, on a machine that is punctual or on one that is late."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from itertools import count

from rulegen.alertmanager.matchers import parse_all
from rulegen.simulation.configuration import Configuration
from rulegen.simulation.dispatch import CLEANUP, Dispatcher, _Kind
from rulegen.simulation.outcome import Outcome
from rulegen.simulation.routes import Route
from rulegen.simulation.suppression import Silence
from tests.differential.cases import LENGTH
from tests.differential.play import MAINTENANCE, Run, Told, messages
from tests.support.tools import alertmanager_version


@dataclass(frozen=True)
class Machine:
    """How late a machine is: at random moments by what ``late`` says, in milliseconds, or as it was measured."""

    late: Callable[[], int] = int
    as_measured: bool = False


PUNCTUAL = Machine()


def always_later(lateness: int) -> Machine:
    """A little later each time: of two things at the same moment, the second comes first."""
    growing = (min(lateness, step * 5) for step in count())
    return Machine(lambda: next(growing))


def now_and_then(lateness: int, seed: int) -> Machine:
    """Late at random."""
    draw = random.Random(seed)
    return Machine(lambda: draw.choice([0, lateness // 2, lateness]))


def machines(lateness: int, trials: int) -> Iterator[Machine]:
    """A machine that is never late, this one as it was measured, and some that are as late at other moments."""
    yield PUNCTUAL
    yield Machine(as_measured=True)
    yield always_later(lateness)
    for seed in range(trials):
        yield now_and_then(lateness, seed)


class _Stalling(Dispatcher):
    """Looks at groups when the machine lets it."""

    stalls: Sequence[tuple[int, int]] = ()

    def _at(self, time: int, kind: _Kind, action: Callable[[int], None]) -> None:
        if kind is _Kind.LOOK:
            time = next((end for begin, end in self.stalls if begin <= time < end), time)
        super()._at(time, kind, action)


def simulated(run: Run, number: int, machine: Machine = PUNCTUAL) -> list[Told]:
    """What the simulation says."""
    return [
        Told(
            message.time,
            message.receiver,
            message.integration.index,
            message.group,
            frozenset(message.firing),
            frozenset(message.resolved),
        )
        for message in outcome(run, number, machine).notifications
    ]


def outcome(run: Run, number: int, machine: Machine = PUNCTUAL) -> Outcome:
    """All that the simulation says."""
    case, late = run.cases[number], machine.late
    configuration = Configuration.of(case.configuration)
    start = run.begin(number)
    delays: dict[int, int] = {}
    if machine.as_measured:
        delays = {round((moment - start) * 1000): round(late * 1000) for moment, late in run.late.items()}
    arriving = [
        replace(message, updated=message.updated + delays.setdefault(message.updated, late()))
        for message in messages(case)
    ]
    silences = [
        Silence(parse_all(matchers), begin + late() - late(), end + late() - late())
        for matchers, begin, end in case.silences
    ]
    cleanup = round((run.loaded - start) * 1000) % CLEANUP + late() - late()
    maintenance = round((run.maintained - start) * 1000) % MAINTENANCE + late() - late()
    dispatcher = _Stalling(
        replace(configuration, route=_later(configuration.route, late)),
        silences,
        datetime.fromtimestamp(start + (late() - late()) / 1000, UTC),
        version=alertmanager_version(),
        cleanup_phase=cleanup,
        maintenance=MAINTENANCE,
        maintenance_phase=max(1, maintenance),
    )
    if machine.as_measured:
        dispatcher.stalls = [
            (round((begin - start) * 1000), round((end - start) * 1000)) for begin, end in run.stalls
        ]
    return dispatcher.run(arriving, LENGTH)


def _later(route: Route, late: Callable[[], int]) -> Route:
    """The tree with longer waits."""
    waiting = replace(route, group_wait=route.group_wait + late(), routes=[])
    waiting.routes.extend(_later(child, late) for child in route.routes)
    return waiting
