"""Differences of two versions of a PromQL expression, in words."""

from __future__ import annotations

import re

import promql_parser as promql

_TOKEN = re.compile(r'"(?:\\.|[^"\\])*"|[<>=!~]+|(?<=[<>=] )-[0-9.]+|[\w.:]+|\S')
_COMPARISON = re.compile(r"[<>]=?|[=!]=")
_VALUE = re.compile(r'-?[0-9.].*|".*"')
_LONGEST = 120


def changes(old: str, new: str) -> list[str]:
    """Each change once: values one by one where nothing else differs; none where the two mean the same."""
    before, after = (_TOKEN.findall(_canonical(text)) for text in (old, new))
    if before == after:
        return []
    differing = [index for index, (was, now) in enumerate(zip(before, after, strict=False)) if was != now]
    values = all(
        pattern.fullmatch(before[index]) and pattern.fullmatch(after[index])
        for index in differing
        for pattern in [_COMPARISON if _COMPARISON.fullmatch(before[index]) else _VALUE]
    )
    if len(before) != len(after) or not values:
        return [f"condition {_short(old)} → {_short(new)}"]
    # An operator is told with its limit.
    told = [index for index in differing if index - 1 not in differing]
    return list(dict.fromkeys(_change(before, after, index) for index in told))


def _canonical(text: str) -> str:
    try:
        return str(promql.parse(text))
    except ValueError:
        return text


def _change(before: list[str], after: list[str], index: int) -> str:
    previous = before[index - 1]
    if _COMPARISON.fullmatch(before[index]):
        limits = (" ".join(tokens[index : index + 2]) for tokens in (before, after))
        return "threshold " + " → ".join(limits)
    if before[index].startswith('"'):
        what = before[index - 2]
    elif _COMPARISON.fullmatch(previous):
        what = "threshold"
    else:
        what = {"[": "range", "offset": "offset"}.get(previous, "number")
    return f"{what} {before[index].strip(chr(34))} → {after[index].strip(chr(34))}"


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _LONGEST else f"{line[: _LONGEST - 1]}…"
