"""Label matchers of Alertmanager: written, read and applied.

https://github.com/prometheus/alertmanager/blob/v0.25.0/pkg/labels/parse.go
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import re2

_MATCHER = re.compile(r"\s*([a-zA-Z_:][a-zA-Z0-9_:]*)\s*(=~|=|!=|!~)\s*(.*?)\s*", re.DOTALL)
# What is wrong is raised, and need not be printed.
_QUIETLY = re2.Options()
_QUIETLY.log_errors = False
# A value behind its opening quote, if it has one, and the closing quote.
_VALUE = re.compile(r'((?:\\.|[^"\\]|\\\Z)*)("?)', re.DOTALL)
_ESCAPE = re.compile(r"\\(.)", re.DOTALL)
_ESCAPES = {"n": "\n", '"': '"', "\\": "\\"}


@dataclass(frozen=True)
class Matcher:
    """``label operator "value"``; a label that is missing counts as empty."""

    label: str
    operator: str
    value: str

    def __post_init__(self) -> None:
        """Raises ValueError where the value is a regular expression that Alertmanager would refuse."""
        if self.operator in ("=~", "!~"):
            try:
                _ = self._pattern
            except re2.error as error:
                reason = error.args[0].decode()
                said = f"not a regular expression of Alertmanager's: '{self.value}' ({reason})"
                raise ValueError(said) from None

    @cached_property
    def _pattern(self) -> Any:
        # Go's syntax and meaning: https://github.com/google/re2/wiki/Syntax
        return re2.compile(self.value, _QUIETLY)

    def matches(self, labels: Mapping[str, str]) -> bool:
        """Whether an alert with these labels is meant; regular expressions match the whole value."""
        value = labels.get(self.label, "")
        match self.operator:
            case "=":
                return value == self.value
            case "!=":
                return value != self.value
            case "=~":
                return self._pattern.fullmatch(value) is not None
            case _:
                return self._pattern.fullmatch(value) is None

    def __str__(self) -> str:
        return f'{self.label}{self.operator}"{_escaped(self.value)}"'


def match_all(matchers: Iterable[Matcher], labels: Mapping[str, str]) -> bool:
    """Whether every matcher matches."""
    return all(matcher.matches(labels) for matcher in matchers)


def parse(text: str) -> list[Matcher]:
    """Read the matchers of ``a="b",c=~"d|e"``, in braces or not. Raises ValueError."""
    return [_matcher(token) for token in _tokens(text.removeprefix("{").removesuffix("}"))]


def parse_all(texts: Sequence[str]) -> list[Matcher]:
    """Read the matchers of several such texts. Raises ValueError."""
    return [matcher for text in texts for matcher in parse(text)]


def given(data: Mapping[str, Any], side: str = "") -> list[Matcher]:
    """Read the matchers of a route, or of the ``source_`` or ``target_`` of an inhibition. Raises ValueError."""
    return [
        *(Matcher(label, "=", str(value)) for label, value in (data.get(f"{side}match") or {}).items()),
        *(Matcher(label, "=~", str(value)) for label, value in (data.get(f"{side}match_re") or {}).items()),
        *parse_all(data.get(f"{side}matchers") or ()),
    ]


def _tokens(text: str) -> list[str]:
    """The parts between commas that are not quoted."""
    tokens, token = [], ""
    quoted = escaped = False
    for character in text:
        if character == "," and not quoted:
            tokens.append(token)
            token = ""
            continue
        if character == '"':
            quoted = quoted if escaped else not quoted
        escaped = character == "\\" and not escaped
        token += character
    return [*tokens, token] if token.strip() else tokens


def _matcher(text: str) -> Matcher:
    match = _MATCHER.fullmatch(text)
    if match is None or not match[3]:
        raise ValueError(f"expected a matcher such as model=\"fraud\", got '{text.strip()}'")
    label, operator, raw = match.groups()
    quoted = raw.startswith('"')
    found = _VALUE.fullmatch(raw.removeprefix('"'))
    if found is None or (found[2] and not quoted):
        raise ValueError(f"a double quote inside of a value needs a backslash, got '{text.strip()}'")
    if quoted and not found[2]:
        raise ValueError(f"the closing quote is missing in '{text.strip()}'")
    # A backslash before anything else stands for itself.
    value = _ESCAPE.sub(lambda pair: _ESCAPES.get(pair[1], pair[0]), found[1])
    return Matcher(label, operator, value)


def equals(label: str, value: str) -> str:
    """``label="value"``."""
    return f'{label}="{_escaped(value)}"'


def is_set(label: str) -> str:
    """``label!=""``: a label that is missing counts as empty."""
    return f'{label}!=""'


def one_of(label: str, values: Sequence[str]) -> str:
    """``label="value"``, or ``label=~"one|other"`` of plain words; Alertmanager anchors it itself."""
    if len(values) == 1:
        return equals(label, values[0])
    return f'{label}=~"{"|".join(values)}"'


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
