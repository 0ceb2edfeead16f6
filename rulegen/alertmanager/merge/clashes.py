"""Names that a base and our part both have, and what of ours the base already says."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from mlslo.yamlfile import InputError, Problem
from rulegen.alertmanager.merge.base import Base

_WHAT = {
    ("receivers", "receivers"): "receiver",
    ("time_intervals", "time_intervals"): "time interval",
    ("time_intervals", "mute_time_intervals"): "time interval",
    ("mute_time_intervals", "time_intervals"): "time interval",
    ("mute_time_intervals", "mute_time_intervals"): "time interval",
}


def check(base: Base, ours: dict[str, Any]) -> dict[str, Any]:
    """Our part without what the base says in the same words.

    Raises InputError, with places in the base, for a name of ours that stands there for something else, and
    for a route of ours whose marks are gone: it would be there twice.
    """
    problems = [*_routes(base, ours)]
    left = dict(ours)
    for (mine, theirs), what in _WHAT.items():
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
