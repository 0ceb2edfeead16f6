"""Inhibit rules, one for each source alert."""

from collections.abc import Sequence
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
    """
    about_models = [alert for alert in alerts if alert.labels.get(MODEL) and alert.labels.get(SLO)]
    # Whatever the order of the files.
    about_models.sort(key=lambda alert: (alert.name, alert.labels[MODEL], alert.labels[SLO]))
    tiers = {alert.labels.get(TIER) for alert in about_models}
    lower = {tier: [name for name in spec.tier_names if tier is not None and name > tier] for tier in tiers}
    rules: list[dict[str, Any]] = []
    for inhibit in spec.inhibit:
        wanted = {LAYER: inhibit.source.layer, TIER: inhibit.source.tier}
        given = {label: value for label, value in wanted.items() if value is not None}
        layers = [one_of(LAYER, inhibit.target.layers)] if inhibit.target.layers else []
        for alert in about_models:
            targets = inhibit.target.tiers or lower[alert.labels.get(TIER)]
            if targets and all(alert.labels.get(label) == value for label, value in given.items()):
                rules.append(_rule(alert, given, [*layers, one_of(TIER, targets)], inhibit.equal))
    if spec.suppressLowerTiers:
        present = {(alert.labels[MODEL], alert.labels[SLO], alert.labels.get(TIER)) for alert in about_models}
        for alert in about_models:
            model, slo, tier = alert.labels[MODEL], alert.labels[SLO], alert.labels.get(TIER, "")
            if any((model, slo, less_urgent) in present for less_urgent in lower.get(tier, ())):
                rules.append(_rule(alert, {TIER: tier}, [one_of(TIER, lower[tier])], [MODEL, SLO]))
    # Many models have the same alert, and one rule is made of all.
    return list({repr(rule): rule for rule in rules}.values())


def _rule(
    alert: AlertIdentity, given: dict[str, str], target: Sequence[str], equal: Sequence[str]
) -> dict[str, Any]:
    """``given``: labels of ``alert`` that the source must have, beside what tells it from other alerts."""
    apart = {label: alert.labels[label] for label in (MODEL, SLO) if label not in equal}
    source = {"alertname": alert.name, **apart, **given}
    guards = [is_set(label) for label in dict.fromkeys([MODEL, *equal])]
    return {
        "source_matchers": [*(equals(label, value) for label, value in source.items()), *guards],
        "target_matchers": [*target, *guards],
        "equal": list(equal),
    }
