"""Notification texts that carry the templates they use.

An AlertmanagerConfig cannot bring template files along, and an Alertmanager that is not told to load
them sends nothing at all. Go lets a text define the templates that it calls.
"""

import re
from functools import cache
from itertools import pairwise

from rulegen.alertmanager import templates
from rulegen.spec.template_tokens import tokens

_COMMENT = re.compile(r"\{\{-?\s*/\*.*?\*/\s*-?\}\}", re.DOTALL)
_DEFINITION = re.compile(r'^(?=\{\{ define "([^"]+)")', re.MULTILINE)
# What Alertmanager adds to Go's own functions: the operator does not know them where it checks a URL.
_ADDED = (
    "toUpper", "toLower", "title", "trimSpace", "join", "match", "safeHtml", "reReplaceAll", "stringSlice",
)  # fmt: skip


def with_templates(text: str) -> str:
    """Return ``text``, preceded by the definitions of all templates of ours that it uses."""
    known = _definitions()
    needed: dict[str, str] = {}
    pending = _called(text)
    while pending:
        name = pending.pop(0)
        if name in known and name not in needed:
            needed[name] = known[name]
            pending += _called(known[name])
    return "".join(needed[name] for name in sorted(needed)) + text


def uses_added_functions(text: str) -> bool:
    """Whether a text calls functions that are Alertmanager's own."""
    return any(token.kind == "word" and token.text in _ADDED for token in tokens(with_templates(text)))


def _called(text: str) -> list[str]:
    return [
        name.text[1:-1]
        for call, name in pairwise(tokens(text))
        if (call.kind, call.text) == ("word", "template")
    ]


@cache
def _definitions() -> dict[str, str]:
    """Name -> ``{{ define }}`` to ``{{ end }}``, without comments."""
    source = "\n".join(_COMMENT.sub("", text) for text in templates().values())
    _, *parts = _DEFINITION.split(source)
    return {name: text.rstrip() for name, text in zip(parts[::2], parts[1::2], strict=True)}
