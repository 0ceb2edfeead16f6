"""Rule files as review reads them: whatever is on disk, edited by hand or broken."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import yaml

Key = tuple[str, ...]
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class UnreadableError(Exception):
    """A file that is not what a generated one could have become."""


def load(text: str) -> Any:
    """The one YAML document of ``text``. Raises UnreadableError."""
    try:
        return yaml.load(text, Loader=_LOADER)
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise UnreadableError(str(error).splitlines()[0]) from None


@dataclass(frozen=True)
class Rules:
    """The rules of one file, each by what stays the same when it changes."""

    alerts: dict[Key, dict[str, Any]]
    records: dict[Key, dict[str, Any]]
    intervals: tuple[str, ...]

    @classmethod
    def read(cls, text: str) -> Rules:
        """Read a rule file or a PrometheusRule. Raises UnreadableError."""
        document = load(text)
        if isinstance(document, dict) and document.get("kind") == "List":
            # A model that is too large for one PrometheusRule.
            parts = [part.get("spec") for part in _mappings(document, "items")]
            document = {"groups": [group for part in parts for group in _mappings(part, "groups")]}
        elif isinstance(document, dict) and isinstance(document.get("spec"), dict):
            document = document["spec"]
        alerts: dict[Key, dict[str, Any]] = {}
        records: dict[Key, dict[str, Any]] = {}
        intervals: dict[str, None] = {}
        for group in _mappings(document, "groups"):
            intervals.setdefault(str(group.get("interval")))
            for rule in _mappings(group, "rules"):
                labels = labels_of(rule)
                if "alert" in rule:
                    key: Key = (str(rule["alert"]), labels.get("slo", ""), labels.get("model", ""))
                    _add(alerts, key, rule)
                elif "record" in rule:
                    _add(records, (str(rule["record"]), labels.get("slo", "")), rule)
        return cls(alerts, records, tuple(intervals))


def labels_of(rule: dict[str, Any]) -> dict[str, str]:
    """The labels that a rule sets."""
    labels = rule.get("labels")
    return {str(name): str(value) for name, value in labels.items()} if isinstance(labels, dict) else {}


def _mappings(parent: Any, key: str) -> Iterator[dict[str, Any]]:
    if not isinstance(parent, dict) or not isinstance(parent.get(key), list):
        raise UnreadableError(f"no list of {key}")
    for entry in parent[key]:
        if not isinstance(entry, dict):
            raise UnreadableError(f"an entry of {key} is not a mapping")
        yield entry


def _add(found: dict[Key, dict[str, Any]], key: Key, rule: dict[str, Any]) -> None:
    """Several of one name are told apart by their order."""
    number = 2
    unique = key
    while unique in found:
        unique = (*key, str(number))
        number += 1
    found[unique] = rule
