"""Inhibit rules, one for each source alert."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from rulegen.alertmanager.matchers import equals, is_set, one_of, unique
from rulegen.promql.conventions import LAYER, MODEL, SLO, TIER, AlertIdentity
from rulegen.spec.routing import Inhibit, Spec


def inhibit_rules(spec: Spec, alerts: Sequence[AlertIdentity]) -> list[dict[str, Any]]:
    """One rule for every alert that silences others.

    Alertmanager 0.30 to 0.34.0 lose track of a rule that several alerts fulfil. Every label under ``equal``
    has to be there: where it is missing on both sides Alertmanager takes it for equal, and would silence
    everything. The watchdog has no model, so nothing silences it.
    """
    rules: list[dict[str, Any]] = []
    about_models = _sorted(alerts)
    for inhibit in spec.inhibit:
        rules.extend(_rules_of(spec, inhibit, about_models))
    if spec.suppressLowerTiers:
        rules.extend(_lower_tiers(spec, about_models))
    return list({repr(rule): rule for rule in rules}.values())


def _rules_of(spec: Spec, inhibit: Inhibit, alerts: Sequence[AlertIdentity]) -> Iterator[dict[str, Any]]:
    """Unless told so, nothing silences an alert as urgent as itself.

    An alert that ends while it is silenced never says so. Its page would stay open, and Alertmanager, which
    takes it for told, would not page again when it returns.
    """
    layer, tier = inhibit.source.layer, inhibit.source.tier
    layers = [one_of(LAYER, inhibit.target.layers)] if inhibit.target.layers else []
    lower = _less_urgent(spec, alerts)
    # Many models have the same alert, and one rule is made of all.
    done: set[tuple[str | None, ...]] = set()
    for alert in alerts:
        tiers = inhibit.target.tiers or lower[alert.labels.get(TIER)]
        matches = layer in (None, alert.labels.get(LAYER)) and tier in (None, alert.labels.get(TIER))
        same = (alert.name, alert.labels.get(TIER), *_apart(alert, inhibit.equal))
        if matches and tiers and same not in done:
            done.add(same)
            target = [*layers, one_of(TIER, tiers)]
            source = _source(alert, inhibit.equal)
            if layer is not None:
                source.append(equals(LAYER, layer))
            if tier is not None:
                source.append(equals(TIER, tier))
            yield _rule(source, target, inhibit.equal)


def _lower_tiers(spec: Spec, alerts: Sequence[AlertIdentity]) -> Iterator[dict[str, Any]]:
    """The same SLO's more urgent tier silences its less urgent ones, where it has any."""
    present = {(alert.labels[MODEL], alert.labels[SLO], alert.labels.get(TIER)) for alert in alerts}
    less_urgent = _less_urgent(spec, alerts)
    done: set[tuple[str, str]] = set()
    for alert in alerts:
        lower = less_urgent[alert.labels.get(TIER)]
        same = (alert.name, alert.labels.get(TIER, ""))
        if same not in done and any(
            (alert.labels[MODEL], alert.labels[SLO], tier) in present for tier in lower
        ):
            done.add(same)
            source = [*_source(alert, [MODEL, SLO]), equals(TIER, alert.labels[TIER])]
            yield _rule(source, [one_of(TIER, lower)], [MODEL, SLO])


def _less_urgent(spec: Spec, alerts: Sequence[AlertIdentity]) -> dict[str | None, list[str]]:
    """The tiers below that of each alert; none below an alert of no tier."""
    tiers = {alert.labels.get(TIER) for alert in alerts}
    return {tier: [name for name in spec.tier_names if tier is not None and name > tier] for tier in tiers}


def _source(alert: AlertIdentity, equal: Sequence[str]) -> list[str]:
    """Return the matchers that single ``alert`` out; labels under ``equal`` need not be told apart."""
    return [equals("alertname", alert.name), *_apart(alert, equal)]


def _apart(alert: AlertIdentity, equal: Sequence[str]) -> list[str]:
    return [equals(label, alert.labels[label]) for label in (MODEL, SLO) if label not in equal]


def _rule(source: Sequence[str], target: Sequence[str], equal: Sequence[str]) -> dict[str, Any]:
    guards = [is_set(label) for label in unique([MODEL, *equal])]
    return {
        "source_matchers": [*source, *guards],
        "target_matchers": [*target, *guards],
        "equal": list(equal),
    }


def _sorted(alerts: Sequence[AlertIdentity]) -> list[AlertIdentity]:
    """Alerts about a model, in an order that does not depend on the order of the files."""
    about_models = [alert for alert in alerts if alert.labels.get(MODEL) and alert.labels.get(SLO)]
    return sorted(about_models, key=lambda alert: (alert.name, alert.labels[MODEL], alert.labels[SLO]))
