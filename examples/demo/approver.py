"""Anna, who is on call: she reads what waits for her approval, thinks, and approves."""

import base64
import contextlib
import json
import time
import urllib.request
from typing import Any
from urllib.parse import urlsplit

from examples.demo.processes import DIRECT

NAME = "anna"


class Approver:
    """Approves each action once it has waited for `thinking` seconds, by the server at `url`."""

    def __init__(self, url: str, password: str, thinking: float) -> None:
        self._url, self._thinking = url, thinking
        encoded = base64.b64encode(f"{NAME}:{password}".encode()).decode()
        self._headers = {
            "Authorization": f"Basic {encoded}",
            "Content-Type": "application/json",
            "Accept": "application/json",
        }
        self._seen: dict[str, float] = {}

    def is_served(self) -> bool:
        """Return whether there is somebody to ask. Raises OSError where there is not."""
        return bool(self._ask("/-/ready"))

    def look(self) -> list[str]:
        """Return what to tell of it. A server that is silent is asked again at the next look."""
        told = []
        with contextlib.suppress(OSError, ValueError):
            for waiting in json.loads(self._ask("/approvals")):
                token, action = waiting["id"], waiting["action"]
                if token not in self._seen:
                    self._seen[token] = time.monotonic()
                    told.append(f"{action} waits for {' or '.join(waiting['by'])}: {_call(waiting['call'])}")
                elif (
                    time.monotonic() - self._seen[token] >= self._thinking and NAME not in waiting["approved"]
                ):
                    self._ask(f"/approvals/{token}", {"decision": "approve"})
                    told.append(f"{NAME} approves {action}")
        return told

    def _ask(self, path: str, body: Any = None) -> bytes:
        data = None if body is None else json.dumps(body).encode()
        with DIRECT.open(urllib.request.Request(self._url + path, data, self._headers), timeout=2) as answer:
            content: bytes = answer.read()
        return content


def _call(call: dict[str, Any]) -> str:
    body = {key: value for key, value in (call.get("body") or {}).items() if key in ("model", "version")}
    return f"{call['method']} {urlsplit(call['url']).path} {json.dumps(body)}"
