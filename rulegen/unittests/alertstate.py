"""When an alert is pending and when it fires, by the rules of `for` and `keep_firing_for`.

Evaluations are counted from 0.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

from mlslo.yamlfile import Duration


class State(NamedTuple):
    """An alert after one evaluation; ``since``: the last evaluation at which the condition of a firing one held."""

    firing: bool
    since: int | None
    pending: bool = False

    @property
    def active(self) -> bool:
        """Whether Prometheus shows the alert at all."""
        return self.firing or self.pending


def states(
    held: Sequence[bool], interval: Duration, lasting: Duration | None, keep: Duration | None
) -> Sequence[State]:
    """The state after each evaluation, given whether the condition held at it."""
    needed = lasting.seconds if lasting else 0.0
    return _states(tuple(held), interval.seconds, needed, keep.seconds if keep else 0.0)


@lru_cache(4096)
def _states(held: tuple[bool, ...], interval: float, lasting: float, keep: float) -> tuple[State, ...]:
    """Stories are alike: most are asked for again. All in seconds."""
    found: list[State] = []
    active: int | None = None
    last: int | None = None
    recovered: int | None = None
    firing = False
    for now, holds in enumerate(held):
        if holds:
            active = now if active is None else active
            last, recovered = now, None
            firing = firing or (now - active) * interval >= lasting
        else:
            recovered = now if firing and recovered is None else recovered
            if recovered is None or (now - recovered) * interval >= keep:
                firing, active, recovered = False, None, None
        found.append(State(firing, last if firing else None, holds and not firing))
    return tuple(found)


def moments(after: Sequence[State]) -> set[int]:
    """Both sides of every change, and the last evaluation."""
    found = {len(after) - 1}
    for now in range(1, len(after)):
        if (after[now].firing, after[now].pending) != (after[now - 1].firing, after[now - 1].pending):
            found |= {now - 1, now}
    return found


def breached(bad: Sequence[bool], least: int, last: int) -> list[bool]:
    """Whether ``least`` of the ``last`` evaluations up to each were bad."""
    return [sum(bad[max(0, now - last + 1) : now + 1]) >= least for now in range(len(bad))]


def evaluations(duration: Duration | None, interval: Duration) -> int:
    """How many intervals ``duration`` needs."""
    return -int(-duration.seconds // interval.seconds) if duration else 0
