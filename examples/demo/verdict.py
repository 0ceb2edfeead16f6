"""The verdict: the notifications that the story promises, and whether they came."""

from collections.abc import Iterable, Mapping, Sequence

from examples.demo.watch import Alert
from examples.standins import DEPLOYER, PAGERDUTY, SLACK, Delivery, headline
from exporter.act.record import Entry


def promises(
    deliveries: Sequence[Delivery], phases: Mapping[str, float], seen: Iterable[Alert], open_incidents: int
) -> list[tuple[bool, str]]:
    """Return each promise and whether it was kept. `phases` maps each chapter to its start in epoch seconds."""

    def sent(kind: str, name: str, after: str, before: str) -> bool:
        return any(
            delivery.kind == kind
            and phases[after] <= delivery.time.timestamp() < phases.get(before, float("inf"))
            and name in headline(delivery)
            for delivery in deliveries
        )

    held_back_by_outage = [by for alert in seen for by in alert.by if by.startswith("availability ")]
    early = [
        delivery
        for delivery in deliveries
        if delivery.kind in (SLACK, PAGERDUTY) and delivery.time.timestamp() < phases["drifting"]
    ]
    over = any(delivery.effect == "resolved" for delivery in deliveries) and not open_incidents
    return [
        (not early, "while the model was healthy nobody was told anything"),
        (
            sent(SLACK, "FeaturesDrifting", "drifting", "collapsed")
            and not sent(PAGERDUTY, "", "drifting", "collapsed"),
            "the drift went to Slack, and woke nobody",
        ),
        (sent(PAGERDUTY, "ModelCollapse", "collapsed", "repaired"), "the collapse woke the on-call"),
        (
            sent(PAGERDUTY, "availability", "failing", "repaired") and bool(held_back_by_outage),
            "the outage paged, and held back what followed from it",
        ),
        (over, "after the repair every page was resolved by itself"),
    ]


def rolled_back(
    deliveries: Sequence[Delivery], decided: Sequence[Entry], counts: Mapping[str, float]
) -> tuple[bool, str]:
    """Return whether the outage was ended by one call that a person approved, and is counted so."""
    kinds = [entry.kind for entry in decided]
    calls = [delivery for delivery in deliveries if delivery.kind == DEPLOYER]
    kept = kinds == ["waiting", "approved", "acted"] and len(calls) == 1 and counts.get("acted", 0) >= 1
    return kept, "the outage was ended by a roll-back that Anna approved, called once"
