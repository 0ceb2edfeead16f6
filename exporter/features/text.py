"""Free text, in any language."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from typing import Any

import numpy as np

from exporter.features import characters
from exporter.features.binning.binning import Frame
from exporter.features.binning.mix import MixFrame
from exporter.features.binning.numeric import Numbers, NumericFrame
from exporter.features.binning.vocabulary import Tokens, VocabularyFrame
from exporter.features.kind import Column, Enumeration, Kind

_LONGEST = 1 << 14
_BLOCK = 1 << 18


class Text(Kind):
    """Three views: length in characters, the mix of classes of characters, and the vocabulary.

    For the mix and the vocabulary the first 16,384 characters of a value are looked at.
    """

    name = "text"
    leaf = "text"
    ranged = True

    def views(self, feature: str) -> dict[str, str]:
        return {"length": f"{feature}.length", "characters": f"{feature}.characters", "vocabulary": feature}

    def frames(self) -> dict[str, Frame]:
        return {
            "length": NumericFrame(np.empty(0), 0.0),
            "characters": MixFrame(characters.CLASSES),
            "vocabulary": VocabularyFrame(),
        }

    def expressions(self, value: str, categories: Mapping[str, Enumeration]) -> dict[str, str]:
        return {"length": f"length({value})", "text": f"left({value}, {_LONGEST})"}

    def decode(self, raw: Mapping[str, Column], frames: Mapping[str, Frame]) -> dict[str, Any]:
        text = raw["text"]
        missing = np.ma.getmaskarray(text)
        known = np.ma.getdata(text)[~missing].tolist()
        lengths = np.fromiter(map(len, known), dtype=np.intp, count=len(known))
        mix = np.full((len(text), len(characters.CLASSES)), np.nan)
        numbers = np.zeros(len(text), dtype=np.intp)
        rows = np.flatnonzero(~missing)
        slots = []
        for start, end in _blocks(lengths):
            found = characters.look_at(known[start:end], lengths[start:end])
            mix[rows[start:end]] = found.mix
            numbers[rows[start:end]] = found.tokens
            slots.append(found.slots)
        length = np.full(len(text), np.nan)
        length[rows] = np.ma.getdata(raw["length"])[rows]
        return {
            "length": Numbers(length),
            "characters": mix,
            "vocabulary": Tokens(
                np.concatenate(slots) if slots else np.empty(0, dtype=np.intp), numbers, missing
            ),
        }


def _blocks(lengths: np.ndarray[Any, np.dtype[np.intp]]) -> list[tuple[int, int]]:
    """Runs of texts, of about so many characters that what is worked out of them stays small."""
    cuts = np.flatnonzero(np.diff(np.cumsum(lengths) // _BLOCK)) + 1
    edges = [0, *cuts.tolist(), len(lengths)]
    return [(start, end) for start, end in pairwise(edges) if end > start]
