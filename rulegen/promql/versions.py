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

# Before it, intervals stand under `mute_time_intervals`, and routes can only be muted by them.
TIME_INTERVALS = Gate("time_intervals", "Alertmanager", "0.24")
ACTIVE_DURING = Gate("activeDuring", "Alertmanager", "0.24")
LOCATION = Gate("location", "Alertmanager", "0.25")

# Integrations and their keys: the Alertmanager that first knows them.
INTEGRATION_KEYS: Mapping[str, str] = {
    "discord_configs": "0.25",
    "discord_configs.webhook_url_file": "0.27",
    "email_configs.auth_password_file": "0.25",
    "email_configs.auth_secret_file": "0.31",
    "http_config.enable_http2": "0.25",
    "opsgenie_configs.api_key_file": "0.24",
    "pagerduty_configs.routing_key_file": "0.25",
    "pagerduty_configs.service_key_file": "0.25",
    "pagerduty_configs.source": "0.25",
    "pushover_configs.token_file": "0.26",
    "pushover_configs.user_key_file": "0.26",
    "sns_configs": "0.23",
    "telegram_configs": "0.24",
    "telegram_configs.bot_token_file": "0.26",
    "victorops_configs.api_key_file": "0.25",
    "webex_configs": "0.25",
    "webhook_configs.url_file": "0.26",
}


def integration(name: str, key: str = "") -> Gate:
    """The gate of an integration, or of one of its keys."""
    path = f"{name}.{key}" if key else name
    what = f"'{key}' in {name}" if key else name
    return Gate(what, "Alertmanager", INTEGRATION_KEYS.get(path, OLDEST["Alertmanager"]))
