"""Raw PromQL as a user wrote it: its outer form, and the series that it selects."""

from __future__ import annotations

import re

_TOKEN = re.compile(
    r"""(?P<comment>\#[^\n]*)
      | (?P<string>"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'|`[^`]*`)
      | (?P<window>\{\{\s*\.window\s*\}\})
      | (?P<template>\{\{|\}\})
      | (?P<open>[(\[{])
      | (?P<close>[)\]}])
      | (?P<quote>["'`])
      | (?P<other>[^#"'`(){}\[\]]+)""",
    re.VERBOSE,
)
_CLOSES = {")": "(", "]": "[", "}": "{"}


def mistake(expression: str) -> str | None:
    """What is wrong with the outer form of ``expression``, if anything is.

    Brackets and quotes that match cannot swallow the rule around them, nor can a comment be left open.
    """
    opened: list[str] = []
    for token in _TOKEN.finditer(expression):
        kind, text = str(token.lastgroup), token.group()
        if kind == "comment":
            return "a comment would hide what follows it, leave it out"
        if kind == "quote":
            return f"a {text} is not closed"
        if kind == "template":
            return "expected no template but {{.window}}"
        if kind == "open":
            opened.append(text)
        if kind == "close" and (not opened or opened.pop() != _CLOSES[text]):
            return f"a '{text}' closes nothing"
    if opened:
        return f"a '{opened[-1]}' is not closed"
    return None
