"""The words of a query, for finding the place of a mistake: the parser says none."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

_TOKEN = re.compile(
    r"""(?P<comment>\#[^\n]*)
      | (?P<string>"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'|`[^`]*`)
      | (?P<quote>["'`])
      | (?P<open>[(\[{])
      | (?P<close>[)\]}])
      | (?P<duration>(?:[0-9]+(?:ms|[smhdwy]))+(?![a-zA-Z0-9_]))
      | (?P<number>(?:0x[0-9a-fA-F]+|[0-9]*\.?[0-9]+(?:[eE][-+]?[0-9]+)?|[0-9]+\.)(?![a-zA-Z0-9_]))
      | (?P<name>[a-zA-Z_:][a-zA-Z0-9_:]*)
      | (?P<operator>==|!=|<=|>=|=~|!~|[-+*/%^<>=,@!:])
      | (?P<space>\s+)
      | (?P<other>.)""",
    re.VERBOSE | re.DOTALL,
)


@dataclass(frozen=True)
class Token:
    """A word, and where it stands. ``kind`` is the name of its group in the pattern."""

    kind: str
    text: str
    start: int

    @property
    def end(self) -> int:
        return self.start + len(self.text)


def tokens(text: str) -> Iterator[Token]:
    """The words of ``text``, without spaces and comments."""
    for found in _TOKEN.finditer(text):
        if found.lastgroup not in ("space", "comment"):
            yield Token(str(found.lastgroup), found.group(), found.start())
