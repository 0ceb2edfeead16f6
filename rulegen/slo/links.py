"""Links that an alert carries: to its section of the model's runbook page, and to the dashboard."""

from __future__ import annotations

import hashlib
import re
from dataclasses import replace
from urllib.parse import quote

from rulegen.promql.annotations import Text
from rulegen.promql.conventions import FAST_BURN, NO_DATA, SLO, SLOW_BURN
from rulegen.promql.rules import AlertRule
from rulegen.spec.model_slo import ModelSlo
from rulegen.spec.routing import Routing

_OF_EACH_SLO = (FAST_BURN, SLOW_BURN, NO_DATA)
RUNBOOK, DASHBOARD = "runbook_url", "dashboard_url"


def heading(rule: AlertRule) -> str:
    """The heading of an alert's section. Alerts that several SLOs of a model may have are told apart by the SLO."""
    of_slo = f" of {rule.labels[SLO]}" if rule.name in _OF_EACH_SLO else ""
    return f"{rule.name}{of_slo}"


def anchor(rule: AlertRule) -> str:
    """The anchor that GitHub, GitLab and MkDocs give the heading of an alert's section."""
    return re.sub(r"[^\w -]", "", heading(rule)).lower().replace(" ", "-")


def dashboard_uid(file: str) -> str:
    """The identifier of the dashboard of the ModelSLO file ``file`` in Grafana."""
    return f"mlslo-{hashlib.sha256(file.encode()).hexdigest()[:12]}"


def linked(file: ModelSlo, routing: Routing, rule: AlertRule) -> AlertRule:
    """``rule`` with links to its page and dashboard, where the routing file says where they are served.

    What the user links to stays.
    """
    links: dict[str, str] = {}
    if routing.spec.runbooks is not None:
        links[RUNBOOK] = f"{_folder(routing.spec.runbooks.url)}{quote(file.name)}.md#{anchor(rule)}"
    if routing.spec.dashboards is not None:
        links[DASHBOARD] = f"{_folder(routing.spec.dashboards.url)}d/{dashboard_uid(file.name)}"
    new = {name: Text.of(url) for name, url in links.items() if name not in rule.annotations}
    return replace(rule, annotations={**rule.annotations, **new}) if new else rule


def watchdog_link(routing: Routing) -> dict[str, Text]:
    """The link of the alert that always fires."""
    if routing.spec.runbooks is None:
        return {}
    return {RUNBOOK: Text.of(f"{_folder(routing.spec.runbooks.url)}watchdog.md")}


def _folder(url: str) -> str:
    return url if url.endswith(("/", "=")) else f"{url}/"
