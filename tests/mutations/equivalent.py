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
        r"_standard_error:of_(min|max): no matcher of (average|class)$",
        "an error and the gauge that it must have beside it have the same labels: one matcher is enough",
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
    Equivalent(
        r"ModelFieldMissing: \[86400s\] -> \[\d+s\]$",
        "promtool would evaluate all rules for a day, twice as long as all other tests: tests/rulegen/slo tests it",
    ),
    Equivalent(r"^watchdog: Watchdog: keep_firing_for where there is none$", "it never stops"),
    Equivalent(
        r"ModelFeaturesUnmonitored: no matcher of segment(_value)?$",
        "it is matched with the number of features, which has no such label, on all labels but that of the feature",
    ),
    Equivalent(r"local_time:seconds: no vector$", "a rule records a number as a series without labels"),
    Equivalent(
        r"period_began:date: 86400 -> \d+$",
        "of year, month and day one is changed: the first two are the same some hours away, nearly always",
    ),
    Equivalent(r":ml_slo_(events|errors):\w+_1\w+: \* -> /$", "the period's label comes with a 1"),
    Equivalent(
        r"ratio_\w+1(week|month|quarter): sum -> (max|avg)$",
        "of the periods one goes on: it is one series",
    ),
    Equivalent(
        r"error_budget_remaining:ratio: no group_left \(\)$",
        "one budget is multiplied with one part of its period",
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
    Equivalent(
        r"(> -> >=|< -> <=|>= -> >)$",
        "only the very limit tells them apart, which is a product or a difference of floats",
    ),
    Equivalent(
        r": keep_firing_for where there is none$",
        "how an alert ends is tested for the first of its kind",
    ),
    Equivalent(
        r":ml_slo_errors_per_events:ratio_\w+: (\[\d+s\] -> \[\d+s\]|sum_over_time -> count_over_time)$",
        "where the time window begins is hours or days ago; one evaluation is one event",
    ),
    Equivalent(
        r"_(avg|stddev)30d_offset2d: \[2592000s\] -> \[\d+s\]$",
        "where a window of 30 days begins is not reached",
    ),
    Equivalent(
        r"^objectives-.*:ml_slo_(events|errors):(sum|increase)\w+: (\[\d+s\] -> \[\d+s\]|sum_over_time -> count)",
        "where a window begins is tested for the first objective on a gauge; an increase is that of a part of it",
    ),
    Equivalent(
        r"^(budgets|objectives)-.*:ml_slo_errors:rate\w+: (\* -> /|0 -> -?1|\[\d+s\] -> \[\d+s\])$",
        "0 times a rate and 0 through it differ where it is 0; that events are 0 is tested for the first of its kind",
    ),
    Equivalent(
        r": no matcher of (model|slo|job|method)$",
        "what another model or SLO has is tested beside the first SLO of a kind, and one series of it",
    ),
    Equivalent(
        r": on without \w+$",
        "a test has one feature, segment or version, where no more are counted",
    ),
    Equivalent(
        r":ml_slo_value:(min|max): ",
        "a query of the user's own is taken as it is: its record is given to the tests of what rests on it",
    ),
    Equivalent(
        r"^objectives-own-windows: ErrorBudget",
        "where a number of events is asked for, the ratio follows from them, and is not given apart",
    ),
]


def why_not_caught(mutant: Mutant) -> str | None:
    """Why no test catches ``mutant``, though it does something else."""
    return next((known.why for known in NOT_CAUGHT if re.search(known.mutant, str(mutant))), None)
