"""Groups of events (tenants, clusters, namespaces) by which one SLO has an error budget each.

Every group costs some 25 series, so that their number is bounded. Those that were there first stay: a group that came
and went with its rank among others would have no budget. What is free goes to the largest newcomers.
"""

from __future__ import annotations

from collections.abc import Sequence

from mlslo.yamlfile import Duration
from rulegen.promql.annotations import Label, Part, Text
from rulegen.promql.expressions import block, on

# How long after its last events a group is still known.
MEMORY = Duration("1d")


def known_groups(recorded: str, counted: str, labels: Sequence[str], most: int) -> str:
    """PromQL: the groups that are measured, ``most`` at most, with their events.

    ``recorded``: the record of the events of those that are measured; ``counted``: PromQL of all groups' events.
    """
    before = f"last_over_time({recorded}[{MEMORY}])"
    free = f"scalar({most} - (count({before}) or vector(0)))"
    newcomers = block(f"{free},\n{counted}\nunless {on(labels)}\n{before}")
    return f"{before}\nor\ntopk{newcomers}"


def among(expression: str, labels: Sequence[str], known: str) -> str:
    """PromQL: ``expression`` for the groups that are known."""
    return f"{block(expression)}\nand {on(labels)}\n{known}"


def group_name(labels: Sequence[str]) -> Text:
    """Name the group that an alert is about: "tenant acme"."""
    said: list[Part] = []
    for label in labels:
        said += [f"{', ' if said else ''}{label} ", Label(label)]
    return Text.of(*said)


def of_group(labels: Sequence[str]) -> Text:
    """Return " of tenant acme" for a sentence; nothing where there are no groups."""
    return Text.of(" of ", group_name(labels)) if labels else Text.of()
