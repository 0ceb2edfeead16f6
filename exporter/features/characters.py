"""Classes of characters, and tokens, of many texts at a time."""

from __future__ import annotations

import unicodedata
from functools import cache
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from exporter.summary.base import Codes, Floats
from exporter.summary.hashed import SLOTS

CLASSES = ("letters", "digits", "whitespace", "punctuation", "other", "empty")
"""``letters``: of any script, with their marks. ``punctuation``: and symbols. ``empty``: a text of no characters."""

_LETTER, _DIGIT, _SPACE, _PUNCTUATION, _OTHER, _EMPTY = range(6)
_OF_CATEGORY = {"L": _LETTER, "M": _LETTER, "N": _DIGIT, "Z": _SPACE, "P": _PUNCTUATION, "S": _PUNCTUATION}
_MOST_TOKENS = 256

# Beyond plane 3 there are the selectors of variants (marks of ideographs, U+E0100 to U+E01EF), tags, private use and
# nothing: the selectors have their entries at the end, and one before them stands for all else.
_LAST = 0x40000
_SELECTORS = range(0xE0100, 0xE01F0)
_FACTOR = np.uint64(0x9E3779B97F4A7C15)
_MIXERS = (
    (np.uint64(30), np.uint64(0xBF58476D1CE4E5B9)),
    (np.uint64(27), np.uint64(0x94D049BB133111EB)),
)
_LAST_SHIFT = np.uint64(31)


class Characters(NamedTuple):
    """``mix``: characters of each class, shape (texts, classes). ``tokens``: of each text. ``slots``: of all tokens."""

    mix: Floats
    tokens: Codes
    slots: Codes


def classify(texts: list[str], lengths: Codes) -> Characters:
    """Classify and hash ``texts``, of so many characters each.

    A token is a run of letters and digits in lower case; of each text the first 256 count. Its hash is
    sum(code of character i * 0x9E3779B97F4A7C15**i) mod 2**64, mixed as splitmix64 does (Steele, Lea and Flood,
    2014), mod 1024: arithmetic that no upgrade of a library changes.
    """
    classes, lower = _tables()
    codes = np.frombuffer("".join(texts).encode("utf-32-le", "surrogatepass"), dtype=np.uint32)
    codes = _entries(codes)
    kinds = classes[codes]
    owners = np.repeat(np.arange(len(texts)), lengths)
    cells = owners * len(CLASSES) + kinds
    mix = np.bincount(cells, minlength=len(texts) * len(CLASSES)).reshape(-1, len(CLASSES)).astype(np.float64)
    mix[lengths == 0, _EMPTY] = 1.0
    word = np.flatnonzero(kinds <= _DIGIT)
    if not len(word):
        return Characters(mix, np.zeros(len(texts), dtype=np.intp), np.empty(0, dtype=np.intp))
    owner = owners[word]
    begins = np.ones(len(word), dtype=bool)
    begins[1:] = (np.diff(word) > 1) | (np.diff(owner) > 0)
    starts = np.flatnonzero(begins)
    sizes = np.diff(starts, append=len(word))
    position = np.arange(len(word)) - np.repeat(starts, sizes)
    powers = np.full(int(sizes.max()), _FACTOR)
    powers[0] = 1
    hashes = np.add.reduceat(lower[codes[word]] * np.cumprod(powers)[position], starts)
    tokens = np.bincount(owner[starts], minlength=len(texts))
    order = np.arange(len(starts)) - np.repeat(np.cumsum(tokens) - tokens, tokens)
    hashes = hashes[order < _MOST_TOKENS]
    for shift, factor in _MIXERS:
        hashes = (hashes ^ (hashes >> shift)) * factor
    slots = (hashes ^ (hashes >> _LAST_SHIFT)) % np.uint64(SLOTS)
    return Characters(mix, np.minimum(tokens, _MOST_TOKENS), slots.astype(np.intp))


def _entries(codes: npt.NDArray[np.uint32]) -> npt.NDArray[np.uint32]:
    """Return the entry of each code point in the tables."""
    if codes.max(initial=0) < _LAST:
        return codes
    entries = np.minimum(codes, np.uint32(_LAST))
    selects = (codes >= _SELECTORS.start) & (codes < _SELECTORS.stop)
    entries[selects] = codes[selects] - (_SELECTORS.start - _LAST - 1)
    return entries


@cache
def _tables() -> tuple[Codes, npt.NDArray[np.uint64]]:
    """Entry of a code point -> class, and -> code point in lower case."""
    codes = [*range(_LAST + 1), *_SELECTORS]
    classes = np.full(len(codes), _OTHER, dtype=np.intp)
    lower = np.array(codes, dtype=np.uint64)
    for entry, code in enumerate(codes):
        character = chr(code)
        kind = _OF_CATEGORY.get(unicodedata.category(character)[0])
        if kind is not None:
            classes[entry] = kind
        elif character.isspace():
            classes[entry] = _SPACE
        # Roman numerals are digits that have small ones.
        if kind in (_LETTER, _DIGIT):
            small = character.lower()
            if len(small) == 1:
                lower[entry] = ord(small)
    return classes, lower
