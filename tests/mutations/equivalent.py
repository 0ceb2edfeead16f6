"""Mutants that no test can catch, beside those that are proved to be so one by one; and those that none does."""

from __future__ import annotations

import re
from typing import NamedTuple

from tests.mutations.rules import Mutant


class Equivalent(NamedTuple):
    """A regular expression for a mutant's text, and why such a mutant does what the rule does, or is not caught."""

    mutant: str
    why: str


EQUIVALENT = [
    Equivalent(
        r"weighted_avg: no group_left \(\)$",
        "of a gauge with one series for each replica there are not many to match",
    ),
    Equivalent(
        r"SLONoData: max -> avg$",
        "whether a sink is up is 0 or 1: the largest is 0 where the mean is",
    ),
    Equivalent(
        r"ModelFeaturesUnmonitored: (sum -> avg|sum -> max|increase -> rate)$",
        "an increase is never below 0: sum, mean, largest and rate are above 0 where one of them is",
    ),
    Equivalent(
        r"^companions-monitor: ModelSinkBehind: offset 240s -> 192s$",
        "lags are recorded once a minute: it is the same four of them, from 240 s to 420 s ago",
    ),
    Equivalent(r"^watchdog: Watchdog: keep_firing_for where there is none$", "it never stops"),
    Equivalent(
        r"ModelFeaturesUnmonitored: no matcher of segment(_value)?$",
        "it is matched with the number of features, which has no such label, on all labels but that of the feature",
    ),
    Equivalent(
        r":ml_slo_events:bool: count -> sum$",
        "evaluations are good or bad where there is a gauge",
    ),
    Equivalent(
        r"^objectives-throughput: model_slo:ml_slo_(events:bool: group -> count|errors:bool: min -> (max|avg))$",
        "a gauge that is summed over all that tells its series apart is one series",
    ),
    Equivalent(
        r"^objectives-counted: model_slo:ml_slo_(events|errors):increase\w+: sum -> (avg|max)$",
        "the query has summed its series: there is one",
    ),
]


def why(mutant: Mutant) -> str | None:
    """Why ``mutant`` has no effect, if that is known."""
    return mutant.same or next(
        (known.why for known in EQUIVALENT if re.search(known.mutant, str(mutant))), None
    )


# They do something else than the rule, and count as survivors.
NOT_CAUGHT = [
    Equivalent(
        r"Drift\S*: 0\.(5 -> 0\.475|25 -> 0\.2375)$",
        "a share and one that is a twentieth less differ for 40 series or more; a test has 20 at most",
    ),
    Equivalent(
        r": 1e-09 -> 1\.05e-09$",
        "only a deviation between the two tells them apart, and both are taken for rounding",
    ),
]


def why_not_caught(mutant: Mutant) -> str | None:
    """Why no test catches ``mutant``, though it does something else."""
    return next((known.why for known in NOT_CAUGHT if re.search(known.mutant, str(mutant))), None)
