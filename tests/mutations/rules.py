"""Every small change of a generated rule file, one at a time."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from mlslo.yamlfile import Duration
from tests.mutations.expressions import Change, distinct, variants

Rule = Mapping[str, Any]
_Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def load(path: Path) -> Any:
    """A generated file."""
    return yaml.load(path.read_text(), Loader=_Loader)


@dataclass(frozen=True)
class Mutant:
    """One rule of a group, changed.

    ``rule`` is its place in the group; ``kind``: what sort of change it is; ``same``: why it has no effect, if
    that is proved.
    """

    group: str
    rule: int
    name: str
    kind: str
    what: str
    changed: Rule
    same: str | None = None

    def __str__(self) -> str:
        return f"{self.group}: {self.name}: {self.what}"


def name_of(rule: Rule) -> str:
    """The alert, or the record."""
    return str(rule.get("alert") or rule["record"])


def mutants(group: Mapping[str, Any]) -> Iterator[Mutant]:
    """One change each, in every rule of a group."""
    interval = Duration(group["interval"])
    recorded = {rule["record"] for rule in group["rules"] if "record" in rule}
    for index, rule in enumerate(group["rules"]):
        for kind, what, changed, *same in _changes(rule, interval, recorded):
            yield Mutant(group["name"], index, name_of(rule), kind, what, changed, *same)


def _changes(
    rule: Rule, interval: Duration, recorded: set[str]
) -> Iterator[tuple[str, str, Rule] | tuple[str, str, Rule, str | None]]:
    found = variants(rule["expr"])
    for change in distinct(found.changes):
        same = (
            change.same
            or _overwritten(rule, change)
            or _unsaid(rule, change)
            or as_many(change, recorded, interval.seconds)
        )
        yield "expression", change.what, {**rule, "expr": change.expression}, same
    if "record" in rule:
        yield "record", "another name", {**rule, "record": rule["record"] + "_other"}
    for key in ("for", "keep_firing_for"):
        if key in rule:
            lasting = Duration(rule[key]).seconds
            yield key, f"no {key}", {name: value for name, value in rule.items() if name != key}
            for seconds in (lasting - interval.seconds, lasting + interval.seconds):
                if seconds > 0:
                    yield key, f"{key} {seconds:g}s", {**rule, key: f"{round(seconds * 1000)}ms"}
        elif "alert" in rule:
            yield key, f"{key} where there is none", {**rule, key: f"{round(interval.seconds * 1000)}ms"}
    for part in ("labels", "annotations"):
        texts = rule.get(part, {})
        for name, text in texts.items():
            without = {**rule, part: {k: v for k, v in texts.items() if k != name}}
            carried = part == "labels" and (found.has or {}).get(name) == text
            yield part, f"no {part} {name}", without, "its series have that label" if carried else None
            yield part, f"another {part} {name}", {**rule, part: {**texts, name: f"{text}-other"}}


def _overwritten(rule: Rule, change: Change) -> str | None:
    """Why a label that is lost is there all the same."""
    if change.loses is None:
        return None
    label, value = change.loses
    read = f"$labels.{label}" in json.dumps(rule.get("annotations", {}))
    own = rule.get("labels", {}).get(label) == value
    return f"the rule sets {label}={value!r}" if own and not read else None


def _unsaid(rule: Rule, change: Change) -> str | None:
    """Why another value makes no difference: an alert is there, whatever its value is."""
    said = "alert" not in rule or "$value" in json.dumps([rule.get("labels"), rule.get("annotations")])
    return None if said or not change.values else "it fires whatever its value is, and does not say it"


def as_many(change: Change, recorded: set[str], interval: float) -> str | None:
    """Why another range is no other: it has as many evaluations of what this group records."""
    lengths = re.fullmatch(r"\[(\S+)\] -> \[(\S+)\]", change.what)
    if lengths is None or change.ranged not in recorded:
        return None
    old, new = (Duration(text).seconds / interval for text in lengths.groups())
    # The one at its very beginning belongs to a range in Prometheus 2, and not in 3.
    if old == int(old) or new == int(new) or int(old) != int(new):
        return None
    return f"both have {int(old) + 1} evaluations"


def affected(group: Mapping[str, Any], index: int) -> set[str]:
    """The names of a rule and of those that rest on it, through any number of records."""
    found = {name_of(group["rules"][index])}
    while True:
        more = {
            name_of(rule)
            for rule in group["rules"]
            if any(_mentions(rule, name) for name in found) and name_of(rule) not in found
        }
        if not more:
            return found
        found |= more


def _mentions(rule: Rule, name: str) -> bool:
    read = json.dumps([rule["expr"], rule.get("annotations", {})])
    return re.search(rf"(?<![\w:]){re.escape(name)}(?![\w:])", read) is not None
