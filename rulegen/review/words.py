"""The whole review: by model what changes of its alerts, then what changes of who is told."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from pathlib import Path
from typing import Any

from rulegen.output import generated_files
from rulegen.output.generated_files import Files
from rulegen.review import routing
from rulegen.review.routing import Audience, told
from rulegen.review.rulefile import Rules, UnreadableError, labels_of, load
from rulegen.review.rules import rule_words
from rulegen.review.tree import plain

_CONFIGURATIONS = ("alertmanager/alertmanager.yaml", "alertmanager/mlslo.yaml")


def words(directory: Path, files: Files, audiences: Collection[Audience]) -> list[str]:
    """Describe what the files on disk would change to, one line for each change below a line for each file.

    ``audiences``: the tier and team of every alert, whether its file changes or not.
    A file on disk that cannot be read as what it should be is said to be so; the rest is still told.
    """
    found = {name: generated_files.on_disk(directory, name) for name in files}
    gone = {
        name: generated_files.on_disk(directory, name) for name in generated_files.stale(directory, files)
    }
    configurations = [name for name in _CONFIGURATIONS if name in files]
    before = _configuration([found[name] for name in configurations])
    after = _configuration([files[name] for name in configurations])
    lines: list[str] = []
    concerned = set(audiences)
    changed: list[str] = []
    for name in sorted({*files, *gone}):
        old, new = found.get(name, gone.get(name)), files.get(name)
        rules = _is_rules(name)
        if old == new or name in configurations:
            continue
        if rules:
            concerned |= _audiences(old)
            lines += _headed(
                name, old, new, lambda old, new: rule_words(old, new, _told(before), _told(after))
            )
        else:
            changed.append(name)
    if isinstance(before, str):
        lines += ["alertmanager: not readable, all of it would be written anew", f"  {before}"]
    else:
        lines += _section("routing", routing.routing_words(before, after, concerned))
    if changed:
        shown = ", ".join(changed[:4]) + (f" and {len(changed) - 4} more" if len(changed) > 4 else "")
        lines.append(f"{'and' if lines else 'only'} tests, runbooks or dashboards: {shown}")
    return lines


def _is_rules(name: str) -> bool:
    return name.startswith("rules/") and name.endswith(".yaml") and not name.endswith("_test.yaml")


def _told(configuration: Any) -> Callable[[dict[str, str]], str]:
    if isinstance(configuration, str):
        return lambda labels: "unknown"  # noqa: ARG005
    return lambda labels: told(configuration, labels)


def _configuration(texts: list[str | None]) -> Any:
    """The configuration; None where there is none; a text that says why it cannot be read."""
    text = next((text for text in texts if text is not None), None)
    try:
        return None if text is None else plain(_carried(load(text)))
    except UnreadableError as error:
        return str(error)


def _carried(document: Any) -> Any:
    """Return what a Secret carries; others as they are."""
    if not isinstance(document, dict) or document.get("kind") != "Secret":
        return document
    carried = document.get("stringData")
    text = carried.get("alertmanager.yaml") if isinstance(carried, dict) else None
    return load(text) if isinstance(text, str) else {}


def _audiences(text: str | None) -> set[Audience]:
    try:
        alerts = {} if text is None else Rules.read(text).alerts
    except UnreadableError:
        return set()
    labels = [labels_of(rule) for rule in alerts.values()]
    return {(found["tier"], found.get("team", "")) for found in labels if "tier" in found}


def _headed(
    name: str, old: str | None, new: str | None, compare: Callable[[Rules, Rules], Iterator[str]]
) -> list[str]:
    nothing = Rules({}, {}, ())
    try:
        before = nothing if old is None else Rules.read(old)
    except UnreadableError as error:
        return [f"{name}: not readable, all of it would be written anew", f"  {error}"]
    after = nothing if new is None else Rules.read(new)
    if old is None:
        title = f"{name}: a new file, {_count(after)}"
    elif new is None:
        return [f"{name}: no spec asks for it any more, {_count(before)} go with it"]
    else:
        title = name
    if old is None:
        kept = Rules(before.alerts, after.records, after.intervals)
        return _section(title, compare(kept, after))
    return _section(title, compare(before, after)) or [f"{name}: written otherwise, nothing changes"]


def _count(rules: Rules) -> str:
    return f"{len(rules.alerts)} {'alert' if len(rules.alerts) == 1 else 'alerts'}"


def _section(title: str, lines: Iterator[str]) -> list[str]:
    said = [f"  {line}" for line in lines]
    return [title, *said] if said else []
