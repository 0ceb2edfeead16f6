"""Door of ``act``: POST /alerts for Alertmanager, /approvals for people, /metrics and the like."""

from __future__ import annotations

import base64
import json
import logging
import platform
import ssl
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from html import escape
from http import HTTPStatus
from threading import Thread
from types import MappingProxyType
from urllib.parse import parse_qs

from exporter.act.alerts import MOST_BYTES, MessageError, alerts_of
from exporter.act.engine import ApprovalError, BusyError, Engine, Waiting
from exporter.act.feedback import Feedback
from exporter.act.record import StoreError
from exporter.daemon.logs import visible
from exporter.measure.exposition import Page
from exporter.measure.gauges import Gauges
from exporter.web.http_server import Handler, HttpServer, normal_path
from exporter.web.protection import Protection
from exporter.web.push.tokens import Tokens
from mlslo.version import VERSION

logger = logging.getLogger(__name__)

REQUESTS = ("taken", "unauthorized", "malformed", "too_large", "busy")
"""The label ``outcome`` of ml_action_requests_total."""

_JSON, _FORM = "application/json", "application/x-www-form-urlencoded"
_APPROVALS = "/approvals"
_CALLBACKS = "/callbacks/"
_LARGEST_DECISION = 4096
# Nothing is loaded, nobody frames it, and its forms go nowhere else.
_PAGE_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; "
    "frame-ancestors 'none'",
    "Cache-Control": "no-store",
}


class _Handler(Handler):
    server: ActServer

    def do_GET(self) -> None:  # noqa: N802 - the name of the base class
        if not self._allowed():
            return
        match normal_path(self.path):
            case "/metrics":
                compressed = self._takes_gzip()
                body, content_type = self.server.page().answer(
                    self.headers.get("Accept", ""), compressed=compressed
                )
                self._send(HTTPStatus.OK, body, content_type, compressed=compressed)
            case "/-/healthy":
                self._answer(
                    self.server.worker.is_alive(), "Healthy.", "Nothing decides about alerts any more."
                )
            case "/-/ready":
                self._answer(self.server.worker.is_alive(), "Ready.", "Not ready.")
            case "/approvals":
                if self._user() is not None:
                    self._approvals()
            case _:
                self._text(HTTPStatus.NOT_FOUND, "No such page; see /approvals and /metrics.")

    do_HEAD = do_GET

    def do_POST(self) -> None:  # noqa: N802
        self.close_connection = True
        path = normal_path(self.path)
        if path == "/alerts":
            self._alerts()
        elif path.startswith(f"{_APPROVALS}/"):
            self._decision(path.removeprefix(f"{_APPROVALS}/"))
        elif path.startswith(_CALLBACKS):
            self._callback(path.removeprefix(_CALLBACKS))
        else:
            self._text(HTTPStatus.NOT_FOUND, "No such page; expected /alerts or /approvals/ID.")
            self._discard()

    def _alerts(self) -> None:
        if not self._is_sender():
            self._discard()
            return
        if self._media_type() != _JSON:
            self._refuse("malformed", HTTPStatus.UNSUPPORTED_MEDIA_TYPE, f"expected Content-Type {_JSON}")
            self._discard()
            return
        body = self._body(
            MOST_BYTES, lambda: self._count("too_large", "a body that is too large, or has no length")
        )
        if body is None:
            return
        try:
            self.server.engine.take(alerts_of(body))
        except MessageError as error:
            self._refuse("malformed", HTTPStatus.BAD_REQUEST, str(error))
        except (BusyError, StoreError) as error:
            reason = str(error) or "too many alerts wait"
            self._refuse("busy", HTTPStatus.SERVICE_UNAVAILABLE, f"not recorded, send again: {reason}")
        else:
            self.server.requests["taken"] += 1
            self._text(HTTPStatus.OK, "Recorded.")

    def _callback(self, source: str) -> None:
        # Signed by a secret of its own, in place of a password.
        body = self._body(MOST_BYTES)
        if body is not None:
            headers = {name.lower(): value for name, value in self.headers.items()}
            self._text(*self.server.feedback.take(source, headers, body))

    def _is_sender(self) -> bool:
        if self.server.tokens is None:
            if not self._allowed():
                self._count("unauthorized", "no password, or a wrong one")
                return False
            return True
        if self.server.tokens.accept(self.headers.get("Authorization")):
            if not self.server.tokens.lost:
                return True
            # Perhaps it was revoked; Alertmanager sends again what was answered with 503 only.
            reason = "not recorded, send again: tokenFile has no token"
            self._refuse("busy", HTTPStatus.SERVICE_UNAVAILABLE, reason)
            return False
        realm = {"WWW-Authenticate": 'Bearer realm="mlslo-exporter"'}
        self._refuse("unauthorized", HTTPStatus.UNAUTHORIZED, "expected a token of tokenFile", realm)
        return False

    def _refuse(
        self, outcome: str, status: HTTPStatus, reason: str, headers: Mapping[str, str] = MappingProxyType({})
    ) -> None:
        self._count(outcome, reason)
        self._text(status, f"{reason[0].upper()}{reason[1:]}.", headers)

    def _count(self, outcome: str, reason: str) -> None:
        self.server.requests[outcome] += 1
        logger.warning("alerts refused from %s: %s", self.client_address[0], reason)

    def _user(self) -> str | None:
        """Return who asks, of whom the password is right; refuse where there are no passwords."""
        if self._config is None or self._config.passwords is None:
            self._text(HTTPStatus.FORBIDDEN, "Approvals need basic_auth_users in --web.config.file.")
            return None
        encoded = self.headers.get("Authorization", "").partition(" ")[2]
        return base64.b64decode(encoded).partition(b":")[0].decode()

    def _approvals(self) -> None:
        waiting = self.server.engine.waiting()
        if _JSON in self.headers.get("Accept", ""):
            content = visible(json.dumps([asdict(item) for item in waiting], ensure_ascii=False))
            self._send(HTTPStatus.OK, f"{content}\n".encode(), _JSON, headers=_PAGE_HEADERS)
        else:
            page = visible(_page(waiting))
            self._send(HTTPStatus.OK, page.encode(), "text/html; charset=utf-8", headers=_PAGE_HEADERS)

    def _decision(self, token: str) -> None:
        if not self._allowed() or (user := self._user()) is None:
            self._discard()
            return
        origin = self.headers.get("Origin")
        is_form = self._media_type() == _FORM and origin is not None
        if not (is_form or self._media_type() == _JSON):
            self._text(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, f"Expected Content-Type {_JSON}.")
            self._discard()
            return
        if origin is not None and origin.partition("://")[2] != self.headers.get("Host"):
            logger.warning("a decision of %s came from another site", user)
            self._text(HTTPStatus.FORBIDDEN, "The request comes from another site.")
            self._discard()
            return
        body = self._body(_LARGEST_DECISION)
        if body is None:
            return
        decision = _decided(body, is_form=is_form)
        if decision not in ("approve", "reject"):
            self._text(HTTPStatus.BAD_REQUEST, 'Expected {"decision": "approve"} or {"decision": "reject"}.')
            return
        try:
            waiting = self.server.engine.answer(token, user, approve=decision == "approve")
        except ApprovalError as error:
            logger.warning("a decision of %s is refused: %s", user, error)
            self._text(error.status, f"Refused: {error}.")
        except StoreError as error:
            self._text(HTTPStatus.SERVICE_UNAVAILABLE, f"Not recorded: {error}")
        else:
            if is_form:
                self._text(HTTPStatus.SEE_OTHER, "Recorded.", {"Location": _APPROVALS})
            elif decision == "reject":
                self._text(HTTPStatus.OK, "Rejected.")
            else:
                self._text(HTTPStatus.OK, f"Approved by {len(waiting.approved)} of {waiting.people}.")

    def _media_type(self) -> str:
        return self.headers.get("Content-Type", "").partition(";")[0].strip().lower()


