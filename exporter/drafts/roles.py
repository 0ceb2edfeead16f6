"""Names and contents by which the fields of a record are told."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from datetime import datetime
from statistics import median
from typing import Any, NamedTuple

NAMES: Mapping[str, tuple[str, ...]] = {
    "timestamp": (
        "ts|timestamp|event_time|event_timestamp", "time|datetime|date_time|.*timestamp.*", ".*_(time|ts|at|datetime)",
        "date|t|when|.*_date",
    ),
    "id": (
        "(prediction|inference)_?id", "id|uuid|guid", "(request|event|record|transaction|trace)_?id", ".*_?(id|uuid)",
    ),
    "version": ("(model_?)?version", "deployed_model_id|model_(id|tag|ver|revision)|release", ".*_version"),
    "status": ("status|status_?code|http_status(_code)?|response_code|code",),
    "latency": (
        "latency.*", "(duration|elapsed|took|runtime).*",
        "(response|processing|inference|execution|total)_(time|duration).*", "ms",
    ),
    "score": (
        "score|.*_score", "(predict_)?proba|prob|probability|probabilitie|.*_(proba|prob|probability)|p", "confidence",
    ),
    "prediction": (
        "prediction|predicted|predicted_(class|label|value)|y_?pred|y_?hat", "class|decision|forecast|estimate",
        "output|result|answer|value",
    ),
    "fallback": (".*fallback.*",),
    "attributions": ("attribution|shap(_value)?|explanation|contribution",),
    "features": (
        "feature", "input|instance|x|feature_.*", "data|payload|attribute|field|record|row|arg|param|parameter",
    ),
    "label": (
        "label|y_?true|actual|ground_?truth|truth|true_.*", "target|outcome|observed|y", ".*_(label|outcome|target)",
    ),
}  # fmt: skip
"""Field -> patterns of the last key of its path, in snake case and singular; the likeliest first."""
_KIND = re.compile("type|kind|event|event_type|record_type|message|msg|logger|stage|action")
_UNITS = {
    "ns": "ns|nano.*",
    "us": "us|usec.*|micro.*|µs",
    "ms": "ms|msec.*|milli.*",
    "s": "s|sec|second|seconds",
}
_FITTING = {"s": (0.0005, 10), "ms": (0.5, 10_000), "us": (500, 1e7), "ns": (5e5, 1e10)}
_TIME = re.compile(
    r"\d{4}-\d\d-\d\d([T ]\d\d:\d\d.*)?|\d{8}T\d{6}.*|\w{3}, \d\d \w{3} \d{4} .*|\d\d/\w{3}/\d{4}:.*", re.I
)
_ZONED = re.compile(r".*(Z|UTC|GMT|[+-]\d\d:?\d\d)", re.I)
_FORMATS = ("%d.%m.%Y %H:%M:%S", "%d/%m/%Y %H:%M:%S", "%m/%d/%Y %H:%M:%S")
_YEAR_2001, _YEAR_2100 = 1e9, 4.1e9
_MOSTLY = 0.9
_FEW = 20


class Found(NamedTuple):
    """Paths of a field, the likeliest first. ``certain``: whether the first stands alone."""

    paths: list[str]
    certain: bool

    @property
    def path(self) -> str | None:
        return self.paths[0] if self.paths else None


def number(value: Any) -> float | None:
    """Return a finite number, also one that is written as text."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        found = float(value)
    except (ValueError, OverflowError):
        return None
    return found if math.isfinite(found) else None


def texts(values: Collection[Any]) -> list[str]:
    """Return the values that are scalars, as text: 1 and 1.0 and "1" are the same."""
    return [f"{value:g}" if isinstance(value, float) and value.is_integer() and abs(value) < 1e15 else str(value)
            for value in values if isinstance(value, str | int | float)]  # fmt: skip


def is_scalar(value: Any) -> bool:
    """Return whether ``value`` is text, a number, or true or false."""
    return isinstance(value, str | int | float)


def is_time(value: Any) -> bool:
    """Return whether ``value`` is a time of this century: as text, or as epoch s, ms, µs or ns."""
    found = number(value)
    if found is None:
        return isinstance(value, str) and (
            _TIME.fullmatch(value.strip()) is not None or bool(time_formats([value]))
        )
    return any(_YEAR_2001 <= found / unit < _YEAR_2100 for unit in (1, 1e3, 1e6, 1e9))


def time_formats(values: Sequence[Any]) -> list[str]:
    """Return the formats other than the usual that all of ``values`` have."""
    return [form for form in _FORMATS if values and all(_has_form(value, form) for value in values)]


def _has_form(value: Any, form: str) -> bool:
    try:
        datetime.strptime(str(value), form)
    except ValueError:
        return False
    return True


def has_zone(value: Any) -> bool:
    """Return whether a time says where it is."""
    return number(value) is not None or _ZONED.fullmatch(str(value).strip()) is not None


def _is_unique(values: Sequence[Any]) -> bool:
    scalars = texts(values)
    return len(scalars) >= _MOSTLY * len(values) and len(set(scalars)) >= 0.95 * len(scalars)


def _is_score(value: Any) -> bool:
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else [value]
    return bool(inner) and all(number(one) is not None for one in inner)


