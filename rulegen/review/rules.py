"""Alerts and recording rules that were added, removed or changed, in words."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

import promql_parser as promql

from mlslo.yamlfile import InputError, parse
from rulegen.promql.conventions import BUDGET_REMAINING_RECORD, KNOWN_GROUPS_RECORD, REVISION
from rulegen.promql.expressions import number

Key = tuple[str, ...]
Rule = dict[str, Any]
Told = Callable[[dict[str, str]], str]
_SHARE = re.compile(r"/ ([0-9.]+)\s*$")
_MOST_GROUPS, _GROUP_LABELS = re.compile(r"scalar\(([0-9]+) - "), re.compile(r"unless on \(([^)]*)\)")
_GENERATED = ("summary", "description")
# So many changes of one SLO's recording rules are written out.
_MOST = 6
_TOKEN = re.compile(r'"(?:\\.|[^"\\])*"|[<>=!~]+|(?<=[<>=] )-[0-9.]+|[\w.:]+|\S')
_COMPARISON = re.compile(r"[<>]=?|[=!]=")
_VALUE = re.compile(r'-?[0-9.].*|".*"')
_LONGEST, _BEFORE = 120, 30
_VARIABLE = re.compile(r" ?\{\{.*?\}\}")


@dataclass(frozen=True)
class Rules:
    """The rules of one file, each by what stays the same when it changes: its name, SLO and model."""

    alerts: dict[Key, Rule] = field(default_factory=dict)
    records: dict[Key, Rule] = field(default_factory=dict)
    intervals: dict[str, None] = field(default_factory=dict)

    @classmethod
    def read(cls, name: str, text: str) -> Rules:
        """Read a rule file, a PrometheusRule or a List of them, edited by hand or not. Raises InputError."""
        found = cls()
        try:
            data = parse(Path(name), text).data
            for part in data["items"] if data.get("kind") == "List" else [data]:
                for group in part.get("spec", part)["groups"]:
                    found.intervals[str(group.get("interval"))] = None
                    for rule in group["rules"]:
                        found._add(rule)
        except (AttributeError, KeyError, TypeError):
            raise InputError.of_file(name, "these are no groups of rules") from None
        return found

    def _add(self, rule: Rule) -> None:
        kind, rules = ("alert", self.alerts) if "alert" in rule else ("record", self.records)
        labels = texts_of(rule, "labels")
        key: Key = (str(rule[kind]), labels.get("slo", ""), labels.get("model", ""))
        same = sum(key == known[: len(key)] for known in rules)
        rules[(*key, str(same + 1)) if same else key] = rule


def texts_of(rule: Rule, key: str) -> dict[str, str]:
    """The labels or annotations that a rule sets; none where a hand made something else of them."""
    found = rule.get(key)
    return {str(name): str(value) for name, value in found.items()} if isinstance(found, dict) else {}


def rule_words(old: Rules, new: Rules, told_before: Told, told_after: Told) -> Iterator[str]:
    """One line for each alert and SLO that is not as it was.

    ``told_before`` and ``told_after`` name the receivers of an alert with the given labels.
    """
    for key in dict.fromkeys([*new.alerts, *old.alerts]):
        before, after = old.alerts.get(key), new.alerts.get(key)
        if after is None:
            assert before is not None
            yield f"- {_name(key)}: no longer; it was {_what(before, told_before)}"
        elif before is None:
            yield f"+ {_name(key)}: {_what(after, told_after)}"
        elif said := _alert(before, after, told_before, told_after):
            yield f"{_name(key)}: {'; '.join(said)}"
    yield from _records(old, new)
    if list(old.intervals) != list(new.intervals):
        yield f"evaluated every {', '.join(old.intervals)} → {', '.join(new.intervals)}"


def _name(key: Key) -> str:
    name, slo, _, *number_of = key
    return f"{name} ({', number '.join([slo, *number_of])})" if slo else name


def _what(rule: Rule, told: Told) -> str:
    labels, times = texts_of(rule, "labels"), _times(rule)
    said = [labels.get("tier", "no tier"), *(f"{name} {value}" for name, value in times.items() if value)]
    return f"{' '.join(said)}, told: {told(labels)}"


def _times(rule: Rule) -> dict[str, Any]:
    return {"for": rule.get("for"), "keepFiringFor": rule.get("keep_firing_for")}


def _alert(before: Rule, after: Rule, told_before: Told, told_after: Told) -> list[str]:
    old, new = texts_of(before, "labels"), texts_of(after, "labels")
    said = changes(str(before.get("expr")), str(after.get("expr")))
    said += _differing(_times(before), _times(after))
    if old.get("tier") != new.get("tier"):
        was, now = told_before(old), told_after(new)
        whom = f", told: {was} → {now}" if was != now else ""
        said += [f"pages {line.removeprefix('tier ')}{whom}" for line in _differing(old, new, only="tier")]
    said += [f"label {line}" for line in _differing(old, new) if not line.startswith("tier ")]
    texts = [texts_of(rule, "annotations") for rule in (before, after)]
    # Of the group it is told which labels name it.
    own = [
        {key: _VARIABLE.sub("", text) for key, text in found.items() if key not in _GENERATED}
        for found in texts
    ]
    said += _differing(own[0], own[1])
    return said or ["its texts are worded otherwise"] * (texts[0] != texts[1])


def _differing(old: dict[str, Any], new: dict[str, Any], only: str | None = None) -> list[str]:
    return [
        f"{key} {old.get(key) or 'none'} → {new.get(key) or 'none'}"
        for key in dict.fromkeys([*old, *new])
        if old.get(key) != new.get(key) and only in (None, key)
    ]


def _records(old: Rules, new: Rules) -> Iterator[str]:
    """By SLO, since nobody reviews twenty recording rules of one error budget."""
    for slo in dict.fromkeys(key[1] for key in [*new.records, *old.records]):
        before, after = (
            {key: str(rule.get("expr")) for key, rule in rules.records.items() if key[1] == slo}
            for rules in (old, new)
        )
        kept = [key for key in after if key in before]
        said = list(dict.fromkeys(line for key in kept for line in _record(key[0], before[key], after[key])))
        groups = _groups(before), _groups(after)
        promise = _promise(slo, old, new) or [line for line in said if line.startswith("objective ")]
        if promise:
            # All else about its recording rules follows from it.
            said = promise
        elif groups[0] != groups[1]:
            said = [f"{groups[0]} → {groups[1]}"] if before else []
        counts = (("more", len(after) - len(kept)), ("fewer", len(before) - len(kept)))
        for what, count in () if promise else counts:
            said += [f"{count} recording {'rule' if count == 1 else 'rules'} {what}"] if count else []
        if said:
            more = [f"and {len(said) - _MOST} changes more"] if len(said) > _MOST else []
            yield f"SLO {slo}: {'; '.join([*said[:_MOST], *more])}"


def _groups(records: dict[Key, str]) -> str:
    """Say which error budgets there are."""
    known = next((text for key, text in records.items() if key[0] == KNOWN_GROUPS_RECORD), None)
    if known is None:
        return "one error budget"
    most, labels = _MOST_GROUPS.search(known), _GROUP_LABELS.search(known)
    each = labels[1].replace(", ", " and ") if labels else "group"
    return f"an error budget for each {each}, {most[1] if most else 'so many'} at most"


def _promise(slo: str, old: Rules, new: Rules) -> list[str]:
    """Return the promise before and after, where more than the objective differs."""
    was, now = (
        next(
            (
                texts_of(rule, "labels").get(REVISION, "")
                for key, rule in rules.records.items()
                if key[:2] == (BUDGET_REMAINING_RECORD, slo)
            ),
            "",
        )
        for rules in (old, new)
    )
    apart = was and now and was.partition("%")[2] != now.partition("%")[2]
    return [f"promise {was} → {now}"] if apart else []


def _record(name: str, old: str, new: str) -> list[str]:
    before, after = _SHARE.search(old), _SHARE.search(new)
    if name == BUDGET_REMAINING_RECORD and before and after and before[1] != after[1]:
        objectives = (number(100 - 100 * Decimal(found[1])) for found in (before, after))
        return ["objective " + " → ".join(f"{objective} %" for objective in objectives)]
    return [f"measured: {line}" for line in changes(old, new)]


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
        return [f"condition {' → '.join(_apart(old, new))}"]
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


def _apart(*texts: str) -> Iterator[str]:
    """Two texts on one line each, long ones from a little before where they part."""
    lines = [" ".join(text.split()) for text in texts]
    part = next((index for index, (one, other) in enumerate(zip(*lines, strict=False)) if one != other), 0)
    begin = lines[0].rfind(" ", 0, max(part - _BEFORE, 0)) + 1 if max(map(len, lines)) > _LONGEST else 0
    for line in lines:
        cut = line[begin:] if len(line) - begin <= _LONGEST else f"{line[begin : begin + _LONGEST - 1]}…"
        yield f"…{cut}" if begin else cut
