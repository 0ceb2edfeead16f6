"""Inhibit rules, one for each source alert."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from rulegen.alertmanager.matchers import equals, is_set, one_of
from rulegen.promql.conventions import LAYER, MODEL, SLO, TIER, AlertIdentity
from rulegen.spec.routing import Spec


def inhibit_rules(spec: Spec, alerts: Sequence[AlertIdentity]) -> list[dict[str, Any]]:
    """One rule for every alert that silences others.

    Alertmanager 0.30 to 0.34.0 lose track of a rule that several alerts fulfil. Every label under ``equal``
    has to be there: where it is missing on both sides Alertmanager takes it for equal, and would silence
    everything. The watchdog has no model, so nothing silences it.

    Unless told so, nothing silences an alert as urgent as itself. An alert that ends while it is silenced never says
    so. Its page would stay open, and Alertmanager, which takes it for told, would not page again when it returns.

    An alert about one group of its SLO, such as a tenant, silences none about another.
    """
    about_models = [alert for alert in alerts if alert.labels.get(MODEL) and alert.labels.get(SLO)]
    # Whatever the order of the files.
    about_models.sort(key=lambda alert: (alert.name, alert.labels[MODEL], alert.labels[SLO]))
    sources = [_Source(alert, _foreign(alert, about_models)) for alert in about_models]
    tiers = {alert.labels.get(TIER) for alert in about_models}
    lower = {tier: [name for name in spec.tier_names if tier is not None and name > tier] for tier in tiers}
    rules: list[dict[str, Any]] = []
    for inhibit in spec.inhibit:
        wanted = {LAYER: inhibit.source.layer, TIER: inhibit.source.tier}
        given = {label: value for label, value in wanted.items() if value is not None}
        layers = [one_of(LAYER, inhibit.target.layers)] if inhibit.target.layers else []
        for source in sources:
            labels = source.alert.labels
            targets = inhibit.target.tiers or lower[labels.get(TIER)]
            if targets and all(labels.get(label) == value for label, value in given.items()):
                rules += source.rules(given, [*layers, one_of(TIER, targets)], inhibit.equal)
    if spec.suppressLowerTiers:
        present = {(alert.labels[MODEL], alert.labels[SLO], alert.labels.get(TIER)) for alert in about_models}
        for source in sources:
            model, slo, tier = (source.alert.labels.get(label, "") for label in (MODEL, SLO, TIER))
            if any((model, slo, less_urgent) in present for less_urgent in lower.get(tier, ())):
                rules.append(source.rule_of_slo(tier, [one_of(TIER, lower[tier])]))
    # Many models have the same alert, and one rule is made of all.
    return list({repr(rule): rule for rule in rules}.values())


def _foreign(alert: AlertIdentity, alerts: Sequence[AlertIdentity]) -> list[str]:
    """Return matchers that tell ``alert`` from those of its name that are about a group."""
    labels = sorted({label for other in alerts if other.name == alert.name for label in _group(other)})
    return [equals(label, alert.labels.get(label, "")) for label in labels if label not in _group(alert)]


def _group(alert: AlertIdentity) -> list[str]:
    """Return the labels that name the group which ``alert`` is about; none, where it is about all of them."""
    return [label for label in alert.groups if label in alert.series_labels]


@dataclass(frozen=True)
class _Source:
    """An alert that silences others; ``apart``: matchers that tell it from others of its name."""

    alert: AlertIdentity
    apart: Sequence[str]

    def rules(
        self, given: dict[str, str], target: Sequence[str], equal: Sequence[str]
    ) -> Iterator[dict[str, Any]]:
        """Yield the rules of an inhibition of the file; ``given``: labels that the source must have."""
        own = [label for label in _group(self.alert) if label not in equal]
        if own:
            of_none = [equals(label, "") for label in own]
            guards = [is_set(label) for label in own]
            yield self._rule(given, guards, [*target, *of_none], equal, equal)
        equal = [*equal, *own]
        yield self._rule(given, self.apart, target, equal, equal)

    def rule_of_slo(self, tier: str, target: Sequence[str]) -> dict[str, Any]:
        """Return the rule by which it silences the less urgent alerts of its SLO.

        What is about all groups silences nothing about one: Alertmanager compares a missing label, too.
        """
        guarded = [MODEL, SLO, *_group(self.alert)]
        equal = [MODEL, SLO, *self.alert.groups]
        return self._rule({TIER: tier}, self.apart, [*target, *self.apart], equal, guarded)

    def _rule(
        self,
        given: dict[str, str],
        source: Sequence[str],
        target: Sequence[str],
        equal: Sequence[str],
        guarded: Sequence[str],
    ) -> dict[str, Any]:
        labels = self.alert.labels
        apart = {label: labels[label] for label in (MODEL, SLO) if label not in equal}
        named = {"alertname": self.alert.name, **apart, **given}
        guards = [is_set(label) for label in dict.fromkeys([MODEL, *guarded])]
        return {
            "source_matchers": [*(equals(label, value) for label, value in named.items()), *source, *guards],
            "target_matchers": [*target, *guards],
            "equal": list(equal),
        }