def _few(values: Sequence[Any]) -> bool:
    found = texts(values)
    return len(found) == len(values) and len(set(found)) <= min(_FEW, max(1, len(values) // 2))


def _each(holds: Callable[[Any], bool]) -> Callable[[Sequence[Any]], bool]:
    return lambda values: sum(map(holds, values)) >= _MOSTLY * len(values)


_CONTENTS: Mapping[str, Callable[[Sequence[Any]], bool]] = {
    "timestamp": _each(is_time),
    "id": _is_unique,
    "version": lambda values: _few(values) and any(texts(values)),
    "status": _each(lambda value: 100 <= (number(value) or 0) < 600),
    "latency": _each(lambda value: (number(value) or -1) >= 0 and not is_time(value)),
    "score": _each(_is_score),
    "prediction": _each(lambda value: is_scalar(value) or isinstance(value, list)),
    "fallback": lambda values: set(texts(values)) <= {"True", "False", "0", "1", "true", "false"},
    "attributions": _each(lambda value: isinstance(value, dict) and _is_score(value)),
    "features": _each(lambda value: isinstance(value, dict | list) and bool(value)),
    "label": _each(lambda value: is_scalar(value) or isinstance(value, list)),
}  # fmt: skip


def last_key(path: str) -> str:
    """Return the last key of a path in snake case and singular."""
    key = next((part for part in reversed(path.split(".")) if part != "*"), path)
    snake = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|[^A-Za-z0-9]+", "_", key).strip("_").lower()
    return snake.removesuffix("s") if len(snake) > 2 and not snake.endswith(("us", "ss", "ms")) else snake


def find(role: str, values: Mapping[str, Sequence[Any]], without: Collection[str] = ()) -> Found:
    """Return the paths that have the name of ``role`` and hold what it needs; outer ones before inner ones."""
    ranked: list[tuple[int, bool, int, str]] = []
    for path, there in values.items():
        known = [value for value in there if value is not None]
        rank = named(role, path)
        if rank is not None and known and path not in without and _CONTENTS[role](known):
            ranked.append((rank, "*" not in path, path.count("."), path))
    ranked.sort(key=lambda item: item[:3])
    return Found(
        [path for *_, path in ranked], len(ranked) == 1 or (len(ranked) > 1 and ranked[0][0] < ranked[1][0])
    )


def named(role: str, path: str) -> int | None:
    """Return how likely the name of ``path`` is that of ``role``, 0 the likeliest; None where it is none."""
    key = last_key(path)
    return next((rank for rank, names in enumerate(NAMES[role]) if re.fullmatch(names, key)), None)


def holds(role: str, values: Sequence[Any]) -> bool:
    """Return whether ``values`` are what ``role`` needs, whatever their name is."""
    known = [value for value in values if value is not None]
    return bool(known) and _CONTENTS[role](known)


def latency_unit(path: str, values: Sequence[Any]) -> tuple[str, bool]:
    """Return the unit of latencies, and whether the name says it; else it follows from their size."""
    parts = re.split("_+", re.sub(r"(?<=[a-z])(?=[A-Z])", "_", path.rpartition(".")[2]).lower())
    for unit, names in _UNITS.items():
        if any(re.fullmatch(names, part) for part in parts):
            return unit, True
    known = [found for value in values if (found := number(value)) is not None]
    usual, whole = median(known), all(value.is_integer() for value in known)
    for unit, (low, high) in _FITTING.items():
        if low <= usual <= high and not (unit == "s" and whole):
            return unit, False
    return "ms", False


def telling_apart(
    records: Sequence[Mapping[str, Any]], chosen: Callable[[Mapping[str, Any]], bool]
) -> dict[str, Any] | None:
    """Return the value of a key such as ``type`` that those records have, and no others; None where none has to."""
    ours: list[Mapping[str, Any]] = []
    others: list[Mapping[str, Any]] = []
    for record in records:
        (ours if chosen(record) else others).append(record)
    if not ours or not others:
        return None
    for key in dict.fromkeys(key for record in ours for key in record):
        if _KIND.fullmatch(last_key(key)) and "." not in key:
            inside = {record.get(key) for record in ours if isinstance(record.get(key), str)}
            outside = {str(record.get(key)) for record in others}
            if (
                len(inside) == 1
                and all(record.get(key) in inside for record in ours)
                and not inside & outside
            ):
                return {key: inside.pop()}
    return None


def row_lists(
    records: Sequence[Mapping[str, Any]], walk: Callable[[Mapping[str, Any]], Iterator[tuple[str, Any]]]
) -> set[str]:
    """Return the paths of lists with an element for each prediction of a record.

    Those of objects or lists that are named like features or outputs, and those that are as long in each record.
    """
    lengths: dict[str, dict[int, int]] = {}
    nested: set[str] = set()
    for position, record in enumerate(records):
        for path, value in walk(record):
            if isinstance(value, list):
                lengths.setdefault(path, {})[position] = len(value)
                if value and isinstance(value[0], dict | list):
                    nested.add(path)
    outer = [path for path in lengths if "*" not in path.split(".")]
    of_rows = [
        path
        for path in outer
        if path in nested
        and any(named(role, path) is not None for role in ("features", "score", "prediction"))
    ]
    if not of_rows:
        return set()
    base = lengths[of_rows[0]]
    return {
        path
        for path in outer
        if (shared := lengths[path].keys() & base.keys())
        and all(lengths[path][position] == base[position] for position in shared)
    }
