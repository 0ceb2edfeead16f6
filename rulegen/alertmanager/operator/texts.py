"""Notification texts that carry the templates they use.

An AlertmanagerConfig cannot bring template files along, and an Alertmanager that is not told to load
them sends nothing at all. Go lets a text define the templates that it calls.
"""

from __future__ import annotations

import re
from functools import cache

from rulegen.alertmanager import templates

_COMMENT = re.compile(r"\{\{-?\s*/\*.*?\*/\s*-?\}\}", re.DOTALL)
_ACTION = re.compile(r"\{\{.*?\}\}", re.DOTALL)
_WORD = re.compile(r"\{\{-?\s*(\w+)")
_CALL = re.compile(r'\{\{-?\s*template\s+"([^"]+)"')
_DEFINE = re.compile(r'\{\{-?\s*define\s+"([^"]+)"')
_OPENS = ("define", "if", "range", "with", "block")
# What Alertmanager adds to Go's own functions: the operator does not know them where it checks a URL.
_ADDED = re.compile(
    r'"(?:[^"\\]|\\.)*"|\b(toUpper|toLower|title|trimSpace|join|match|safeHtml|reReplaceAll|stringSlice)\b'
)


def with_templates(text: str) -> str:
    """``text``, preceded by the definitions of all templates of ours that it uses."""
    known = _definitions()
    needed: dict[str, str] = {}
    pending = _CALL.findall(text)
    while pending:
        name = pending.pop(0)
        if name in known and name not in needed:
            needed[name] = known[name]
            pending += _CALL.findall(known[name])
    return "".join(needed[name] for name in sorted(needed)) + text


def uses_added_functions(text: str) -> bool:
    """Whether a text calls functions that are Alertmanager's own."""
    return any(
        word for action in _ACTION.findall(with_templates(text)) for word in _ADDED.findall(action) if word
    )


@cache
def _definitions() -> dict[str, str]:
    """Name -> ``{{ define }}`` to ``{{ end }}``, without comments."""
    found: dict[str, str] = {}
    for text in templates().values():
        source = _COMMENT.sub("", text)
        depth, start, name = 0, 0, ""
        for action in _ACTION.finditer(source):
            word = _WORD.match(action[0])
            if word is None:
                continue
            if word[1] in _OPENS:
                if depth == 0:
                    start = action.start()
                    name = _DEFINE.findall(action[0])[0]
                depth += 1
            elif word[1] == "end":
                depth -= 1
                if depth == 0:
                    found[name] = source[start : action.end()]
    return found
