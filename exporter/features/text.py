"""Free text, in any language."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from typing import Any

import numpy as np

from exporter.features import characters
from exporter.features.binning import Binning, MixBinning, Numbers, NumericBinning, Tokens, VocabularyBinning
from exporter.features.kind import Column, Enumeration, Kind

_LONGEST = 1 << 14
_BLOCK = 1 << 18


class Text(Kind):
    """Three views: length in characters, the mix of classes of characters, and the vocabulary.

    For the mix and the vocabulary the first 16,384 characters of a value are looked at.
    """

    name = "text"
    suffixes = {"length": ".length", "characters": ".characters", "vocabulary": ""}
    binnings = {
        "length": NumericBinning.without_edges(),
        "characters": MixBinning(characters.CLASSES),
        "vocabulary": VocabularyBinning(),
    }
    ranged = True

    def expressions(self, value: str, categories: Mapping[str, Enumeration]) -> dict[str, str]:
        return {"length": f"length({value})", "text": f"left({value}, {_LONGEST})"}

    def decode(self, raw: Mapping[str, Column], binnings: Mapping[str, Binning]) -> dict[str, Any]:
        text = raw["text"]
        missing = np.ma.getmaskarray(text)
        known = np.ma.getdata(text)[~missing].tolist()
        rows = np.flatnonzero(~missing)
        length = np.full(len(text), np.nan)
        length[rows] = np.ma.getdata(raw["length"])[rows]
        if binnings.keys() == {"length"}:
            return {"length": Numbers(length)}
        lengths = np.fromiter(map(len, known), dtype=np.intp, count=len(known))
        mix = np.full((len(text), len(characters.CLASSES)), np.nan)
        numbers = np.zeros(len(text), dtype=np.intp)
        slots = []
        for start, end in _blocks(lengths):
            found = characters.classify(known[start:end], lengths[start:end])
            mix[rows[start:end]] = found.mix
            numbers[rows[start:end]] = found.tokens
            slots.append(found.slots)
        return {
            "length": Numbers(length),
            "characters": mix,
            "vocabulary": Tokens(
                np.concatenate(slots) if slots else np.empty(0, dtype=np.intp), numbers, missing
            ),
        }

    def text(self, values: Any, row: int, binning: Binning) -> str:
        if isinstance(values, Tokens):
            return "missing" if values.missing[row] else f"{values.numbers[row]} words"
        if not isinstance(binning, MixBinning):
            return super().text(values, row, binning)
        if np.isnan(values[row]).any():
            return "missing"
        shares = values[row] / values[row].sum()
        named = zip(binning.categories, shares, strict=True)
        return ", ".join(f"{share:.0%} {name}" for name, share in named if share)

    def number_text(self, number: float) -> str:
        return f"{number:.6g} characters"


def _blocks(lengths: np.ndarray[Any, np.dtype[np.intp]]) -> list[tuple[int, int]]:
    """Runs of texts, of about so many characters that what is worked out of them stays small."""
    cuts = np.flatnonzero(np.diff(np.cumsum(lengths) // _BLOCK)) + 1
    edges = [0, *cuts.tolist(), len(lengths)]
    return [(start, end) for start, end in pairwise(edges) if end > start]
