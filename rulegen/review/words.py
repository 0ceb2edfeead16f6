"""The whole review: by model what changes of its alerts, then what changes of who is told."""

from collections.abc import Collection
from pathlib import Path

from mlslo.yamlfile import InputError
from rulegen.output import generated_files
from rulegen.output.generated_files import Files
from rulegen.review.routing import Audience, Configuration, routing_words
from rulegen.review.rules import Rule, Rules, rule_words, texts_of

_CONFIGURATIONS = ("alertmanager/alertmanager.yaml", "alertmanager/mlslo.yaml")
_MOST = 4


def words(directory: Path, files: Files, audiences: Collection[Audience]) -> list[str]:
    """Describe what the files on disk would change to, one line for each change below a line for each file.

    ``audiences``: the tier and team of every alert, whether its file changes or not.
    A file on disk that cannot be read as what it should be is said to be so; the rest is still told.
    """
    names = sorted({*files, *generated_files.stale(directory, files)})
    found = {name: text for name in names if (text := generated_files.on_disk(directory / name)) is not None}
    changed = [name for name in names if found.get(name) != files.get(name)]
    configuration = next((name for name in _CONFIGURATIONS if name in files), None)
    broken: InputError | None = None
    before = after = Configuration()
    if configuration is not None:
        after = Configuration.read(configuration, files[configuration])
        try:
            before = (
                Configuration.read(configuration, found[configuration]) if configuration in found else before
            )
        except InputError as error:
            broken = error
    told_before = before.told if broken is None else lambda _: "unknown"
    lines: list[str] = []
    concerned = set(audiences)
    others: list[str] = []
    for name in changed:
        if name == configuration:
            continue
        if not name.startswith("rules/") or name.endswith("_test.yaml"):
            others.append(name)
            continue
        new = Rules.read(name, files[name]) if name in files else Rules()
        try:
            old = Rules.read(name, found[name]) if name in found else Rules(intervals=new.intervals)
        except InputError as error:
            lines += _unreadable(name, error)
            continue
        concerned |= {_audience(rule) for rule in old.alerts.values()}
        if name not in files:
            lines.append(f"{name}: no spec asks for it any more, {_count(old)} go with it")
            continue
        said = list(rule_words(old, new, told_before, after.told))
        title = name if name in found else f"{name}: a new file, {_count(new)}"
        lines += _section(title, said) or [f"{name}: written otherwise, nothing changes"]
    if broken is not None:
        lines += _unreadable("alertmanager", broken)
    else:
        lines += _section("routing", list(routing_words(before, after, concerned)))
    if others:
        shown = ", ".join(others[:_MOST]) + (
            f" and {len(others) - _MOST} more" if len(others) > _MOST else ""
        )
        lines.append(f"{'and' if lines else 'only'} tests, runbooks or dashboards: {shown}")
    return lines


def _unreadable(name: str, error: InputError) -> list[str]:
    return [f"{name}: not readable, all of it would be written anew", f"  {error.problems[0]}"]


def _audience(rule: Rule) -> Audience:
    labels = texts_of(rule, "labels")
    return labels.get("tier", ""), labels.get("team", "")


def _count(rules: Rules) -> str:
    return f"{len(rules.alerts)} {'alert' if len(rules.alerts) == 1 else 'alerts'}"


def _section(title: str, lines: list[str]) -> list[str]:
    return [title, *(f"  {line}" for line in lines)] if lines else []
