"""Alerts and records that were added, removed or changed, in words."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from decimal import Decimal, InvalidOperation
from typing import Any

from rulegen.promql.conventions import BUDGET_REMAINING_RECORD, FAST_BURN, SLOW_BURN
from rulegen.promql.expressions import number
from rulegen.review.expressions import changes
from rulegen.review.rulefile import Key, Rules, labels_of

Told = Callable[[dict[str, str]], str]
_SHARE = re.compile(r"/ ([0-9.]+)\s*$")
_WINDOW = re.compile(r"_(?:rate|count|ratio_rate|ratio_count)([0-9][0-9a-z]*)\{")
_GENERATED = ("summary", "description")


def rule_words(old: Rules, new: Rules, told_before: Told, told_after: Told) -> Iterator[str]:
    """One line for each alert and SLO that is not as it was.

    ``told_before`` and ``told_after`` name the receivers of an alert with the given labels.
    """
    promises = {slo: _promise(said) for slo, said in _by_slo(old, new).items()}
    for key in _sorted(old.alerts, new.alerts):
        before, after = old.alerts.get(key), new.alerts.get(key)
        if before is None:
            assert after is not None
            yield f"+ {_name(key)}: {_what(after)}, told: {told_after(labels_of(after))}"
        elif after is None:
            yield f"- {_name(key)}: no longer; it was {_what(before)}, told: {told_before(labels_of(before))}"
        elif said := _alert(before, after, told_before, told_after, promise=promises.get(key[1])):
            yield f"{_name(key)}: {'; '.join(said)}"
    yield from _records(old, new)
    if old.intervals != new.intervals:
        yield f"evaluated every {', '.join(old.intervals)} → {', '.join(new.intervals)}"


def _sorted(old: dict[Key, Any], new: dict[Key, Any]) -> list[Key]:
    """In the order of the new file, what is gone last."""
    return list(dict.fromkeys([*new, *old]))


def _name(key: Key) -> str:
    name, slo, *rest = key
    return f"{name} ({slo}{', number ' + rest[1] if len(rest) > 1 else ''})" if slo else name


def _what(rule: dict[str, Any]) -> str:
    labels = labels_of(rule)
    parts = [labels.get("tier") or "no tier"]
    if "for" in rule:
        parts.append(f"for {rule['for']}")
    if "keep_firing_for" in rule:
        parts.append(f"keepFiringFor {rule['keep_firing_for']}")
    return " ".join(parts)


def _alert(
    before: dict[str, Any], after: dict[str, Any], told_before: Told, told_after: Told, promise: str | None
) -> list[str]:
    """``promise``: what of the objective changed, and the thresholds of the burn rate with it."""
    said = changes(str(before.get("expr")), str(after.get("expr")))
    if promise and said and before.get("alert") in (FAST_BURN, SLOW_BURN):
        said = [f"its thresholds follow the {promise}"]
    for key, name in (("for", "for"), ("keep_firing_for", "keepFiringFor")):
        if before.get(key) != after.get(key):
            said.append(f"{name} {before.get(key, 'none')} → {after.get(key, 'none')}")
    old, new = labels_of(before), labels_of(after)
    if old.get("tier") != new.get("tier"):
        was, now = told_before(old), told_after(new)
        whom = f", told: {was} → {now}" if was != now else ""
        said.append(f"pages {old.get('tier', 'no tier')} → {new.get('tier', 'no tier')}{whom}")
    for label in dict.fromkeys([*old, *new]):
        known = label == "tier" or (label == "severity" and old.get("tier") != new.get("tier"))
        if old.get(label) != new.get(label) and not known:
            said.append(f"label {label} {old.get(label, 'none')} → {new.get(label, 'none')}")
    return [*said, *_texts(before, after, only=not said)]


def _texts(before: dict[str, Any], after: dict[str, Any], *, only: bool) -> Iterator[str]:
    """Annotations; the generated ones follow the rule, and are said only where nothing else is."""
    old, new = _annotations(before), _annotations(after)
    for name in dict.fromkeys([*old, *new]):
        if old.get(name) == new.get(name):
            continue
        if name not in _GENERATED:
            yield f"{name} {old.get(name, 'none')} → {new.get(name, 'none')}"
        elif only:
            yield f"its {name} is worded otherwise"


def _annotations(rule: dict[str, Any]) -> dict[str, Any]:
    found = rule.get("annotations")
    return found if isinstance(found, dict) else {}


def _records(old: Rules, new: Rules) -> Iterator[str]:
    """By SLO, since nobody reviews twenty records of one error budget."""
    for slo, lines in _by_slo(old, new).items():
        counted = [_counted(line, lines.count(line)) for line in dict.fromkeys(lines)]
        if _promise(lines):
            # All else about its records follows from it.
            counted = [line for line in counted if _promise([line])]
        if counted:
            more = [f"and {len(counted) - 6} changes more"] if len(counted) > 6 else []
            yield f"SLO {slo}: {'; '.join([*counted[:6], *more])}"


def _promise(lines: list[str]) -> str | None:
    """Return what an SLO promises that it did not promise before."""
    changed = [
        what for what in ("objective", "time window") if any(line.startswith(f"{what} ") for line in lines)
    ]
    return " and the ".join(changed) or None


def _by_slo(old: Rules, new: Rules) -> dict[str, list[str]]:
    said: dict[str, list[str]] = {}
    for key in _sorted(old.records, new.records):
        before, after = old.records.get(key), new.records.get(key)
        lines = said.setdefault(key[1], [])
        if before is None or after is None:
            lines.append("a record more" if before is None else "a record less")
        elif key[0] == BUDGET_REMAINING_RECORD:
            lines += _budget(str(before.get("expr")), str(after.get("expr")))
        else:
            lines += [
                f"measured: {change}" for change in changes(str(before.get("expr")), str(after.get("expr")))
            ]
    return said


def _counted(line: str, count: int) -> str:
    if line in ("a record more", "a record less"):
        return f"{count} {'record' if count == 1 else 'records'} {line.rpartition(' ')[2]}"
    return line


def _budget(old: str, new: str) -> Iterator[str]:
    """The objective and its time window, from the record of what is left of the budget."""
    objectives = [_objective(expression) for expression in (old, new)]
    if None in objectives:
        yield from changes(old, new)
        return
    if objectives[0] != objectives[1]:
        yield f"objective {objectives[0]} % → {objectives[1]} %"
    windows = [found[1] if (found := _WINDOW.search(expression)) else None for expression in (old, new)]
    if windows[0] != windows[1]:
        yield f"time window {windows[0]} → {windows[1]}"


def _objective(expression: str) -> str | None:
    found = _SHARE.search(expression)
    try:
        return number(100 - Decimal(found[1]) * 100) if found else None
    except InvalidOperation:
        return None
