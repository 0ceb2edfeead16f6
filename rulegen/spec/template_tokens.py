"""The actions of a notification template as tokens: https://pkg.go.dev/text/template/parse."""

import re
from typing import NamedTuple

_ESCAPE = r"\\(?:[abfnrtv\\\"']|x[0-9a-fA-F]{2}|u[0-9a-fA-F]{4}|U[0-9a-fA-F]{8}|[0-7]{3})"
_TOKEN = re.compile(
    rf"""(?P<space>\s+) | (?P<text>"(?:[^"\\\n]|{_ESCAPE})*"|`[^`]*`) | (?P<number>'(?:[^'\\\n]|{_ESCAPE})'
    | [+-]?(?:0[xXbBoO][0-9a-fA-F_]+|\.?[0-9][0-9_.]*(?:[eE][+-]?[0-9]+)?)) | (?P<field>\.[^\W\d]\w*)
    | (?P<variable>\$\w*) | (?P<word>[^\W\d]\w*) | (?P<sign>:=|[=|,()]) | (?P<dot>\.)""",
    re.VERBOSE,
)
_COMMENT = re.compile(r"(-\s)?/\*(?:(?!\*/).)*\*/(\s-)?\}\}", re.DOTALL)


class Token(NamedTuple):
    """``kind`` is a group of the pattern, or ``end`` at the end of an action; ``near``: nothing stands before it."""

    kind: str
    text: str
    offset: int
    near: bool


class TemplateError(Exception):
    """A mistake at a character of a text."""

    def __init__(self, offset: int, message: str) -> None:
        super().__init__(message)
        self.offset, self.message = offset, f"broken template: {message}"


def tokens(text: str) -> list[Token]:
    """The actions of a template, one after the other. Raises TemplateError."""
    found: list[Token] = []
    position = 0
    while (begin := text.find("{{", position)) >= 0:
        position = begin + 2
        if comment := _COMMENT.match(text, position):
            position = comment.end()
            continue
        if text.startswith("-", position) and text[position + 1 : position + 2].isspace():
            position += 1
        near = False
        while not (text.startswith("}}", position) or (not near and text.startswith("-}}", position))):
            token = _TOKEN.match(text, position)
            if token is None:
                raise TemplateError(*_unreadable(text, begin, position))
            names = near and found[-1].kind in ("word", "field", "variable")
            if names and (token.lastgroup in ("text", "number", "word", "variable") or token[0] == "("):
                raise TemplateError(position, f"unexpected '{token[0]}'")
            if token.lastgroup != "space":
                found.append(Token(str(token.lastgroup), token[0], position, near))
            near = token.lastgroup != "space"
            position = token.end()
        found.append(Token("end", "}}", position, near))
        position = text.index("}}", position) + 2
    return found


def _unreadable(text: str, begin: int, position: int) -> tuple[int, str]:
    character = text[position : position + 1]
    if not character or text.find("}}", position) < 0:
        return begin, "'{{' without its '}}'"
    if text.startswith("/*", position):
        return position, "a comment stands alone: '{{/*' to '*/}}'"
    if character in "\"`'":
        return (
            position,
            "a quoted text without its end, or with an unknown escape; between ` a backslash is one",
        )
    return position, f"unexpected '{character}'"
