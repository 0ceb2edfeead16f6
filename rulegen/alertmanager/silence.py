"""Silences for what is known beforehand, such as a retraining: made in a running Alertmanager.

https://github.com/prometheus/alertmanager/blob/v0.25.0/api/v2/openapi.yaml
"""

import base64
import http.client
import json
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from mlslo.yamlfile import Duration, InputError, Problem, did_you_mean, quoted_list, read_text
from rulegen.promql.conventions import TIER
from rulegen.promql.rules import AlertRule
from rulegen.slo.plan import make_plan
from rulegen.validation.specs import Specs

_TIMEOUT = 10.0


class RefusedError(Exception):
    """Alertmanager was not reached, or did not do as it was told."""


def covered(specs: Specs, selection: Mapping[str, str]) -> list[AlertRule]:
    """The alerts of the specs that a silence holds back; at least one. ``selection``: labels and their values.

    Raises InputError where a label has no such value, with the nearest that there is.
    """
    found = [alert for model in specs.models for alert in make_plan(model, specs.routing).alerts]
    narrowed = ""
    for label, value in selection.items():
        known = list(dict.fromkeys(alert.labels.get(label, "") for alert in found))
        if value not in known:
            message = f"no alert{narrowed} has the {label} '{value}', expected one of {quoted_list(known)}"
            raise InputError([Problem(f"--{label}", 0, 0, message + did_you_mean(value, known))])
        found = [alert for alert in found if alert.labels.get(label) == value]
        narrowed += f" of {label} {value}"
    return found


def alertmanager_url(text: str) -> str:
    """An address without its last slash. Raises InputError where it is none, or holds a password."""
    try:
        parts = urlsplit(text)
        usable = parts.scheme in ("http", "https") and parts.hostname and (parts.port is None or parts.port)
    except ValueError:
        usable = False
    if not usable or not text.isascii() or not text.isprintable() or " " in text:
        message = f"expected an address such as http://localhost:9093, got '{text}'"
        raise InputError([Problem("--alertmanager", 0, 0, message)])
    if parts.password is not None:
        message = "a literal secret: the address holds a password; use --basic-auth-file"
        raise InputError([Problem("--alertmanager", 0, 0, message)])
    return text.rstrip("/")


def credentials(path: Path) -> str:
    """``user:password``, the one line of a file. Raises InputError."""
    text = read_text(path).strip()
    if ":" not in text or "\n" in text or "\r" in text:
        raise InputError.of_file(path, "expected one line, user:password")
    return text


def create(
    url: str,
    selection: Mapping[str, str],
    start: datetime,
    length: Duration,
    comment: str,
    author: str,
    secret: str | None = None,
) -> str:
    """Make the silence and return its id. ``secret``: ``user:password``. Raises RefusedError."""
    body: dict[str, Any] = {
        "matchers": [
            {"name": label, "value": value, "isRegex": False, "isEqual": True}
            for label, value in selection.items()
        ],
        "startsAt": start.isoformat(),
        "endsAt": (start + timedelta(seconds=length.seconds)).isoformat(),
        "createdBy": author,
        "comment": comment,
    }
    headers = {"Content-Type": "application/json"}
    if secret is not None:
        headers["Authorization"] = "Basic " + base64.b64encode(secret.encode()).decode("ascii")
    answer = _post(f"{url}/api/v2/silences", json.dumps(body).encode(), headers)
    try:
        return str(json.loads(answer)["silenceID"])
    except (ValueError, KeyError, TypeError):
        raise RefusedError(f"{url}: this does not answer as an Alertmanager does") from None


def _post(url: str, body: bytes, headers: dict[str, str]) -> bytes:
    request = urllib.request.Request(url, body, headers)
    try:
        with urllib.request.urlopen(request, timeout=_TIMEOUT) as answer:
            content: bytes = answer.read()
            return content
    except urllib.error.HTTPError as error:
        said = error.read(500).decode("utf-8", "replace").strip()
        hint = "; it wants a user and a password, see --basic-auth-file" if error.code == 401 else ""
        raise RefusedError(
            f"{url}: refused with {error.code} {error.reason}{hint}: {said}".rstrip(": ")
        ) from None
    except urllib.error.URLError as error:
        raise RefusedError(f"{url}: cannot be reached: {error.reason}") from None
    except (OSError, http.client.HTTPException) as error:
        raise RefusedError(f"{url}: cannot be reached: {error or type(error).__name__}") from None


def urgent(specs: Specs, alerts: Sequence[AlertRule]) -> list[AlertRule]:
    """Return the alerts of the most urgent tier: somebody would have been woken."""
    first = specs.routing.spec.tier_names[0]
    return [alert for alert in alerts if alert.labels.get(TIER) == first]
