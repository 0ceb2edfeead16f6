"""Texts in which words stand for names that are filled in later, many times."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence


class OpenText:
    """A text, cut at the words that stand for names."""

    __slots__ = ("_pieces", "_words")

    def __init__(self, text: str, words: re.Pattern[str]) -> None:
        self._pieces = words.split(text)
        self._words = words.findall(text)

    def filled(self, names: Mapping[str, str]) -> str:
        """The text with the name of each word."""
        if not self._words:
            return self._pieces[0]
        out = [""] * (2 * len(self._words) + 1)
        out[0::2] = self._pieces
        out[1::2] = [names[word] for word in self._words]
        return "".join(out)


def together(texts: Sequence[OpenText], names: Mapping[str, str]) -> str:
    """Several texts, one after the other, filled."""
    return "".join([text.filled(names) for text in texts])
