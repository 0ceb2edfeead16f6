"""Alertmanager's label matchers."""

from __future__ import annotations

from collections.abc import Iterable, Sequence


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


def unique(matchers: Iterable[str]) -> list[str]:
    """The matchers in their order, each once."""
    return list(dict.fromkeys(matchers))


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
