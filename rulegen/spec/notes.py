"""Notes on a spec, made while rules and tests are built."""

from __future__ import annotations

from dataclasses import dataclass

from mlslo.yamlfile import Document


@dataclass(frozen=True)
class Note:
    """``message`` about the place ``location`` of a spec, under the name of a lint."""

    lint: str
    document: Document
    location: tuple[str | int, ...]
    message: str
