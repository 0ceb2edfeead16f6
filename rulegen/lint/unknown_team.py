"""A team whose name is nearly that of an alert's team."""

from __future__ import annotations

from collections.abc import Iterator

from exporter.yamlfile import did_you_mean
from rulegen.alertmanager.routes import TEAM
from rulegen.lint.finding import Finding, Lint, Run


def _find(run: Run) -> Iterator[Finding]:
    known = sorted({alert.rule.labels[TEAM] for alert in run.alerts if TEAM in alert.rule.labels})
    for team in run.routing.spec.teams:
        near = did_you_mean(team, known)
        # A team may have no model yet; a near miss is a mistake, and its alerts go to others.
        if team not in known and near:
            message = f"no alert has the label team '{team}'{near}"
            yield Finding(run.routing.document, ("spec", "teams", team), message, key=True)


LINT = Lint("unknown-team", "warning", "A team whose name is nearly that of an alert's team.", _find)
