"""Receivers as users write them, with our texts where they have none."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

from rulegen.spec.integrations import INTEGRATIONS, SILENT_ABOUT_ENDS
from rulegen.spec.routing import Spec


def _template(name: str) -> str:
    return f'{{{{ template "mlslo.{name}" . }}}}'


_TITLE, _TEXT = _template("title"), _template("text")

# Texts where the user has none.
_TEXTS: Mapping[str, Mapping[str, Any]] = {
    "discord_configs": {"title": _TITLE, "message": _TEXT},
    "email_configs": {"headers": {"Subject": _TITLE}, "text": _TEXT},
    "incidentio_configs": {},
    "jira_configs": {"summary": _TITLE, "description": _TEXT},
    # Its own title would stand in front.
    "mattermost_configs": {"title": "", "text": f"{_TITLE}\n{_TEXT}"},
    "msteams_configs": {"title": _TITLE, "text": _TEXT},
    "msteamsv2_configs": {"title": _TITLE, "text": _TEXT},
    "opsgenie_configs": {
        "message": _TITLE,
        "description": _TEXT,
        "priority": _template("opsgenie.priority"),
    },
    "pagerduty_configs": {
        "description": _template("pagerduty.description"),
        "severity": _template("pagerduty.severity"),
        "source": _template("pagerduty.source"),
        "component": "{{ .CommonLabels.slo }}",
        "group": "{{ .CommonLabels.layer }}",
        "class": "{{ .CommonLabels.alertname }}",
        "links": [
            {"href": _template("runbook"), "text": "Runbook"},
            {"href": _template("silence"), "text": "Silence"},
        ],
        "details": {
            "tier": "{{ .CommonLabels.tier }}",
            "model": "{{ .CommonLabels.model }}",
            "slo": "{{ .CommonLabels.slo }}",
            "team": "{{ .CommonLabels.team }}",
            "since": _template("since"),
            "runbook": _template("runbook"),
            "silence": _template("silence"),
            "firing": _template("pagerduty.firing"),
            "resolved": _template("pagerduty.resolved"),
        },
    },
    "pushover_configs": {"title": _TITLE, "message": _TEXT},
    "rocketchat_configs": {"title": _TITLE, "title_link": _template("runbook"), "text": _TEXT},
    "slack_configs": {
        "title": _template("slack.title"),
        "title_link": _template("runbook"),
        "text": _template("slack.text"),
        "fallback": _template("slack.fallback"),
        "color": _template("slack.color"),
    },
    "sns_configs": {"subject": _TITLE, "message": _TEXT},
    "telegram_configs": {"message": f"{_TITLE}\n{_TEXT}"},
    "victorops_configs": {"entity_display_name": _TITLE, "state_message": _TEXT},
    "webex_configs": {"message": f"{_TITLE}\n\n{_TEXT}"},
    "webhook_configs": {},
    "wechat_configs": {"message": f"{_TITLE}\n{_TEXT}"},
}  # fmt: skip


def receivers(spec: Spec) -> list[dict[str, Any]]:
    """Return every receiver of the file, in its order."""
    watching = set(spec.watchdog.receivers) if spec.watchdog else set()
    notified = {spec.fallback_receiver}
    for tier in spec.tiers.values():
        notified.update(tier.receivers)
    for overrides in spec.teams.values():
        notified.update(name for names in overrides.values() for name in names)
    return [
        {"name": name, **_filled(spec, integrations, heartbeat=name in watching - notified)}
        for name, integrations in spec.receivers.items()
    ]


def _filled(spec: Spec, integrations: Mapping[str, Any], *, heartbeat: bool) -> dict[str, Any]:
    filled: dict[str, Any] = copy.deepcopy(dict(integrations))
    for name, configs in filled.items():
        texts: dict[str, Any] = {"send_resolved": True} if name in SILENT_ABOUT_ENDS else {}
        texts |= {
            key: text
            for key, text in _TEXTS[name].items()
            if INTEGRATIONS[name].gate(key).open(spec.target.alertmanager)
        }
        if heartbeat:
            # To a dead man's switch every message is a sign of life, even the one that says it is over.
            texts = {"send_resolved": False}
        for config in configs:
            for key, text in texts.items():
                given = config.setdefault(key, copy.deepcopy(text))
                if key == "headers" and not any(header.lower() == "subject" for header in given):
                    given.update(text)
    return filled
