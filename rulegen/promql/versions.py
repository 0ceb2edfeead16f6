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


def parts(version: str) -> tuple[int, ...]:
    """``"0.25"`` as ``(0, 25)``."""
    return tuple(int(part) for part in version.split("."))


def at_least(version: str, minimum: str) -> bool:
    """Whether ``version`` is ``minimum`` or newer; both as in ``"2.42"`` or ``"2.42.0"``."""
    return parts(version) >= parts(minimum)


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
# Names of metrics and labels with any characters.
QUOTED_NAMES = Gate("a name in quotes", "Prometheus", "3.0")

# Before it, intervals stand under `mute_time_intervals`, and routes can only be muted by them.
TIME_INTERVALS = Gate("time_intervals", "Alertmanager", "0.24")
ACTIVE_DURING = Gate("activeDuring", "Alertmanager", "0.24")
LOCATION = Gate("location", "Alertmanager", "0.25")

# Alertmanager's own templates, and parts of their language: the Alertmanager that first knows them.
# https://github.com/prometheus/alertmanager/blob/main/template/default.tmpl, email.tmpl and template.go
TEMPLATES: Mapping[str, str] = {
    **dict.fromkeys(
        (
            "__alertmanager", "__alertmanagerURL", "__subject", "__description", "__text_alert_list",
            "slack.default.title", "slack.default.username", "slack.default.fallback", "slack.default.callbackid",
            "slack.default.pretext", "slack.default.titlelink", "slack.default.iconemoji", "slack.default.iconurl",
            "slack.default.text", "slack.default.footer", "pagerduty.default.description", "pagerduty.default.client",
            "pagerduty.default.clientURL", "pagerduty.default.instances", "opsgenie.default.message",
            "opsgenie.default.description", "opsgenie.default.source", "wechat.default.message",
            "wechat.default.to_user", "wechat.default.to_party", "wechat.default.to_tag", "wechat.default.agent_id",
            "victorops.default.state_message", "victorops.default.entity_display_name",
            "victorops.default.monitoring_tool", "email.default.subject", "email.default.html",
            "pushover.default.title", "pushover.default.message", "pushover.default.url",
        ),
        OLDEST["Alertmanager"],
    ),
    **dict.fromkeys(("sns.default.subject", "sns.default.message"), "0.23"),
    "telegram.default.message": "0.24",
    **dict.fromkeys(("discord.default.title", "discord.default.message", "webex.default.message"), "0.25"),
    **dict.fromkeys(("__text_alert_list_markdown", "msteams.default.title", "msteams.default.text"), "0.26"),
    "msteams.default.summary": "0.27",
    **dict.fromkeys(
        (
            "discord.default.content", "msteamsv2.default.title", "msteamsv2.default.text", "jira.default.summary",
            "jira.default.description", "jira.default.priority", "rocketchat.default.title",
            "rocketchat.default.alias", "rocketchat.default.titlelink", "rocketchat.default.emoji",
            "rocketchat.default.iconurl", "rocketchat.default.text",
        ),
        "0.28",
    ),
    "mattermost.default.text": "0.30",
    **dict.fromkeys(
        (
            "slack.default.color", "mattermost.default.color", "mattermost.default.username",
            "mattermost.default.title", "mattermost.default.titlelink", "mattermost.default.fallback",
        ),
        "0.32",
    ),
}  # fmt: skip
TEMPLATE_PARTS: Mapping[str, str] = {
    "trimSpace": "0.26",
    "labels.String": "0.26",
    "pairs.String": "0.26",
    **dict.fromkeys(
        ("date", "tz", "since", "humanizeDuration", "{{ else with }}", "range over a number"), "0.28"
    ),
    **dict.fromkeys(("safeUrl", "urlUnescape", "toJson"), "0.30"),
    **dict.fromkeys(("list", "append", "dict", "the group.NotificationReason"), "0.32"),
    "now": "0.33",
    **dict.fromkeys(("texts.Join", "the group.RouteLabels"), "0.34"),
}


def template_part(what: str, name: str) -> Gate:
    """Return the gate of a function, a field or a template of Alertmanager's."""
    since = TEMPLATE_PARTS.get(name) or TEMPLATES.get(name) or OLDEST["Alertmanager"]
    return Gate(what, "Alertmanager", since)
