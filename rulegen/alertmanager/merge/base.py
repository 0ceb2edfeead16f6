"""An alertmanager.yaml that others keep, our part of it, and what both say."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

from mlslo.yamlfile import Document, InputError, Problem, parse, read_text
from rulegen.alertmanager.merge.text import AliasError, Text
from rulegen.output.existing import BEGIN, END, without_marked

_INTERVALS = ("time_intervals", "mute_time_intervals")
SECTIONS = ("templates", "inhibit_rules", "receivers", *_INTERVALS)


@dataclass(frozen=True)
class Base:
    """``document`` is the file without our part; ``content`` its text, ``mark`` what a byte order mark was."""

    document: Document
    content: str
    byte_order_mark: str

    @classmethod
    def read(cls, path: Path) -> Base:
        """Read it. Raises InputError, with a place, where Alertmanager could not have read it either."""
        raw = read_text(path)
        mark = "\ufeff" if raw.startswith("\ufeff") else ""
        content = raw.removeprefix(mark)
        unmarked = without_marked(path, content)
        document = parse(path, unmarked.emptied)
        _check_shape(document)
        return cls(document, unmarked.left_out, mark)

    def merged(self, ours: dict[str, Any], source: str) -> str:
        """The text of the file with our part.

        ``ours`` has a ``route``, which is put first under the root, and lists of the other sections, which
        are put in front of the file's own. Raises InputError where a list cannot be added to.
        """
        text = Text(self.content, f"{BEGIN} (from {source}; do not edit, mlslo-rulegen replaces it)", END)
        lists: dict[tuple[str, ...], list[Any]] = {("route", "routes"): [ours["route"]]}
        lists |= {(name,): ours.get(name, []) for name in SECTIONS}
        try:
            text.prepend({path: items for path, items in lists.items() if items})
        except AliasError as error:
            message = "an alias cannot be added to; write out what it stands for"
            raise self.document.error(error.path, message, key=True) from None
        return self.byte_order_mark + text.content


def _check_shape(document: Document) -> None:
    data = document.data
    if not isinstance(data, dict):
        raise document.error((), "expected a mapping with route and receivers, as alertmanager.yaml is one")
    if "route" not in data:
        raise document.error((), "missing key 'route': an alertmanager.yaml has one")
    route = data["route"]
    if not isinstance(route, dict) or not isinstance(route.get("receiver"), str):
        raise document.error(("route",), "expected a mapping with a receiver, as the root route is one")
    for path in (("route", "routes"), *((name,) for name in SECTIONS)):
        value: Any = data
        for part in path:
            value = value.get(part)
        if value is not None and not isinstance(value, list):
            raise document.error(path, f"expected a list under {'.'.join(path)}")
    for name in ("receivers", *_INTERVALS):
        for index, entry in enumerate(data.get(name) or []):
            if not isinstance(entry, dict) or not isinstance(entry.get("name"), str):
                raise document.error((name, index), f"expected a mapping with a name in {name}")


# What has names, in which section of ours and of theirs.
_NAMED = (("receiver", "receivers", "receivers"), *product(["time interval"], _INTERVALS, _INTERVALS))


def check(base: Base, ours: dict[str, Any]) -> dict[str, Any]:
    """Our part without what the base says in the same words.

    Raises InputError, with places in the base, for a name of ours that stands there for something else, and
    for a route of ours whose marks are gone: it would be there twice.
    """
    problems = [*_routes(base, ours)]
    left = dict(ours)
    for what, mine, theirs in _NAMED:
        named = {entry["name"]: entry for entry in left.get(mine, [])}
        for index, entry in enumerate(base.document.data.get(theirs) or []):
            same = named.get(entry["name"])
            if same is None:
                continue
            if same == entry:
                left[mine] = [one for one in left[mine] if one is not same]
            else:
                message = f"the {what} '{entry['name']}' is another one in the AlertRouting file; rename one of the two"
                problems.append(base.document.problem((theirs, index, "name"), message))
    known = base.document.data.get("templates") or []
    left["templates"] = [path for path in left.get("templates", []) if path not in known]
    if problems:
        raise InputError(problems)
    return left


def _routes(base: Base, ours: dict[str, Any]) -> Iterator[Problem]:
    for index, route in enumerate(base.document.data["route"].get("routes") or []):
        if isinstance(route, dict) and route.get("matchers") == ours["route"]["matchers"]:
            message = (
                "a route of mlslo-rulegen without its marks; delete it, and the receivers that are its own"
            )
            yield base.document.problem(("route", "routes", index), message)
