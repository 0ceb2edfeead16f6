"""The record in a line of text: JSON, JSON after a prefix, or logfmt."""

from __future__ import annotations

import re
from typing import Any

import msgspec

_BEGUN = re.compile(rb'\{\s*(?:["}]|\Z)')
# An object is told from a set or a dictionary of another language by its first key.
_OBJECT = re.compile(rb'\{\s*(?:"(?:[^"\\]++|\\.)*+"\s*:|\})')
_KEY = r"[A-Za-z_@][\w.\-/@]*+"
_QUOTED = r'"(?:[^"\\]++|\\.)*+"'
_LITERAL = r"(?:-?(?:0|[1-9][0-9]*+)(?:\.[0-9]++)?(?:[eE][+-]?[0-9]++)?|true|false|null)(?!\S)"
_PLAIN = r'[^\s"]\S*+'
_TOKEN = re.compile(rf"({_KEY})(?:(=)(?:({_QUOTED})|({_LITERAL})|({_PLAIN})|))?(?!\S)\s*+")
_LOGFMT = re.compile(rf"(?:{_KEY}(?:=(?:{_QUOTED}|{_PLAIN}|))?(?!\S)\s*+)++")
_FIRST_PAIR = re.compile(rf"{_KEY}=".encode())
_ESCAPE = re.compile(r"\\(.)", re.DOTALL)
_LEAST_PAIRS = 2
_DEEPEST = 8
_CONTROL = {"n": "\n", "r": "\r", "t": "\t"}

_members = msgspec.json.Decoder(dict[str, msgspec.Raw])


def record_in(text: bytes) -> bytes | None:
    """Return the JSON object that a line holds; None where it holds none.

    What begins as an object is returned as it stands, whether or not it is JSON.
    """
    text = text.strip()
    if begins_object(text):
        return text
    if text.endswith(b"}") and (found := _OBJECT.search(text)) is not None:
        start = found.start()
        # The last value of logfmt may be an object.
        named = text[start - 1 : start] == b"="
        return (logfmt(text) if named else None) or text[start:]
    return logfmt(text)


def begins_object(text: bytes) -> bool:
    """Return True where ``text`` begins as a JSON object does: ``{worker-1}`` does not."""
    return _BEGUN.match(text) is not None


def logfmt(text: bytes) -> bytes | None:
    """Return a line of ``key=value`` as a JSON object; None where it is prose.

    Every word is a pair or a bare key, the first is a pair, and there are two pairs or more and fewer bare keys.
    ``features.amount=1`` is in an object ``features``, as in nested JSON. A bare key is true.
    """
    if _FIRST_PAIR.match(text) is None:
        return None
    try:
        line = text.decode()
    except UnicodeDecodeError:
        return None
    if _LOGFMT.fullmatch(line) is None:
        return None
    found: dict[str, Any] = {}
    nested = list[tuple[str, object]]()
    pairs = bare = 0
    for key, equals, quoted, literal, plain in _TOKEN.findall(line):
        pairs += equals != ""
        bare += not equals
        value: object
        if literal:
            # As it is written: digits are not rounded on the way.
            value = msgspec.Raw(literal.encode())
        elif quoted:
            value = _unquoted(quoted)
        else:
            value = plain if equals else True
        if "." in key:
            nested.append((key, value))
        else:
            found.setdefault(key, value)
    for key, value in nested:
        _put(found, key, value)
    return msgspec.json.encode(found) if pairs >= max(_LEAST_PAIRS, bare + 1) else None


def is_object(record: bytes) -> bool:
    """Return True where ``record`` is one whole JSON object."""
    try:
        _members.decode(record)
    except (ValueError, RecursionError):
        return False
    return True


def _unquoted(text: str) -> str:
    inner = text[1:-1]
    return _ESCAPE.sub(lambda escape: _CONTROL.get(escape[1], escape[1]), inner) if "\\" in inner else inner


def _put(found: dict[str, Any], key: str, value: object) -> None:
    """Put ``value`` into nested objects; under the key as it stands where one of them is a value already."""
    *outer, last = key.split(".")
    node = found
    for part in outer if len(outer) < _DEEPEST else ():
        node = node.setdefault(part, {})
        if not isinstance(node, dict):
            break
    else:
        if len(outer) < _DEEPEST and not isinstance(node.get(last), dict):
            node.setdefault(last, value)
            return
    found.setdefault(key, value)
