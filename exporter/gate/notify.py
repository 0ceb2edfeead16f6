"""Notification: a failed batch as one Slack message, by a receiver of the AlertRouting file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import ClassVar, Literal

from pydantic import ConfigDict, Field

from exporter.gate.verdict import Verdict, one_line
from exporter.web.delivery import DeliveryError, Sender, is_url, shown_url
from mlslo.yamlfile import InputError, StrictModel, did_you_mean, quoted_list, read, validate

_MOST_ROWS = 10
_PATIENCE = 10.0


class _Part(StrictModel):
    """A part of an AlertRouting file, which `mlslo-rulegen` judges as a whole."""

    model_config = ConfigDict(extra="ignore")


class _SlackConfig(_Part):
    api_url_file: str | None = None
    channel: str | None = None


class _Receiver(_Part):
    slack_configs: list[_SlackConfig] = Field(default_factory=list)


class _Spec(_Part):
    receivers: dict[str, _Receiver]


class _Routing(_Part):
    # Whoever writes the address itself, where its file is expected, does not find it in a log.
    confidential: ClassVar[bool] = True
    kind: Literal["AlertRouting"]
    spec: _Spec


class SlackReceiver:
    """A receiver of a routing file: its channels, with their addresses."""

    def __init__(self, routing: Path, name: str) -> None:
        """Raises InputError where the receiver is not there, has no Slack channel, or the secret cannot be read."""
        document = read(routing)
        receivers = validate(document, _Routing).spec.receivers
        if name not in receivers:
            message = f"no receiver '{name}', expected one of {quoted_list([*receivers])}"
            raise document.error(("spec", "receivers"), message + did_you_mean(name, [*receivers]))
        if not receivers[name].slack_configs:
            message = f"receiver '{name}' has no slack_configs: a gate notifies Slack only"
            raise document.error(("spec", "receivers", name), message, key=True)
        self._name = name
        self._channels: list[tuple[str, str | None]] = []
        for index, config in enumerate(receivers[name].slack_configs):
            if config.api_url_file is None:
                message = "expected 'api_url_file': the file with the address of the webhook"
                raise document.error(("spec", "receivers", name, "slack_configs", index), message)
            self._channels.append((_address(routing.parent / config.api_url_file), config.channel))

    def send(self, verdict: Verdict) -> list[str]:
        """Send the title and the first rows of the table, without values of rows, to every channel.

        Return what went wrong, without any address.
        """
        problems = []
        for url, channel in self._channels:
            message = {"text": _text(verdict), **({"channel": channel} if channel else {})}
            try:
                Sender(_PATIENCE).send(
                    "POST", url, json.dumps(message).encode(), {"Content-Type": "application/json"}
                )
            except DeliveryError as error:
                to = f"receiver '{self._name}'{f' ({channel})' if channel else ''}"
                problems.append(f"{to}: not notified, {str(error).removeprefix(f'{shown_url(url)}: ')}")
        return problems


def _address(file: Path) -> str:
    try:
        url = file.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "no text"
        raise InputError.of_file(file, f"cannot be read: {reason}") from None
    if not is_url(url):
        # Never with what it holds: that is a secret.
        raise InputError.of_file(file, "expected one address that begins with https://")
    return url


def _text(verdict: Verdict) -> str:
    lines = [f"*{verdict.title}*"]
    for check in verdict.failed[:_MOST_ROWS]:
        said = check.what, check.where, check.expected, check.found
        what, where, expected, found = map(one_line, said)
        lines.append(f"• {what}, {where}: expected {expected}, found {found}")
    if len(verdict.failed) > _MOST_ROWS:
        lines.append(f"… and {len(verdict.failed) - _MOST_ROWS} more")
    # As Slack shows text as it is: nothing in it mentions a channel, or is a link.
    return "\n".join(lines).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
