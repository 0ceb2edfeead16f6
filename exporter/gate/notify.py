"""Notification: a failed batch as one Slack message, by a receiver of the AlertRouting file."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any, ClassVar, Literal

from pydantic import ConfigDict, Field

from exporter.gate.verdict import Verdict, one_line
from mlslo.yamlfile import InputError, StrictModel, did_you_mean, quoted_list, read, validate

_MOST_ROWS = 10
_PATIENCE = 10.0
_OTHERS = ConfigDict(extra="ignore")


class _SlackConfig(StrictModel):
    model_config = _OTHERS
    api_url_file: str | None = None
    channel: str | None = None


class _Receiver(StrictModel):
    model_config = _OTHERS
    slack_configs: list[_SlackConfig] = Field(default_factory=list)


class _Spec(StrictModel):
    model_config = _OTHERS
    receivers: dict[str, _Receiver]


class _Routing(StrictModel):
    """The part of an AlertRouting file that is read here; `mlslo-rulegen` judges all of it."""

    model_config = _OTHERS
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
        at = ("spec", "receivers", name)
        if not receivers[name].slack_configs:
            raise document.error(
                at, f"receiver '{name}' has no slack_configs: a gate notifies Slack only", key=True
            )
        self._name = name
        self._channels: list[tuple[str, str | None]] = []
        for index, config in enumerate(receivers[name].slack_configs):
            place = (*at, "slack_configs", index)
            if config.api_url_file is None:
                raise document.error(
                    place, "expected 'api_url_file': the file with the address of the webhook"
                )
            file = routing.parent / config.api_url_file
            try:
                url = file.read_text(encoding="utf-8").strip()
            except (OSError, UnicodeDecodeError) as error:
                reason = getattr(error, "strerror", None) or "no text"
                raise InputError.of_file(file, f"cannot be read: {reason}") from None
            if not url.startswith(("https://", "http://")) or not url.isprintable() or " " in url:
                # Never with what it holds: that is a secret.
                raise InputError.of_file(file, "expected one address that begins with https://")
            self._channels.append((url, config.channel))

    def deliver(self, text: str) -> list[str]:
        """Send ``text`` to every channel; return what went wrong, without any address."""
        return [problem for url, channel in self._channels if (problem := self._post(url, channel, text))]

    def _post(self, url: str, channel: str | None, text: str) -> str | None:
        message: dict[str, Any] = {"text": text, **({"channel": channel} if channel else {})}
        headers = {"Content-Type": "application/json"}
        request = urllib.request.Request(url, json.dumps(message).encode(), headers)
        try:
            with urllib.request.build_opener(_NoRedirect).open(request, timeout=_PATIENCE):
                return None
        except urllib.error.HTTPError as error:
            error.close()
            reason = f"Slack answered {error.code}"
        except (OSError, ValueError) as error:
            cause = error.reason if isinstance(error, urllib.error.URLError) else error
            reason = f"cannot be reached: {getattr(cause, 'strerror', None) or type(cause).__name__}"
        return f"receiver '{self._name}'{f' ({channel})' if channel else ''}: not notified, {reason}"


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """Whoever answers for a webhook does not choose where the message goes."""

    def redirect_request(self, *_: Any) -> None:
        return None


def send(receiver: SlackReceiver, verdict: Verdict) -> list[str]:
    """Send the title and the first rows of the table, without values of rows; return what went wrong."""
    lines = [f"*{_escaped(verdict.title)}*"]
    for check in verdict.failed[:_MOST_ROWS]:
        said = check.what, check.where, check.expected, check.found
        what, where, expected, found = map(_escaped, map(one_line, said))
        lines.append(f"• {what}, {where}: expected {expected}, found {found}")
    if len(verdict.failed) > _MOST_ROWS:
        lines.append(f"… and {len(verdict.failed) - _MOST_ROWS} more")
    return receiver.deliver("\n".join(lines))


def _escaped(text: str) -> str:
    """Return text that Slack shows as it is: nothing in it mentions a channel, or is a link."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
