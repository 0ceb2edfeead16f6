"""An inhibition of `--base` that can silence our alerts."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from mlslo.yamlfile import quoted_list
from rulegen.alertmanager.matchers import Matcher
from rulegen.lint.finding import Finding, Run
from rulegen.promql.conventions import LAYER, MODEL, SLO, TIER, WATCHDOG_IDENTITY, AlertIdentity
from rulegen.simulation.suppression import InhibitRule

# Others' alerts have none of ours.
_OURS = ("alertname", MODEL, SLO, LAYER, TIER)
_MOST = 4


@dataclass
class _Kind:
    """Alerts of ours that are all the same to one rule. ``open``: labels whose values come with the series."""

    known: Mapping[str, str]
    open: frozenset[str]
    alerts: list[AlertIdentity] = field(default_factory=list)

    def may_match(self, matchers: Sequence[Matcher]) -> bool:
        return all(one.label in self.open or one.matches(self.known) for one in matchers)

    def must_match(self, matchers: Sequence[Matcher]) -> bool:
        return all(one.label not in self.open and one.matches(self.known) for one in matchers)

    def has(self, label: str) -> bool:
        return label in self.open or bool(self.known[label])

    def may_equal(self, other: _Kind, label: str) -> bool:
        """Return whether both may have the same value; one that both lack is the same to Alertmanager."""
        return label in self.open | other.open or self.known[label] == other.known[label]


def find(run: Run) -> Iterator[Finding]:
    if run.base is None:
        return
    identities = [placed.rule.identity for placed in run.alerts]
    if run.routing.spec.watchdog is not None:
        identities.append(WATCHDOG_IDENTITY)
    for index, data in enumerate(run.base.document.data.get("inhibit_rules") or []):
        rule = _rule(data)
        if rule is None:
            continue
        if (said := _said(rule, _kinds(rule, identities))) is not None:
            at = ("inhibit_rules", index)
            yield Finding(run.base.document, at, said, accepted_in=run.routing.document)


def _rule(data: Any) -> InhibitRule | None:
    """None for what Alertmanager would not load either: the file is others'."""
    try:
        rule = InhibitRule.of(data)
    except (AttributeError, TypeError, ValueError):
        return None
    named = [*(one.label for one in (*rule.source, *rule.target)), *rule.equal]
    return rule if all(isinstance(name, str) for name in named) else None


def _kinds(rule: InhibitRule, identities: Iterable[AlertIdentity]) -> list[_Kind]:
    labels = sorted({*(one.label for one in (*rule.source, *rule.target)), *rule.equal})
    found: dict[tuple[str | None, ...], _Kind] = {}
    for identity in identities:
        named = {**identity.labels, "alertname": identity.name}
        open_ = frozenset(identity.series_labels) - named.keys()
        key = tuple(None if label in open_ else named.get(label, "") for label in labels)
        if key not in found:
            found[key] = _Kind({label: named.get(label, "") for label in labels}, open_.intersection(labels))
        found[key].alerts.append(identity)
    return list(found.values())


def _said(rule: InhibitRule, kinds: Sequence[_Kind]) -> str | None:
    """Describe the effect of ``rule`` on our alerts in one line; None where it has none."""
    targets = [kind for kind in kinds if kind.may_match(rule.target)]
    by_others = [target for target in targets if _others_may(rule, target)]
    parts = []
    if by_others:
        source = ", ".join(map(str, rule.source))
        by = f"any alert with {source}" if source else "any alert"
        parts.append(f"{_named(by_others)} can be silenced by {by}{_same(rule, by_others)}")
    left = [target for target in targets if all(target is not other for other in by_others)]
    if found := list(_by_ours(rule, kinds, left)):
        by_ours = [target for target, _ in found]
        sources = (alert.name for _, of_it in found for source in of_it for alert in source.alerts)
        by = f"our own {quoted_list(dict.fromkeys(sources), _MOST)}"
        parts.append(f"{_named(by_ours)} can be silenced by {by}{_same(rule, by_ours)}")
    return "; ".join(parts) or None


def _others_may(rule: InhibitRule, target: _Kind) -> bool:
    if any(label in _OURS and target.has(label) for label in rule.equal):
        return False
    # A source has the same values there as the target.
    settled = {label for label in rule.equal if label not in target.open}
    return all(one.matches(target.known) for one in rule.source if one.label in settled)


def _by_ours(
    rule: InhibitRule, kinds: Sequence[_Kind], targets: Sequence[_Kind]
) -> Iterator[tuple[_Kind, list[_Kind]]]:
    """Each target that some of ours can silence, with those."""
    compared = [label for label in rule.equal if label in _OURS]
    sources: dict[tuple[str, ...], list[_Kind]] = {}
    for kind in kinds:
        if kind.may_match(rule.source):
            sources.setdefault(tuple(kind.known[label] for label in compared), []).append(kind)
    for target in targets:
        near = sources.get(tuple(target.known[label] for label in compared), [])
        if found := [source for source in near if _silences(rule, source, target)]:
            yield target, found


def _silences(rule: InhibitRule, source: _Kind, target: _Kind) -> bool:
    if source is target and len(source.alerts) == 1 and not source.open:
        return False
    # Who is on both sides is never silenced by another that is.
    if target.must_match(rule.source) and source.must_match(rule.target):
        return False
    return all(source.may_equal(target, label) for label in rule.equal)


def _same(rule: InhibitRule, targets: Sequence[_Kind]) -> str:
    lacking = [label for label in rule.equal if not all(target.has(label) for target in targets)]
    same = [label for label in rule.equal if label not in lacking]
    return (f" of the same {' and '.join(same)}" if same else "") + (
        f" that lacks {' and '.join(lacking)} too" if lacking else ""
    )


def _named(kinds: Iterable[_Kind]) -> str:
    """``P2 (A, B) and P3 (C)``."""
    tiers: dict[str, dict[str, None]] = {}
    for alert in (alert for kind in kinds for alert in kind.alerts):
        tiers.setdefault(alert.labels.get(TIER, ""), {})[alert.name] = None
    said = [
        f"{tier} ({quoted_list(tiers[tier], _MOST)})" if tier else f"the {quoted_list(tiers[tier])}"
        for tier in sorted(tiers, key=lambda tier: (not tier, tier))
    ]
    return " and ".join([", ".join(said[:-1]), said[-1]] if len(said) > 1 else said)
