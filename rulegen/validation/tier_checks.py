"""Checks of tiers and durations."""

from collections.abc import Iterator

from mlslo.yamlfile import Document, Duration, Location, Problem, did_you_mean, quoted_list
from rulegen.spec.routing import Routing

# Beyond this the proof of an alert would take promtool longer than anybody waits: about two weeks of
# evaluations each minute.
MOST_EVALUATIONS = 20_000


def unknown_tier(document: Document, routing: Routing, at: Location, tier: str) -> Iterator[Problem]:
    """A tier that the AlertRouting file does not have."""
    tiers = routing.spec.tier_names
    if tier not in tiers:
        message = f"unknown tier '{tier}', {routing.path.name} has {quoted_list(tiers)}"
        yield document.problem(at, message + did_you_mean(tier, tiers))


def too_long(
    document: Document, interval: Duration, at: Location, duration: Duration | None
) -> Iterator[Problem]:
    """A duration of too many evaluations."""
    if duration is not None and duration.seconds > MOST_EVALUATIONS * interval.seconds:
        most = Duration.of_seconds(MOST_EVALUATIONS * interval.seconds)
        yield document.problem(at, f"expected at most {most}, {MOST_EVALUATIONS} evaluations, got {duration}")
