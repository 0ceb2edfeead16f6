"""Keys of objects that a url with the date of a partition in it matches."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from functools import lru_cache

_DIRECTIVES = {"%Y": r"(\d{4})", "%m": r"(\d\d)", "%d": r"(\d\d)", "%H": r"(\d\d)"}
_UNITS = {
    "%Y": timedelta(days=366),
    "%m": timedelta(days=31),
    "%d": timedelta(days=1),
    "%H": timedelta(hours=1),
}
_TOKEN = re.compile(r"%[YmdH]|\*\*/?|[*?]|[^%*?]+")
_GLOBS = {"**": ".*", "**/": "(?:.*/)?", "*": "[^/]*", "?": "[^/]"}
_MOST_FOLDERS = 40


class ObjectKeys:
    """Keys below ``path``, the part of a url behind its bucket.

    ``unit``: the longest that a partition can be; None where no date is in ``path``. Names that begin with ``_`` or
    ``.`` are no data but markers, and what a job that has not ended yet wrote.
    """

    def __init__(self, path: str) -> None:
        path = path.strip("/")
        self._directives: list[str] = []
        pattern = ""
        for token in _TOKEN.findall(path):
            if token in self._directives:
                pattern += f"\\{self._directives.index(token) + 1}"
            elif token in _DIRECTIVES:
                self._directives.append(token)
                pattern += _DIRECTIVES[token]
            else:
                pattern += _GLOBS.get(token) or re.escape(token)
        self._match = re.compile(f"{pattern}(?:/.*)?" if path else ".*").fullmatch
        self._literal = len(re.split(r"[*?%]", path, maxsplit=1)[0])
        # Stores list what begins with a text; by a glob they cannot.
        self._listed = re.split(r"[*?]", path, maxsplit=1)[0]
        self._globs = self._listed != path
        in_order = [directive for directive in _UNITS if directive in self._directives]
        self.unit = _UNITS[in_order[-1]] if in_order else None
        self._ascend = re.findall("%.", self._listed) == in_order
        self._begin = lru_cache(maxsize=4096)(self._begin_of)

    def partition(self, key: str) -> datetime | None:
        """Return when the partition of ``key`` begins, the year 1 without a date; None where ``key`` is another one."""
        found = self._match(key)
        if found is None or key.endswith("/"):
            return None
        below = f"/{key}"[self._literal :]
        return None if "/_" in below or "/." in below else self._begin(found.groups())

    def _begin_of(self, groups: tuple[str, ...]) -> datetime | None:
        number = dict(zip(self._directives, map(int, groups), strict=True))
        year, month, day = (number.get(directive, 1) for directive in ("%Y", "%m", "%d"))
        try:
            return datetime(year, month, day, number.get("%H", 0), tzinfo=UTC)
        except ValueError:
            return None

    def folders(self, start: datetime, end: datetime) -> tuple[list[str], str | None]:
        """Return the folders that hold all partitions from ``start`` to ``end``, and the key behind which they do.

        Those of an hour, a day, a month or a year each: the finest of which there are not too many.
        """
        whole = self._listed.split("/")
        if self._globs:
            whole[-1] = ""
        templates = ["/".join(filter(None, whole[:number])) for number in range(len(whole), -1, -1)]
        for template in templates:
            step = timedelta(hours=1) if "%H" in template else timedelta(days=1)
            folders: dict[str, None] = {}
            time = start
            while time < end + step and len(folders) <= _MOST_FOLDERS:
                folders[min(time, end).strftime(template)] = None
                time += step
                if "%" not in template:
                    break
            if len(folders) <= _MOST_FOLDERS:
                break
        behind = start.strftime(self._listed) if self._ascend and self.unit is not None else None
        return list(folders), behind
