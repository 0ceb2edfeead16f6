"""Logs of the exporter on standard error: logfmt or JSON lines, with a limit for messages that repeat.

A message that begins with ``model %s: `` or ``sink %s: `` has these as fields, so that every room logs in words and a
collector still finds the model. Nothing else is taken apart: what a record holds is no part of any message.
"""

from __future__ import annotations

import json
import logging
import re
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Literal

Format = Literal["logfmt", "json"]
LEVELS = {"debug": logging.DEBUG, "info": logging.INFO, "warn": logging.WARNING, "error": logging.ERROR}
"""Levels by Prometheus' names."""

REPEATED = 10
"""Times a minute that one message of one model is written."""
_MINUTE = 60.0
_MOST_KEYS = 1000

_NAMED = re.compile(r"(model|sink) %s: ")
# What a terminal acts on, and what turns a line of text around.
_INVISIBLE = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u200b-\u200f\u202a-\u202e\u2060-\u2069]")
_PLAIN = re.compile(r"[^\s=\"\x00-\x1f\x7f\\]+")


def configure(form: Format, level: str) -> None:
    """Log to standard error from now on. ``level``: one of ``LEVELS``."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(Formatter(form))
    handler.addFilter(RateLimit())
    logging.basicConfig(level=LEVELS[level], handlers=[handler], force=True)
    logging.captureWarnings(True)


def visible(text: str) -> str:
    """Return text with a JSON escape in place of each control character but line breaks: it shows what it is."""
    return _INVISIBLE.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


class Formatter(logging.Formatter):
    """One line a message: ``ts``, ``level``, ``msg``, then its fields (those of ``extra={"fields": …}``, too)."""

    def __init__(self, form: Format) -> None:
        super().__init__()
        self._form = form

    def format(self, record: logging.LogRecord) -> str:
        moment = datetime.fromtimestamp(record.created, tz=UTC)
        level = "warn" if record.levelno == logging.WARNING else record.levelname.lower()
        found, message = _fields(record)
        fields: dict[str, object] = {
            "ts": f"{moment:%Y-%m-%dT%H:%M:%S}.{moment.microsecond // 1000:03d}Z",
            "level": level,
            "msg": message,
            **found,
            **getattr(record, "fields", {}),
        }
        if record.exc_info:
            fields["err"] = self.formatException(record.exc_info)
        if suppressed := getattr(record, "suppressed", 0):
            fields["suppressed"] = suppressed
        if self._form == "json":
            return visible(json.dumps(fields, ensure_ascii=False, default=str))
        return " ".join(f"{key}={_quoted(str(value))}" for key, value in fields.items())


class RateLimit(logging.Filter):
    """Let the same message of the same model through ``REPEATED`` times a minute; the next says how many were not.

    The same: of one logger, from one template. Errors that a full disk or a missing log repeats in each cycle would
    otherwise fill what is left of the disk. ``extra={"unlimited": True}`` is for a message of which each one counts.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._clock = clock
        # Of each message: when its minute began, how many were written in it, how many were not.
        self._seen: dict[tuple[str, str, str], tuple[float, int, int]] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        if getattr(record, "unlimited", False):
            return True
        key = (record.name, str(record.msg), _fields(record)[0].get("model", ""))
        now = self._clock()
        began, written, suppressed = self._seen.get(key, (now, 0, 0))
        if now - began >= _MINUTE:
            began, written = now, 0
        if written >= REPEATED:
            self._seen[key] = (began, written, suppressed + 1)
            return False
        if suppressed:
            record.suppressed = suppressed
        if len(self._seen) >= _MOST_KEYS:
            self._seen.clear()
        self._seen[key] = (began, written + 1, 0)
        return True


def _fields(record: logging.LogRecord) -> tuple[dict[str, str], str]:
    """Return the fields that the beginning of a message names, and the rest of it."""
    message, fields = record.getMessage(), {}
    template = str(record.msg)
    arguments = record.args if isinstance(record.args, tuple) else ()
    for value in arguments:
        named = _NAMED.match(template)
        if named is None:
            break
        # A message about no model, such as one about the exporter's own gauges, has the beginning all the same.
        if str(value):
            fields[named[1]] = str(value)
        template = template[named.end() :]
        message = message[len(f"{named[1]} {value}: ") :]
    return fields, message


def _quoted(value: str) -> str:
    return visible(value if _PLAIN.fullmatch(value) else json.dumps(value, ensure_ascii=False))
