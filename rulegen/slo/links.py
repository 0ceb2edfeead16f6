"""Links that an alert carries: to its section of the model's runbook page, and to the dashboard."""

from __future__ import annotations

import hashlib
import re
from dataclasses import replace
from urllib.parse import quote

from rulegen.promql.annotations import Text
from rulegen.promql.conventions import ALERTS_OF_SLOS, COMPANION_ALERTS, NO_DATA, SLO
from rulegen.promql.rules import AlertRule
from rulegen.spec.model_slo import ModelSlo
from rulegen.spec.routing import Routing

RUNBOOK, DASHBOARD = "runbook_url", "dashboard_url"
UID_PREFIX, FLEET_UID = "mlslo-", "mlslo_fleet"


def heading(rule: AlertRule) -> str:
    """The heading of an alert's section. Alerts that several SLOs of a model may have are told apart by the SLO."""
    of_slo = f" of {rule.labels[SLO]}" if rule.name in ALERTS_OF_SLOS else ""
    return f"{rule.name}{of_slo}"


def anchor(rule: AlertRule) -> str:
    """The anchor that GitHub, GitLab and MkDocs give the heading of an alert's section."""
    return re.sub(r"[^\w -]", "", heading(rule)).lower().replace(" ", "-")


def dashboard_uid(file: str) -> str:
    """Return the identifier in Grafana of the dashboard of the ModelSLO file ``file``: its name, where that will do."""
    plain = re.fullmatch(r"[\w-]{1,34}", file, re.ASCII)
    return f"{UID_PREFIX}{file if plain else hashlib.sha256(file.encode()).hexdigest()[:12]}"


def gauge_panel(slo: str) -> str:
    """Return the key of the panel that shows the gauge of an SLO."""
    return f"slo/{slo}/gauge"


def burn_panel(slo: str) -> str:
    """Return the key of the panel that shows how fast the budget of an SLO burns."""
    return f"slo/{slo}/burn"


def panel_id(key: str) -> int:
    """Return the number of the panel of this key: the same in each run and for each model."""
    return int.from_bytes(hashlib.sha256(key.encode()).digest()[:4], "big") % 900_000 + 1000


def _panel(rule: AlertRule) -> str:
    """Return the part of the address that shows the panel of an alert alone; where it has none, the dashboard."""
    if rule.name in COMPANION_ALERTS or rule.name == NO_DATA:
        return ""
    key = burn_panel if rule.name in ALERTS_OF_SLOS else gauge_panel
    return f"?viewPanel={panel_id(key(rule.labels[SLO]))}"


def linked(file: ModelSlo, routing: Routing, rule: AlertRule) -> AlertRule:
    """``rule`` with links to its page and dashboard, where the routing file says where they are served.

    What the user links to stays.
    """
    links: dict[str, str] = {}
    if routing.spec.runbooks is not None:
        links[RUNBOOK] = f"{_folder(routing.spec.runbooks.url)}{quote(file.name)}.md#{anchor(rule)}"
    if routing.spec.dashboards is not None:
        links[DASHBOARD] = f"{_folder(routing.spec.dashboards.url)}d/{dashboard_uid(file.name)}{_panel(rule)}"
    new = {name: Text.of(url) for name, url in links.items() if name not in rule.annotations}
    return replace(rule, annotations={**rule.annotations, **new}) if new else rule


def watchdog_link(routing: Routing) -> dict[str, Text]:
    """The link of the alert that always fires."""
    if routing.spec.runbooks is None:
        return {}
    return {RUNBOOK: Text.of(f"{_folder(routing.spec.runbooks.url)}watchdog.md")}


def _folder(url: str) -> str:
    return url if url.endswith(("/", "=")) else f"{url}/"
