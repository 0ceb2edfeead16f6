"""Lengths of time in ``alertmanager.yaml``."""

from __future__ import annotations

import re

from mlslo.yamlfile import Duration


def milliseconds(text: str) -> int:
    """A duration such as ``30s``; Alertmanager allows ``0s`` too. Raises ValueError."""
    if re.fullmatch(r"0+(?:ms|[smhdwy])?", text):
        return 0
    return round(Duration(text).seconds * 1000)
