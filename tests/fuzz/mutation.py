"""Mutations of text that know its lines, its words, its brackets and its literals."""

from __future__ import annotations

import re
from collections.abc import Sequence
from random import Random

_WORD = re.compile(rb'"(?:[^"\\\n]|\\.)*"|[\w.+\-]+')
LITERALS = [
    b"0", b"-1", b"1e308", b"1e999", b"-0.0", b"9223372036854775808", b"1" * 400, b"NaN", b"Infinity", b"null",
    b"true", b"{}", b"[]", b"[[]]", b'""', b'"\\ud800"', b'"\\u0000"', b'"\xff"', b"\x00", b"\xef\xbb\xbf", b"\r",
    b"\t", b" ", b"\\", b"'", b'"', b"{", b"}", b"[", b"]", b":", b",", b"=", b"#", b"- ", b"&a ", b"*a", b"<<: ",
    b"!!int ", b"|\n", b"\n", b"\n\n", b"2026-01-01T00:00:00Z", b"1767225600", b"1970-01-01", b"30d", b"0s",
    b"9" * 20 + b"d", b"..", b"a.b", b"0.0", b"/", b"-", "ü\u2028\U0001f600".encode(),
]  # fmt: skip
"""What is likely to be handled wrongly, somewhere."""

_LONGEST = 1 << 16


class Mutator:
    """Mutates members of ``corpus``, which may grow. ``words``: those that the target knows."""

    def __init__(self, corpus: Sequence[bytes], words: Sequence[bytes], chance: Random) -> None:
        self._corpus = corpus
        self._words = words or LITERALS
        self._chance = chance
        line, word = self._line, self._word
        others = [self._insert, self._span, self._byte, self._nest, self._splice]
        self._mutations = [line, line, word, word, word, *others]

    def next(self) -> bytes:
        """Return a member of the corpus after one to six mutations."""
        text = self._chance.choice(self._corpus)
        for _ in range(self._chance.choice((1, 1, 2, 3, 6))):
            text = self._chance.choice(self._mutations)(text)
        return text[:_LONGEST]

    def _line(self, text: bytes) -> bytes:
        """Remove, repeat, move, cut or exchange a line."""
        chance = self._chance
        lines = text.split(b"\n")
        at = chance.randrange(len(lines))
        line = lines[at]
        action = chance.randrange(5)
        if action == 0:
            del lines[at]
        elif action == 1:
            lines[at:at] = [line] * chance.choice((1, 2, 30))
        elif action == 2:
            lines.insert(chance.randrange(len(lines)), lines.pop(at))
        elif action == 3:
            lines[at] = line[: chance.randint(0, len(line))]
        else:
            lines[at] = chance.choice(chance.choice(self._corpus).split(b"\n"))
        return b"\n".join(lines)

    def _word(self, text: bytes) -> bytes:
        """Put something else in place of a word: a literal, a word that is known, another word of the text."""
        chance = self._chance
        found = [match.span() for match in _WORD.finditer(text)]
        if not found:
            return text + chance.choice(LITERALS)
        start, end = chance.choice(found)
        other = slice(*chance.choice(found))
        new = chance.choice((chance.choice(LITERALS), chance.choice(self._words), text[other]))
        return text[:start] + new + text[end:]

    def _insert(self, text: bytes) -> bytes:
        at = self._chance.randint(0, len(text))
        return text[:at] + self._chance.choice(self._chance.choice((self._words, LITERALS))) + text[at:]

    def _span(self, text: bytes) -> bytes:
        """Remove, repeat or reverse some bytes."""
        start = self._chance.randint(0, len(text))
        end = min(len(text), start + self._chance.choice((1, 2, 8, 64)))
        part = text[start:end]
        return text[:start] + self._chance.choice((b"", part * 2, part * 50, part[::-1])) + text[end:]

    def _byte(self, text: bytes) -> bytes:
        if not text:
            return bytes([self._chance.randrange(256)])
        at = self._chance.randrange(len(text))
        return text[:at] + bytes([text[at] ^ 1 << self._chance.randrange(8)]) + text[at + 1 :]

    def _nest(self, text: bytes) -> bytes:
        """Put a word into brackets, up to some thousands of them."""
        found = [match.span() for match in _WORD.finditer(text)]
        if not found:
            return text
        start, end = self._chance.choice(found)
        opened, closed = self._chance.choice(((b"[", b"]"), (b'{"a":', b"}"), (b"{a: ", b"}"), (b'"', b'"')))
        depth = self._chance.choice((1, 1, 2, 20, 3000))
        return text[:start] + opened * depth + text[start:end] + closed * depth + text[end:]

    def _splice(self, text: bytes) -> bytes:
        other = self._chance.choice(self._corpus)
        return text[: self._chance.randint(0, len(text))] + other[self._chance.randint(0, len(other)) :]
