"""Engine: decide what an alert calls, call it once, and record each step before the next."""

from __future__ import annotations

import json
import logging
import secrets
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from http import HTTPStatus
from threading import Condition
from typing import Any

from exporter.act import calls
from exporter.act.alerts import Alert, Message, recorded
from exporter.act.record import Entry, Record, StoreError
from exporter.act.sending import Call, CallError, send
from exporter.web.push.answers import RefusedError
from mlslo.actions import Action, Actions

logger = logging.getLogger(__name__)

_MOST_QUEUED = 10_000
_LOOKED_BACK = 86_400.0
_PAUSE = 5.0
_UNKNOWN = "the program ended between the call and its record: outcome unknown"
_DECIDED, _EXPIRED = "decided already: an id is used once", "expired"


@dataclass(frozen=True)
class Waiting:
    """An action that waits for people. ``call``: method, URL and body. ``until``: Unix seconds."""

    id: str
    action: str
    alert: str
    model: str
    by: Sequence[str]
    people: int
    approved: Sequence[str]
    until: float
    call: dict[str, Any]


class Engine:
    """Decides and calls, one action after another. ``take``, ``waiting`` and ``answer`` are for other threads."""

    def __init__(self, actions: Actions, record: Record, clock: Callable[[], float] = time.time) -> None:
        """Raises InputError where a manifest cannot be used, StoreError where the record cannot."""
        self._actions = actions.spec.actions
        self._folder = actions.path.parent
        self._manifests = {item.name: calls.manifest(item, self._folder) for item in self._actions}
        self._keeps_groups = any(source == "pagerduty" for source, *_ in actions.spec.secrets())
        self._record, self._clock = record, clock
        self._queue: dict[tuple[str, float, str], Alert] = {}
        self._changed = Condition()
        self._stopping = False
        self._recover()

    # Of other threads.

    def take(self, message: Message) -> None:
        """Record alerts, and queue those that some action is about. Raises RefusedError, StoreError."""
        with self._changed:
            wanted = {alert.key: alert for alert in message.alerts if self._of(alert)}
            if len(self._queue.keys() | wanted.keys()) > _MOST_QUEUED:
                text = "not recorded, send again: too many alerts wait"
                raise RefusedError(HTTPStatus.SERVICE_UNAVAILABLE, text, "busy")
            now = self._clock()
            with self._record.together():
                new = [entry for alert in message.alerts if self._record.append(entry := alert.notified(now))]
                for alert in message.alerts if self._keeps_groups else ():
                    self._record.append(alert.entry(now, "grouped", message.deduplication_key))
            for entry in new:
                _log(entry)
            for key, alert in wanted.items():
                self._queue.setdefault(key, alert)
            self._changed.notify()

    def waiting(self) -> list[Waiting]:
        """Return what waits for people, oldest first. Raises StoreError."""
        with self._changed:
            asked = [self._asked(entry) for entry in self._record.entries(kind="waiting")]
        return [item for item, closed in asked if not closed]

    def answer(self, token: str, user: str, *, approve: bool) -> Waiting:
        """Approve or reject what waits by the name of ``token``. Raises RefusedError, StoreError."""
        with self._changed:
            entries = self._record.entries(kind="waiting")
            entry = next((item for item in entries if item.details["id"] == token), None)
            if entry is None:
                raise RefusedError(HTTPStatus.NOT_FOUND, "nothing waits by this id")
            item, closed = self._asked(entry)
            action = next((one for one in self._actions if one.name == entry.action), None)
            if action is None or action.approval is None or user not in action.approval.by:
                raise self._refused(entry, user, HTTPStatus.FORBIDDEN, "not named under approval.by")
            if closed == _EXPIRED:
                self._note(entry, "expired")
                raise self._refused(entry, user, HTTPStatus.GONE, closed)
            if closed or user in item.approved:
                raise self._refused(entry, user, HTTPStatus.CONFLICT, closed or _DECIDED)
            if not approve:
                if not self._note(entry, "refused", user, reason="rejected", rejected=True):
                    raise RefusedError(HTTPStatus.CONFLICT, "refused before")
                return item
            self._note(entry, "approved", user)
            alert = self._first(entry, entry.details["state"])
            self._queue[alert.key] = alert
            self._changed.notify()
            return replace(item, approved=[*item.approved, user])

    def stop(self) -> None:
        """Let ``run`` return once the call under way is recorded."""
        with self._changed:
            self._stopping = True
            self._changed.notify()

    # Of the worker.

    def run(self) -> None:
        """Decide about what is queued, until ``stop``."""
        while not self._stopping:
            stuck = False
            try:
                self.decide()
            except StoreError as error:
                stuck = True
                logger.error("nothing is called: %s", error)  # noqa: TRY400 - said in one line
            except Exception:
                logger.exception("an alert was not decided on")
            with self._changed:
                if not self._stopping and (stuck or not self._queue):
                    self._changed.wait(_PAUSE)

    def decide(self) -> None:
        """Decide about queued alerts, one after another, and end what waited too long. Raises StoreError."""
        while not self._stopping:
            with self._changed:
                if not self._queue:
                    break
                # Out of the queue first: what comes while it is decided on is looked at after it.
                alert = self._queue.pop(next(iter(self._queue)))
            try:
                for action in self._of(alert):
                    self._consider(alert, action)
            except StoreError:
                with self._changed:
                    self._queue.setdefault(alert.key, alert)
                raise
        longest = max((item.approval.within.seconds for item in self._actions if item.approval), default=0.0)
        with self._changed:
            for entry in self._record.entries(self._clock() - longest - _LOOKED_BACK, kind="waiting"):
                item, closed = self._asked(entry)
                if closed == _EXPIRED and len(item.approved) < item.people:
                    self._note(entry, "expired")

    def _consider(self, alert: Alert, action: Action) -> None:
        with self._changed:
            entry = alert.entry(0.0, "", action=action.name)
            # As it was when it began: what people approve does not change under their hands.
            alert = self._first(entry, alert.state)
            history = self._closed(entry)
            attempts = sum(item.kind == "attempt" for item in history)
            once = action.http is not None and not action.idempotent
            if _is_over(history) or (once and any(map(_is_unknown, history))) or attempts >= action.attempts:
                return
            who = f"attempt {attempts + 1}"
            try:
                call = calls.build(action, alert, self._manifests[action.name])
            except CallError as error:
                self._note(entry, "failed", who, reason=str(error))
                return
            if (limit := self._limited(action, entry)) is not None:
                self._note(entry, "refused", limit, reason=f"{limit} of the action")
                return
            if action.approval is not None and not self._is_approved(action, entry, alert.state, call):
                return
            if action.dryRun:
                self._note(entry, "dry_run", call=call.shown)
                return
            self._note(entry, "attempt", who, call=call.shown)
        try:
            answer = send(call, self._folder, f"{action.name}-{alert.fingerprint}-{alert.starts_at}")
        except CallError as error:
            self._note(entry, "failed", who, reason=str(error), unknown=error.unknown)
        else:
            self._note(entry, "acted", who, answer=answer)

    def _limited(self, action: Action, entry: Entry) -> str | None:
        """Return the key of the limit that an action has reached; None where it may call."""
        now = self._clock()
        if action.cooldown is not None:
            since = now - action.cooldown.seconds
            for item in self._record.entries(since, action=action.name, model=entry.model):
                another = (item.fingerprint, item.started) != (entry.fingerprint, entry.started)
                if another and (item.kind in ("acted", "dry_run") or _is_unknown(item)):
                    return "cooldown"
        if action.perDay is not None:
            today = datetime.fromtimestamp(now, UTC).replace(hour=0, minute=0, second=0, microsecond=0)
            entries = self._record.entries(today.timestamp(), action=action.name)
            if sum(item.kind in ("attempt", "dry_run") for item in entries) >= action.perDay:
                return "perDay"
        return None

    def _is_approved(self, action: Action, entry: Entry, state: str, call: Call) -> bool:
        """Return whether enough people have approved the call; ask them where that was not done."""
        assert action.approval is not None
        by, people = action.approval.by, action.approval.people
        asked = next((item for item in self._history(entry) if item.kind == "waiting"), None)
        if asked is None:
            until = self._clock() + action.approval.within.seconds
            detail: dict[str, Any] = {"by": by, "people": people, "until": until, "call": call.shown}
            self._note(entry, "waiting", id=secrets.token_urlsafe(16), state=state, **detail)
            return False
        item, _ = self._asked(asked)
        if len(set(item.approved) & set(by)) < people:
            return False
        if item.call != json.loads(json.dumps(call.shown)):
            reason = "the call is another than was approved"
            self._note(entry, "refused", "changed", reason=reason, rejected=True)
            return False
        return True

    def _recover(self) -> None:
        """Record calls whose outcome the program did not live to see, and queue alerts that it had not decided on."""
        for entry in self._record.entries(kind="attempt"):
            self._closed(entry)
        since = self._clock() - _LOOKED_BACK
        for kind in ("firing", "resolved"):
            for entry in self._record.entries(since, kind=kind):
                alert = recorded(entry)
                if self._of(alert) and not self._has_resolved(entry, kind):
                    self._queue[alert.key] = alert

    # Of both.

    def _of(self, alert: Alert) -> list[Action]:
        return [action for action in self._actions if action.alert.matches(alert.labels, alert.state)]

    def _asked(self, entry: Entry) -> tuple[Waiting, str]:
        """Return what waits by an entry of the kind waiting, and why it can no longer be answered ("" where it can)."""
        history, detail = self._history(entry), entry.details
        approved = [item.who for item in history if item.kind == "approved"]
        told = detail["by"], detail["people"], approved, detail["until"], detail["call"]
        waiting = Waiting(detail["id"], entry.action, entry.alert, entry.model, *told)
        if _is_over(history) or any(item.kind == "attempt" for item in history):
            return waiting, _DECIDED
        if self._clock() > waiting.until:
            return waiting, _EXPIRED
        return waiting, "the alert has resolved meanwhile" if self._has_resolved(
            entry, detail["state"]
        ) else ""

    def _history(self, entry: Entry) -> list[Entry]:
        """Return all entries of an action about an episode."""
        return list(self._record.entries(**entry.episode, action=entry.action))

    def _closed(self, entry: Entry) -> list[Entry]:
        """Return the history once calls whose outcome was not recorded are: the program ended, or the disk was full."""
        history = self._history(entry)
        ended = {item.who for item in history if item.kind in ("acted", "failed")}
        lost = [item for item in history if item.kind == "attempt" and item.who not in ended]
        for attempt in lost:
            self._note(attempt, "failed", attempt.who, reason=_UNKNOWN, unknown=True)
        return self._history(entry) if lost else history

    def _first(self, entry: Entry, state: str) -> Alert:
        """Return the alert of an entry as it was first recorded."""
        return recorded(next(self._record.entries(**entry.episode, kind=state)))

    def _has_resolved(self, entry: Entry, state: str) -> bool:
        """Return whether an alert that fired has resolved."""
        return state == "firing" and any(self._record.entries(**entry.episode, kind="resolved"))

    def _refused(self, entry: Entry, user: str, status: HTTPStatus, reason: str) -> RefusedError:
        if not self._note(entry, "refused", user, reason=reason):
            logger.warning("refused again: %s: %s", user, reason)
        return RefusedError(status, reason)

    def _note(self, about: Entry, kind: str, who: str = "", **detail: Any) -> bool:
        """Record a decision and log it; returns False where it was recorded before."""
        text = json.dumps(detail, ensure_ascii=False)
        entry = about._replace(time=self._clock(), kind=kind, who=who, detail=text)
        if appended := self._record.append(entry):
            _log(entry)
        return appended


def _is_over(history: Sequence[Entry]) -> bool:
    """Return whether nothing more is decided."""
    ends = ("acted", "dry_run", "expired")
    return any(
        item.kind in ends or (item.kind == "refused" and item.details.get("rejected")) for item in history
    )


def _is_unknown(entry: Entry) -> bool:
    return entry.kind == "failed" and bool(entry.details.get("unknown"))


def _log(entry: Entry) -> None:
    """Write a decision as one line of the log: all of it but what was sent, which may be long."""
    known = entry.details
    detail = {key: known[key] for key in ("reason", "answer", "unknown", "until", "people") if key in known}
    named = ("action", "alert", "model", "fingerprint", "started", "who")
    fields = {name: value for name in named if (value := getattr(entry, name)) != ""} | detail
    logger.info("%s", entry.kind, extra={"fields": fields, "unlimited": True})
