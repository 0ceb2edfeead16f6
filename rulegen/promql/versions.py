"""Which versions of Prometheus and Alertmanager first know what the generator can write: every gate there is.

From the changelogs of both. What is absent here is known to the oldest versions that a target may name.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

Program = Literal["Prometheus", "Alertmanager"]

# The oldest targets: `limit` of a group for Prometheus, `matchers` for Alertmanager.
OLDEST: Mapping[Program, str] = {"Prometheus": "2.31", "Alertmanager": "0.22"}
# The newest that everything was tried on.
NEWEST: Mapping[Program, str] = {"Prometheus": "3.5", "Alertmanager": "0.33"}


def parts(version: str) -> tuple[int, ...]:
    """``"0.25"`` as ``(0, 25)``."""
    return tuple(int(part) for part in version.split("."))


def at_least(version: str, minimum: str) -> bool:
    """Whether ``version`` is ``minimum`` or newer; both as in ``"2.42"`` or ``"2.42.0"``."""
    return parts(version) >= parts(minimum)


def newest(program: Program, oldest: str, last: str | None = None) -> str:
    """Return the newest version of a range: ``last``, else the newest that is known, if ``oldest`` is not newer."""
    known = NEWEST[program]
    return last or (oldest if at_least(oldest, known) else known)


@dataclass(frozen=True)
class Gate:
    """Something that a target must be new enough for. ``what``: how a message names it."""

    what: str
    program: Program
    since: str

    def open(self, target: str) -> bool:
        """Whether ``target`` knows it."""
        return at_least(target, self.since)

    def refusal(self, target: str) -> str | None:
        """What is said where ``target`` does not know it."""
        if self.open(target):
            return None
        needed = f"needs {self.program} {self.since}"
        return f"{self.what} {needed}, target.{self.program.lower()} is {target}"


KEEP_FIRING_FOR = Gate("keepFiringFor", "Prometheus", "2.42")
# Its functions are there since 2.40, behind a feature flag; promtool can test them since 2.48. Tried on 2.53 and 3.5.
NATIVE_HISTOGRAMS = Gate("native", "Prometheus", "2.53")
# Names of metrics and labels with any characters.
QUOTED_NAMES = Gate("a name in quotes", "Prometheus", "3.0")
# `rate(x[300])`, `x * 5m`.
DURATIONS_ARE_NUMBERS = Gate("a number as a duration", "Prometheus", "3.0")

# Before it, intervals stand under `mute_time_intervals`, and routes can only be muted by them.
TIME_INTERVALS = Gate("time_intervals", "Alertmanager", "0.24")
ACTIVE_DURING = Gate("activeDuring", "Alertmanager", "0.24")
LOCATION = Gate("location", "Alertmanager", "0.25")

# What Alertmanager does otherwise since, for the simulation.
ONLY_THE_FIRST_HASTENS = Gate(
    "an immediate flush for the first alert of a group only", "Alertmanager", "0.30"
)
ONE_SOURCE = Gate("an inhibition by the source that fires longest only", "Alertmanager", "0.30")
EMPTY_GROUPS_END = Gate("a group that ends with its last alert", "Alertmanager", "0.32")
