"""Engine: decide what an alert calls, call it once, and record each step before the next."""

from __future__ import annotations

import json
import logging
import secrets
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from http import HTTPStatus
from threading import Condition
from typing import Any

from exporter.act import calls
from exporter.act.alerts import Alert, recorded
from exporter.act.calls import Call, CallError
from exporter.act.record import Entry, Record, StoreError
from mlslo.actions import Action, Actions

logger = logging.getLogger(__name__)

OUTCOMES = ("acted", "dry_run", "failed", "refused", "waiting", "approved", "expired")
"""Kinds of entries that are decisions about an action: the label ``outcome`` of ml_actions_total."""

_MOST_QUEUED = 10_000
_LOOKED_BACK = 86_400.0
_PAUSE = 5.0
_UNKNOWN = "the program ended between the call and its record: outcome unknown"


class BusyError(Exception):
    """Too many alerts wait for a decision."""


class ApprovalError(Exception):
    """An approval that is not taken, with the status to answer."""

    def __init__(self, status: HTTPStatus, text: str) -> None:
        super().__init__(text)
        self.status = status


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
        self._record, self._clock = record, clock
        self._queue: dict[tuple[str, float, str], Alert] = {}
        self._changed = Condition()
        self._stopping = self._busy = False
        self._recover()

    # Of other threads.

    def take(self, alerts: Sequence[Alert]) -> None:
        """Record alerts, and queue those that some action is about. Raises BusyError, StoreError."""
        with self._changed:
            wanted = [alert for alert in alerts if self._of(alert)]
            if len(self._queue.keys() | {alert.key for alert in wanted}) > _MOST_QUEUED:
                raise BusyError
            with self._record.together():
                news = [alert.notified(self._clock()) for alert in alerts]
                news = [entry for entry in news if self._record.append(entry)]
            for entry in news:
                _log(entry)
            for alert in wanted:
                self._queue.setdefault(alert.key, alert)
            self._changed.notify()

    def waiting(self) -> list[Waiting]:
        """Return what waits for people, oldest first. Raises StoreError."""
        found = []
        with self._changed:
            for entry in self._record.entries(kind="waiting"):
                history = self._history(entry)
                if self._settled(history) is None and not self._is_over(
                    entry, json.loads(entry.detail)["state"]
                ):
                    found.append(_waiting(entry, history))
        return [item for item in found if item.until >= self._clock()]

    def answer(self, token: str, user: str, *, approve: bool) -> Waiting:
        """Approve or reject what waits by the name of ``token``. Raises ApprovalError, StoreError."""
        with self._changed:
            entries = self._record.entries(kind="waiting")
            entry = next((item for item in entries if json.loads(item.detail)["id"] == token), None)
            if entry is None:
                raise ApprovalError(HTTPStatus.NOT_FOUND, "nothing waits by this id")
            history = self._history(entry)
            waiting, now = _waiting(entry, history), self._clock()
            action = next((item for item in self._actions if item.name == entry.action), None)
            named = action.approval.by if action is not None and action.approval is not None else ()
            if user not in named:
                raise self._refused(entry, user, HTTPStatus.FORBIDDEN, "not named under approval.by")
            if self._settled(history) is not None or user in waiting.approved:
                raise self._refused(entry, user, HTTPStatus.CONFLICT, "decided already: an id is used once")
            if now > waiting.until:
                self._note(entry, "expired")
                raise self._refused(entry, user, HTTPStatus.GONE, "expired")
            if self._is_over(entry, json.loads(entry.detail)["state"]):
                raise self._refused(entry, user, HTTPStatus.CONFLICT, "the alert has resolved meanwhile")
            if not approve:
                if not self._note(entry, "refused", user, reason="rejected", rejected=True):
                    raise ApprovalError(HTTPStatus.CONFLICT, "refused before")
                return waiting
            self._note(entry, "approved", user)
            alert = self._first(entry.fingerprint, entry.started, json.loads(entry.detail)["state"])
            self._queue[alert.key] = alert
            self._changed.notify()
            return _waiting(entry, self._history(entry))

    def counts(self) -> dict[tuple[str, str], int]:
        """Return how often each (action, outcome) was recorded, ever. Raises StoreError."""
        known = {(action.name, outcome): 0 for action in self._actions for outcome in OUTCOMES}
        return known | {key: number for key, number in self._record.counts().items() if key[1] in OUTCOMES}

    @property
    def idle(self) -> bool:
        """True where nothing is queued and nothing is called."""
        with self._changed:
            return not self._queue and not self._busy

    def stop(self) -> None:
        """Let ``run`` return once the call under way is recorded."""
        with self._changed:
            self._stopping = True
            self._changed.notify()

    # Of the worker.

    def run(self) -> None:
        """Decide about queued alerts, one after another, until ``stop``."""
        while True:
            with self._changed:
                self._busy = False
                if not self._queue and not self._stopping:
                    self._changed.wait(_PAUSE)
                if self._stopping:
                    return
                # Out of the queue first: what comes while it is decided on is looked at after it.
                alert = self._queue.pop(next(iter(self._queue))) if self._queue else None
                self._busy = alert is not None
            try:
                if alert is None:
                    self._expire()
                    continue
                for action in self._of(alert):
                    self._consider(alert, action)
            except StoreError as error:
                logger.error("nothing is called: %s", error)  # noqa: TRY400 - said in one line
                with self._changed:
                    if alert is not None:
                        self._queue.setdefault(alert.key, alert)
                    self._changed.wait(_PAUSE)
            except Exception:
                logger.exception("an alert was not decided on")

    def _consider(self, alert: Alert, action: Action) -> None:
        with self._changed:
            # As it was when it began: what people approve does not change under their hands.
            alert = self._first(alert.fingerprint, alert.started, alert.state)
            entry = alert.entry(0.0, "", action=action.name)
            history = self._closed(entry)
            attempts = sum(entry.kind == "attempt" for entry in history)
            unknown = any(
                json.loads(entry.detail).get("unknown") for entry in history if entry.kind == "failed"
            )
            if self._settled(history) in ("acted", "dry_run", "expired", "rejected"):
                return
            if attempts >= action.attempts or (unknown and not calls.is_repeatable(action)):
                return
            who = f"attempt {attempts + 1}"
            try:
                call = calls.build(action, alert, self._manifests[action.name])
            except CallError as error:
                self._note(entry, "failed", who, reason=str(error))
                return
            if (limit := self._limited(action, alert)) is not None:
                self._note(entry, "refused", limit, reason=f"{limit} of the action")
                return
            if action.approval is not None and not self._is_approved(action, alert, history, call):
                return
            if action.dryRun:
                self._note(entry, "dry_run", call=call.shown)
                return
            self._note(entry, "attempt", who, call=call.shown)
        key = f"{action.name}-{alert.fingerprint}-{alert.starts_at}"
        try:
            answer = calls.send(call, self._folder, key)
        except CallError as error:
            self._note(entry, "failed", who, reason=str(error), unknown=error.unknown)
        else:
            self._note(entry, "acted", who, answer=answer)

    def _limited(self, action: Action, alert: Alert) -> str | None:
        """Return the key of the limit that an action has reached; None where it may call."""
        now = self._clock()
        if action.cooldown is not None:
            since = now - action.cooldown.seconds
            for entry in self._record.entries(since, action=action.name, model=alert.labels.get("model", "")):
                unknown = entry.kind == "failed" and json.loads(entry.detail).get("unknown")
                another = (entry.fingerprint, entry.started) != (alert.fingerprint, alert.started)
                if another and (entry.kind in ("acted", "dry_run") or unknown):
                    return "cooldown"
        if action.perDay is not None:
            today = datetime.fromtimestamp(now, UTC).replace(hour=0, minute=0, second=0, microsecond=0)
            entries = self._record.entries(today.timestamp(), action=action.name)
            if sum(entry.kind in ("attempt", "dry_run") for entry in entries) >= action.perDay:
                return "perDay"
        return None

    def _is_approved(self, action: Action, alert: Alert, history: Sequence[Entry], call: Call) -> bool:
        assert action.approval is not None
        entry = alert.entry(0.0, "", action=action.name)
        asked = next((item for item in history if item.kind == "waiting"), None)
        if asked is None:
            self._note(
                entry,
                "waiting",
                id=secrets.token_urlsafe(16),
                state=alert.state,
                until=self._clock() + action.approval.within.seconds,
                by=action.approval.by,
                people=action.approval.people,
                call=call.shown,
            )
            return False
        waiting = _waiting(asked, history)
        if len(set(waiting.approved) & set(action.approval.by)) < action.approval.people:
            return False
        if waiting.call != json.loads(json.dumps(call.shown)):
            self._note(
                entry, "refused", "changed", reason="the call is another than was approved", rejected=True
            )
            return False
        return True

    def _expire(self) -> None:
        with self._changed:
            for entry in self._record.entries(kind="waiting"):
                history = self._history(entry)
                item = _waiting(entry, history)
                late = self._clock() > item.until and len(item.approved) < item.people
                if late and self._settled(history) is None:
                    self._note(entry, "expired")

    def _recover(self) -> None:
        """Record calls whose outcome the program did not live to see, and queue alerts that it had not decided on."""
        for entry in self._record.entries(kind="attempt"):
            self._closed(entry)
        since = self._clock() - _LOOKED_BACK
        for kind in ("firing", "resolved"):
            for entry in self._record.entries(since, kind=kind):
                alert = recorded(entry)
                if self._of(alert) and not self._is_over(entry, kind):
                    self._queue[alert.key] = alert

    # Of both.

    def _of(self, alert: Alert) -> list[Action]:
        return [action for action in self._actions if action.alert.matches(alert.labels, alert.state)]

    def _history(self, entry: Entry) -> list[Entry]:
        """Return all entries of an action about an episode."""
        return list(
            self._record.entries(fingerprint=entry.fingerprint, started=entry.started, action=entry.action)
        )

    def _closed(self, entry: Entry) -> list[Entry]:
        """Return the history once calls whose outcome was not recorded are: the program ended, or the disk was full."""
        history = self._history(entry)
        ended = {item.who for item in history if item.kind in ("acted", "failed")}
        lost = [item for item in history if item.kind == "attempt" and item.who not in ended]
        for attempt in lost:
            self._note(attempt, "failed", attempt.who, reason=_UNKNOWN, unknown=True)
        return self._history(entry) if lost else history

    def _first(self, fingerprint: str, started: float, state: str) -> Alert:
        """Return an alert as it was first recorded."""
        return recorded(next(self._record.entries(fingerprint=fingerprint, started=started, kind=state)))

    def _is_over(self, entry: Entry, state: str) -> bool:
        """Return whether an alert that fired has resolved."""
        resolved = self._record.entries(fingerprint=entry.fingerprint, started=entry.started, kind="resolved")
        return state == "firing" and any(resolved)

    @staticmethod
    def _settled(history: Sequence[Entry]) -> str | None:
        """Return what ended the matter, or began the call; None where people may still decide."""
        for entry in history:
            if entry.kind in ("acted", "dry_run", "expired", "attempt"):
                return entry.kind if entry.kind != "attempt" else _last(history)
            if entry.kind == "refused" and json.loads(entry.detail).get("rejected"):
                return "rejected"
        return None

    def _refused(self, entry: Entry, user: str, status: HTTPStatus, reason: str) -> ApprovalError:
        if not self._note(entry, "refused", user, reason=reason):
            logger.warning("refused again: %s: %s", user, reason)
        return ApprovalError(status, reason)

    def _note(self, about: Entry, kind: str, who: str = "", **detail: Any) -> bool:
        """Record a decision and log it; returns False where it was recorded before."""
        text = json.dumps(detail, ensure_ascii=False)
        episode = about.fingerprint, about.started
        entry = Entry(self._clock(), kind, about.alert, about.model, *episode, who, about.action, text)
        if appended := self._record.append(entry):
            _log(entry)
        return appended


def _last(history: Sequence[Entry]) -> str:
    ends = [entry.kind for entry in history if entry.kind in ("acted", "failed", "attempt")]
    return ends[-1]


def _waiting(entry: Entry, history: Sequence[Entry]) -> Waiting:
    detail = json.loads(entry.detail)
    approved = [item.who for item in history if item.kind == "approved"]
    asked = detail["by"], detail["people"], approved, detail["until"], detail["call"]
    return Waiting(detail["id"], entry.action, entry.alert, entry.model, *asked)


def _log(entry: Entry) -> None:
    """Write a decision as one line of the log: all of it but what was sent, which may be long."""
    known = json.loads(entry.detail)
    detail = {key: known[key] for key in ("reason", "answer", "unknown", "until", "people") if key in known}
    named = ("action", "alert", "model", "fingerprint", "started", "who")
    fields = {name: value for name in named if (value := getattr(entry, name)) != ""} | detail
    logger.info("%s", entry.kind, extra={"fields": fields, "unlimited": True})
