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

# The address of a webhook may be a template.
URL_TEMPLATE = Gate("a template in url", "Alertmanager", "0.31")

# Integrations and their keys, by the name of the mapping that they stand in: the Alertmanager that first knows them.
# https://github.com/prometheus/alertmanager/blob/main/config/notifiers.go and, since 0.33, notify/*/config.go
INTEGRATION_KEYS: Mapping[str, str] = {
    "discord_configs": "0.25",
    "discord_configs.avatar_url": "0.28",
    "discord_configs.content": "0.28",
    "discord_configs.username": "0.28",
    "discord_configs.webhook_url_file": "0.27",
    "email_configs.auth_password_file": "0.25",
    "email_configs.auth_secret_file": "0.31",
    "email_configs.force_implicit_tls": "0.31",
    "email_configs.threading": "0.30",
    "incidentio_configs": "0.29",
    "jira_configs": "0.28",
    "jira_configs.api_type": "0.29",
    "mattermost_configs": "0.30",
    **dict.fromkeys(
        (
            f"mattermost_configs.{key}"
            for key in (
                "author_icon", "author_link", "author_name", "color", "fallback", "fields", "footer", "footer_icon",
                "image_url", "pretext", "thumb_url", "title", "title_link",
            )
        ),
        "0.32",
    ),
    "msteams_configs": "0.26",
    "msteams_configs.summary": "0.27",
    "msteams_configs.webhook_url_file": "0.27",
    "msteamsv2_configs": "0.28",
    "opsgenie_configs.actions": "0.24",
    "opsgenie_configs.api_key_file": "0.24",
    "opsgenie_configs.entity": "0.24",
    "opsgenie_configs.update_alerts": "0.24",
    "pagerduty_configs.routing_key_file": "0.25",
    "pagerduty_configs.service_key_file": "0.25",
    "pagerduty_configs.source": "0.25",
    "pagerduty_configs.timeout": "0.30",
    "pushover_configs.device": "0.26",
    "pushover_configs.monospace": "0.29",
    "pushover_configs.token_file": "0.26",
    "pushover_configs.ttl": "0.27",
    "pushover_configs.user_key_file": "0.26",
    "rocketchat_configs": "0.28",
    "slack_configs.app_token_file": "0.30",
    "slack_configs.app_url": "0.30",
    "slack_configs.message_text": "0.31",
    "slack_configs.timeout": "0.30",
    "sns_configs": "0.23",
    "sns_configs.use_aws_http_client": "0.33",
    "telegram_configs": "0.24",
    "telegram_configs.bot_token_file": "0.26",
    "telegram_configs.chat_id_file": "0.31",
    "telegram_configs.message_thread_id": "0.28",
    # Before it was there, and was not read.
    "victorops_configs.api_key_file": "0.25",
    "webex_configs": "0.25",
    "webhook_configs.payload": "0.32",
    "webhook_configs.timeout": "0.28",
    "webhook_configs.url_file": "0.26",
    "wechat_configs.api_secret_file": "0.31",
    # The mappings inside of them.
    "basic_auth.username_file": "0.27",
    # Jira's summary and description were texts only.
    **{f"{name}.{key}": "0.30" for name in ("description", "summary") for key in ("enable_update", "template")},
    "http_config.enable_http2": "0.25",
    "http_config.http_headers": "0.28",
    "http_config.no_proxy": "0.26",
    "http_config.proxy_from_environment": "0.26",
    **dict.fromkeys(
        (
            f"oauth2.{key}"
            for key in (
                "audience", "claims", "client_certificate_key_file", "client_certificate_key_id", "grant_type", "iss",
                "signature_algorithm",
            )
        ),
        "0.30",
    ),
    "oauth2.no_proxy": "0.26",
    "oauth2.proxy_from_environment": "0.26",
    "oauth2.proxy_url": "0.25",
    "oauth2.tls_config": "0.24",
    "sigv4.external_id": "0.31",
    "sigv4.service_name": "0.29",
    "sigv4.use_fips_sts_endpoint": "0.29",
    "tls_config.ca": "0.26",
    "tls_config.cert": "0.26",
    "tls_config.max_version": "0.25",
    "tls_config.min_version": "0.25",
}  # fmt: skip


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


def integration(name: str, key: str = "") -> Gate:
    """Return the gate of an integration, or of one of its keys."""
    path = f"{name}.{key}" if key else name
    what = f"'{key}' in {name}" if key else name
    return Gate(what, "Alertmanager", INTEGRATION_KEYS.get(path, OLDEST["Alertmanager"]))
