"""A team whose name is nearly one that the other file has."""

import re
from collections.abc import Iterable, Iterator

from mlslo.yamlfile import did_you_mean
from rulegen.alertmanager.routes import TEAM
from rulegen.lint.finding import Finding, Run


def find(run: Run) -> Iterator[Finding]:
    routed = list(run.routing.spec.teams)
    for model in run.specs.models:
        team = model.metadata.labels.get(TEAM)
        if team is not None and team not in routed and (near := _near(team, routed)):
            message = f"spec.teams of the routing file has no '{team}'{near}"
            yield Finding(model.document, ("metadata", "labels", TEAM), message)
    known = sorted({alert.labels[TEAM] for alert in run.alerts if TEAM in alert.labels})
    # One that has none itself was told above.
    settled = [team for team in known if team in routed]
    for team in routed:
        # A team may have no model yet; a near miss is a mistake, and its alerts go to others.
        if team not in known and (near := _near(team, settled)):
            message = f"no alert has the label team '{team}'{near}"
            yield Finding(run.routing.document, ("spec", "teams", team), message, key=True)


def _near(team: str, others: Iterable[str]) -> str:
    return did_you_mean(team, [other for other in others if not _numbered(team, other)])


def _numbered(first: str, second: str) -> bool:
    """Return whether the two are told apart by a number or a letter on purpose: `team-a` and `team-b`."""
    pairs = list(
        zip(*(re.split(r"[-_. ]|(?<=[a-zA-Z])(?=[0-9])", name) for name in (first, second)), strict=False)
    )
    apart = [pair for pair in pairs if pair[0].lower() != pair[1].lower()]
    return bool(apart) and all(max(map(len, pair)) < 3 for pair in apart)
