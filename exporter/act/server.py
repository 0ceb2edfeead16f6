"""Door of ``act``: POST /alerts for Alertmanager, /approvals for people, /metrics and the like."""

from __future__ import annotations

import base64
import json
import logging
import platform
import ssl
import time
from dataclasses import asdict
from datetime import UTC, datetime
from email.message import Message
from html import escape
from http import HTTPStatus
from threading import Thread
from urllib.parse import parse_qs

from exporter.act.alerts import MOST_BYTES, read_message
from exporter.act.callbacks import Callbacks
from exporter.act.engine import Engine, Waiting
from exporter.act.outcomes import Counters
from exporter.act.record import StoreError
from exporter.daemon.logs import visible
from exporter.measure.exposition import Page
from exporter.web.http_server import Handler, HttpServer, normal_path
from exporter.web.protection import Protection
from exporter.web.push.answers import RefusedError, malformed
from exporter.web.push.tokens import Tokens
from mlslo.version import VERSION

logger = logging.getLogger(__name__)

REQUESTS = ("taken", "unauthorized", "malformed", "too_large", "busy")
COUNTER = "ml_action_requests_total"
"""Counter of requests with alerts, and its label ``outcome``."""

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
                page = Page([], self.server.counters.series(time.time()))
                body, content_type = page.answer(self.headers.get("Accept", ""), compressed=compressed)
                self._send(HTTPStatus.OK, body, content_type, compressed=compressed)
            case "/-/healthy" | "/-/ready":
                self._answer(self.server.worker.is_alive(), "Healthy.", "Nothing decides about alerts.")
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
            # Signed by a secret of its own, in place of a password.
            if (body := self._body(MOST_BYTES)) is not None:
                headers = {name.lower(): value for name, value in self.headers.items()}
                self._text(*self.server.callbacks.take(path.removeprefix(_CALLBACKS), headers, body))
        else:
            self._text(HTTPStatus.NOT_FOUND, "No such page; expected /alerts or /approvals/ID.")
            self._discard()

    def _alerts(self) -> None:
        if not self._is_sender():
            self._discard()
            return
        body = self._body(
            MOST_BYTES, lambda: self._count("too_large", "a body that is too large, or has no length")
        )
        if body is None:
            return
        try:
            _expect(self.headers, _JSON)
            self.server.engine.take(read_message(body))
        except RefusedError as error:
            self._count(error.reason, str(error))
            self._text(error.status, f"Refused: {error}.")
        except StoreError as error:
            self._count("busy", str(error))
            self._text(HTTPStatus.SERVICE_UNAVAILABLE, f"Not recorded, send again: {error}.")
        else:
            self.server.counters.add(COUNTER, "taken")
            self._text(HTTPStatus.OK, "Recorded.")

    def _is_sender(self) -> bool:
        if self.server.tokens is None:
            if not (allowed := self._allowed()):
                self._count("unauthorized", "no password, or a wrong one")
            return allowed
        if not (accepted := self.server.tokens.accept(self.headers.get("Authorization"))):
            self._count("unauthorized", "expected a token of tokenFile")
            realm = {"WWW-Authenticate": 'Bearer realm="mlslo-exporter"'}
            self._text(HTTPStatus.UNAUTHORIZED, "Expected a token of tokenFile.", realm)
        elif self.server.tokens.lost:
            # Perhaps it was revoked; Alertmanager sends again what was answered with 503 only.
            reason = "not recorded, send again: tokenFile has no token"
            self._count("busy", reason)
            self._text(HTTPStatus.SERVICE_UNAVAILABLE, f"Refused: {reason}.")
            return False
        return accepted

    def _count(self, outcome: str, reason: str) -> None:
        self.server.counters.add(COUNTER, outcome)
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
            content, kind = json.dumps([asdict(item) for item in waiting], ensure_ascii=False) + "\n", _JSON
        else:
            content, kind = _page(waiting), "text/html; charset=utf-8"
        self._send(HTTPStatus.OK, visible(content).encode(), kind, headers=_PAGE_HEADERS)

    def _decision(self, token: str) -> None:
        if not self._allowed() or (user := self._user()) is None:
            self._discard()
            return
        if (body := self._body(_LARGEST_DECISION)) is None:
            return
        is_form = "Origin" in self.headers and _media_type(self.headers) == _FORM
        try:
            approve = _approves(self.headers, body, is_form=is_form)
            waiting = self.server.engine.answer(token, user, approve=approve)
        except RefusedError as error:
            logger.warning("a decision of %s is refused: %s", user, error)
            self._text(error.status, f"Refused: {error}.")
        except StoreError as error:
            self._text(HTTPStatus.SERVICE_UNAVAILABLE, f"Not recorded: {error}")
        else:
            if is_form:
                self._text(HTTPStatus.SEE_OTHER, "Recorded.", {"Location": _APPROVALS})
            else:
                approved = f"Approved by {len(waiting.approved)} of {waiting.people}."
                self._text(HTTPStatus.OK, approved if approve else "Rejected.")


class ActServer(HttpServer):
    """Serves an engine, which decides in a thread of its own. ``tokens``: of who sends alerts."""

    handler = _Handler

    def __init__(
        self,
        address: tuple[str, int],
        engine: Engine,
        callbacks: Callbacks,
        counters: Counters,
        tokens: Tokens | None,
        protection: Protection | None,
    ) -> None:
        """Raises OSError where the address cannot be bound."""
        super().__init__(address, protection)
        self.engine, self.callbacks, self.counters, self.tokens = engine, callbacks, counters, tokens
        for outcome in REQUESTS:
            counters.add(COUNTER, outcome, number=0)
        counters.add("ml_exporter_build_info", VERSION, platform.python_version())
        self.worker = Thread(target=engine.run, name="act", daemon=True)
        self.worker.start()


def is_protected(tokens: Tokens | None, protection: Protection | None) -> bool:
    """Return whether nobody can send alerts who has not proved to be allowed to."""
    config = protection.current() if protection is not None else None
    certificates = (
        config is not None and config.tls is not None and config.tls.verify_mode == ssl.CERT_REQUIRED
    )
    return tokens is not None or (config is not None and config.passwords is not None) or certificates


def _media_type(headers: Message) -> str:
    return headers.get("Content-Type", "").partition(";")[0].strip().lower()


def _expect(headers: Message, media_type: str) -> None:
    """Raise RefusedError for a body of another type: a page of any site may make a browser send that."""
    if _media_type(headers) != media_type:
        wrong = f"expected Content-Type {_JSON}"
        raise RefusedError(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, wrong, "malformed")


def _approves(headers: Message, body: bytes, *, is_form: bool) -> bool:
    """Return what a person decided. Raises RefusedError."""
    _expect(headers, _FORM if is_form else _JSON)
    origin = headers.get("Origin")
    if origin is not None and origin.partition("://")[2] != headers.get("Host"):
        raise RefusedError(HTTPStatus.FORBIDDEN, "the request comes from another site")
    try:
        decision = parse_qs(body.decode())["decision"][0] if is_form else json.loads(body)["decision"]
    except (ValueError, KeyError, TypeError, RecursionError):
        decision = None
    if decision not in ("approve", "reject"):
        raise malformed('expected {"decision": "approve"} or {"decision": "reject"}')
    return bool(decision == "approve")


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
