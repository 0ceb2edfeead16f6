"""Embedding vectors."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from exporter.features.binning import Binning, EmbeddingBinning, Numbers, NumericBinning, Vectors
from exporter.features.kind import Column, Enumeration, Kind, flag_column

_LARGEST = 1e100


class Embedding(Kind):
    """Two views: the vector's length (Euclidean norm), and the vector, where a reference says its dimension.

    A vector with an element that is null, not finite or beyond 1e100, or of another dimension, is invalid.
    """

    name = "embedding"
    suffixes = {"norm": ".norm", "vector": ""}
    binnings = {"norm": NumericBinning.without_edges()}
    parsed_as = "vector"
    ranged = True
    noun = "a vector of numbers, as many as any other"

    def expressions(self, value: str, categories: Mapping[str, Enumeration]) -> dict[str, str]:
        whole = f"len({value}) > 0 AND list_count({value}) = len({value})"
        return {
            "vector": f"CASE WHEN {whole} THEN {value} END",
            "broken": f"{value} IS NOT NULL AND NOT ({whole})",
        }

    def decode(self, raw: Mapping[str, Column], binnings: Mapping[str, Binning]) -> dict[str, Any]:
        binning = binnings.get("vector")
        column = raw["vector"]
        missing = np.ma.getmaskarray(column)
        invalid = np.zeros(len(column), dtype=bool)
        for alias in ("broken", "invalid"):
            flags = flag_column(raw, alias)
            if flags is not None:
                invalid |= flags
        vectors = np.ma.getdata(column)
        rows = np.flatnonzero(~missing)
        sizes = np.fromiter(map(len, vectors[rows]), dtype=np.intp, count=len(rows))
        if isinstance(binning, EmbeddingBinning):
            fits = sizes == binning.dimensions
            invalid[rows[~fits]] = True
            rows, sizes = rows[fits], sizes[fits]
        flat = np.concatenate(vectors[rows].tolist()) if len(rows) else np.empty(0)
        starts = np.cumsum(sizes) - sizes
        bad = np.zeros(len(rows), dtype=bool)
        norms = np.full(len(column), np.nan)
        if len(rows):
            bad = np.add.reduceat(~(np.abs(flat) <= _LARGEST), starts) > 0
            flat = np.where(np.repeat(bad, sizes), 0.0, flat)
            norms[rows[~bad]] = np.sqrt(np.add.reduceat(flat * flat, starts)[~bad])
            invalid[rows[bad]] = True
        found: dict[str, Any] = {"norm": Numbers(norms, invalid if invalid.any() else None)}
        if isinstance(binning, EmbeddingBinning):
            usable = flat.reshape(-1, binning.dimensions)[~bad]
            found["vector"] = Vectors(usable, np.isnan(norms) & ~invalid, invalid)
        return found

    def text(self, values: Any, row: int, binning: Binning) -> str:
        if not isinstance(binning, EmbeddingBinning):
            return super().text(values, row, binning)
        if values.invalid[row]:
            return f"not a vector of {binning.dimensions} numbers"
        return "missing" if values.missing[row] else f"{binning.dimensions} numbers"