class ActServer(HttpServer):
    """Serves an engine, which decides in a thread of its own. ``tokens``: of who sends alerts.

    ``feedback``: takes callbacks, and counts what came of alerts.
    """

    handler = _Handler

    def __init__(
        self,
        address: tuple[str, int],
        engine: Engine,
        feedback: Feedback,
        tokens: Tokens | None,
        protection: Protection | None,
    ) -> None:
        """Raises OSError where the address cannot be bound."""
        super().__init__(address, protection)
        self.engine, self.feedback, self.tokens = engine, feedback, tokens
        self.requests = Counter(dict.fromkeys(REQUESTS, 0))
        self.worker = Thread(target=engine.run, name="act", daemon=True)
        self.worker.start()

    def page(self) -> Page:
        """Return the page of metrics. Raises StoreError."""
        process = Gauges("")
        for (action, outcome), number in self.engine.counts().items():
            process.set("ml_actions_total", number, action=action, outcome=outcome)
        for outcome, number in self.requests.items():
            process.set("ml_action_requests_total", number, outcome=outcome)
        process.set("ml_exporter_build_info", 1.0, version=VERSION, python_version=platform.python_version())
        return Page([], {**process.series, **self.feedback.series()})


def is_protected(tokens: Tokens | None, protection: Protection | None) -> bool:
    """Return whether nobody can send alerts who has not proved to be allowed to."""
    config = protection.current() if protection is not None else None
    certificates = (
        config is not None and config.tls is not None and config.tls.verify_mode == ssl.CERT_REQUIRED
    )
    return tokens is not None or (config is not None and config.passwords is not None) or certificates


def _decided(body: bytes, *, is_form: bool) -> object:
    try:
        if is_form:
            return parse_qs(body.decode()).get("decision", [""])[0]
        found = json.loads(body)
    except (ValueError, RecursionError):
        return None
    return found.get("decision") if isinstance(found, dict) else None


def _page(waiting: list[Waiting]) -> str:
    """Return what waits as HTML."""
    items = "".join(_item(item) for item in waiting) or "<p>Nothing waits.</p>"
    style = "body{font:16px system-ui;margin:2em}pre{background:#eee;padding:1em;overflow:auto}"
    return f"<!doctype html><title>Approvals</title><style>{style}</style><h1>Approvals</h1>{items}\n"


def _item(item: Waiting) -> str:
    until = datetime.fromtimestamp(item.until, UTC)
    buttons = "".join(
        f'<button name="decision" value="{word}">{word.capitalize()}</button> '
        for word in ("approve", "reject")
    )
    call = json.dumps(item.call, indent=1, ensure_ascii=False)
    approved = f"{len(item.approved)} of {item.people} approved, by {', '.join(item.by)}"
    return (
        f"<h2>{escape(item.action)}</h2><p>{escape(item.alert)} of {escape(item.model or 'no model')}; "
        f"{escape(approved)}; until {until:%Y-%m-%d %H:%M:%S} UTC</p><pre>{escape(call)}</pre>"
        f'<form method="post" action="{_APPROVALS}/{escape(item.id)}">{buttons}</form>'
    )
