"""A real Alertmanager with the generated configuration: who is told what, once, and when not."""

import itertools
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from examples.standins import PAGERDUTY, SLACK, WEBHOOK, Delivery, Standins, headline, render
from mlslo.yamlfile import read
from rulegen import alertmanager
from rulegen.promql.conventions import WATCHDOG_IDENTITY, AlertIdentity
from rulegen.spec import routing
from tests.support.alertmanagers import Alertmanager
from tests.support.paths import ROUTING as CONTRACT
from tests.support.turns import unless_late

pytestmark = [pytest.mark.chain, pytest.mark.xdist_group("real programs")]

SEVERITIES = {"P1": "critical", "P2": "warning", "P3": "info", "P4": "info"}
WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
MODELS = (f"model-{number}" for number in itertools.count(1))
PATIENCE = 100.0


def identity(name: str, slo: str, layer: str, tier: str, team: str = "risk") -> AlertIdentity:
    labels = {"slo": slo, "layer": layer, "tier": tier, "severity": SEVERITIES[tier], "team": team}
    return AlertIdentity(name, {"model": "any", **labels}, ("version", "feature"))


COLLAPSE = identity("ModelCollapse", "collapse", "prediction", "P1")
NO_PREDICTIONS = identity("NoPredictions", "traffic", "service", "P1")
VOLUME = identity("PredictionVolumeAnomaly", "traffic", "service", "P2")
CONCEPT_DRIFT = identity("ConceptDrift", "auc", "outcome", "P2")
FAIRNESS = identity("FairnessGuardrail", "fairness", "outcome", "P2")
DRIFTING = identity("FeaturesDrifting", "feature-drift", "data", "P2")
DIGEST = identity("LabelsLate", "labels", "meta", "P3")
AFTER_HOURS = identity("LabelsLater", "labels", "meta", "P4")
IDENTITIES = (
    *(WATCHDOG_IDENTITY, COLLAPSE, NO_PREDICTIONS, VOLUME, CONCEPT_DRIFT),
    *(FAIRNESS, DRIFTING, DIGEST, AFTER_HOURS),
)


def alert(identity: AlertIdentity, model: str, team: str = "risk", **labels: str) -> dict[str, Any]:
    return {
        "labels": {"alertname": identity.name, **identity.labels, "model": model, "team": team, **labels},
        "annotations": {
            "summary": f"{identity.name} of {model}",
            "description": "The value is 0.3 > 0.25 & rising.",
            "runbook_url": "https://runbooks.example.org/fraud",
        },
        "generatorURL": "http://127.0.0.1:9090/graph?g0.expr=x",
    }


def contract_for(standins: Standins, folder: Path) -> Path:
    """The contract's routing file, with the stand-ins' addresses and times around now."""
    document: dict[str, Any] = yaml.safe_load(CONTRACT.read_text())
    spec = document["spec"]
    keys = {"pagerduty": "a" * 32, "pagerduty-risk": "b" * 32, "slack": standins.slack_url}
    for name, secret in keys.items():
        (folder / name).write_text(secret)
    for receiver in spec["receivers"].values():
        for config in receiver.get("pagerduty_configs", []):
            config["routing_key_file"] = str(folder / Path(config["routing_key_file"]).name)
            config["url"] = standins.pagerduty_url
        for config in receiver.get("slack_configs", []):
            config["api_url_file"] = str(folder / "slack")
        for config in receiver.get("webhook_configs", []):
            config["url"] = standins.webhook_url
    spec.update(groupWait="300ms", groupInterval="1s", repeatInterval="1h")
    spec["watchdog"]["repeatInterval"] = "2s"
    spec["tiers"]["P3"]["repeatInterval"] = "24h"
    spec["tiers"]["P4"] = {**spec["tiers"]["P3"], "activeDuring": ["another-day"]}
    # Days on both sides of today, so that no midnight and no zone changes the outcome.
    today = datetime.now(UTC)
    near = [WEEKDAYS[(today + timedelta(days=days)).weekday()] for days in (-1, 0, 1)]
    far = [day for day in WEEKDAYS if day not in near]
    spec["timeIntervals"]["office-hours"] = {"weekdays": near, "location": "Europe/Berlin"}
    spec["timeIntervals"]["retraining"] = {"weekdays": near}
    spec["timeIntervals"]["another-day"] = {"weekdays": far}
    spec["mute"].append({"during": "another-day", "layers": ["prediction"]})
    path = folder / "routing.yaml"
    path.write_text(yaml.safe_dump(document))
    return path


@pytest.fixture(scope="module")
def standins() -> Iterator[Standins]:
    with Standins() as standins:
        yield standins


@pytest.fixture(scope="module")
def server(standins: Standins, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Alertmanager]:
    folder = tmp_path_factory.mktemp("alertmanager")
    configuration = alertmanager.build(
        routing.from_document(read(contract_for(standins, folder))), IDENTITIES
    )
    (folder / "alertmanager.yaml").write_text(yaml.safe_dump(configuration, sort_keys=False))
    for name, text in alertmanager.templates().items():
        (folder / name).write_text(text)
    with Alertmanager(folder / "alertmanager.yaml", folder) as server:
        yield server
    # A template that fails is only ever seen in the log.
    assert "level=error" not in server.log, server.log
    assert "level=warn" not in server.log, server.log
    assert standins.refused == []


@pytest.fixture
def model() -> str:
    """A model of this test's own."""
    return next(MODELS)


def about(model: str, deliveries: list[Delivery]) -> list[Delivery]:
    return [delivery for delivery in deliveries if f" {model} " in f"{headline(delivery)} "]


def firing(kind: str, model: str) -> Any:
    return lambda delivery: (
        delivery.kind == kind
        and f" {model} " in headline(delivery)
        and delivery.effect != "resolved"
        and "resolved]" not in headline(delivery)
    )


def resolved(kind: str, model: str) -> Any:
    return lambda delivery: (
        delivery.kind == kind
        and f" {model} " in headline(delivery)
        and (delivery.effect == "resolved" or "resolved]" in headline(delivery))
    )


def let_pass(server: Alertmanager, standins: Standins) -> None:
    """Until every group that was there before has been looked at, at least twice."""
    marker = next(MODELS)
    server.fire(alert(COLLAPSE, marker))
    standins.wait_for(firing(SLACK, marker), PATIENCE)
    server.resolve(alert(COLLAPSE, marker))
    standins.wait_for(resolved(SLACK, marker), PATIENCE)


def test_p1_pages_and_tells_slack_once_and_both_hear_of_the_end(
    server: Alertmanager, standins: Standins, model: str
) -> None:
    collapse = alert(COLLAPSE, model, version="7")
    server.fire(collapse)
    page = standins.wait_for(firing(PAGERDUTY, model), PATIENCE)
    message = standins.wait_for(firing(SLACK, model), PATIENCE)

    assert page.effect == "triggered"
    assert page.payload["routing_key"] == "b" * 32
    event = page.payload["payload"]
    assert event["severity"] == "critical"
    assert event["summary"] == f"[P1] {model} collapse: ModelCollapse - ModelCollapse of {model}"
    assert {key: event[key] for key in ("source", "component", "group", "class")} == {
        "source": model,
        "component": "collapse",
        "group": "prediction",
        "class": "ModelCollapse",
    }
    details = event["custom_details"]
    assert details["tier"] == "P1"
    # A number since Alertmanager 0.30.
    assert str(details["num_firing"]) == "1"
    assert "The value is 0.3 > 0.25 & rising." in details["firing"]
    assert "version 7 · since " in details["firing"]
    # Nothing is null since Alertmanager 0.30.
    assert not details["resolved"]
    assert [link["text"] for link in page.payload["links"]] == ["Runbook", "Silence"]
    assert page.payload["links"][0]["href"] == "https://runbooks.example.org/fraud"

    assert message.payload["channel"] == "#ml-alerts"
    attachment = message.payload["attachments"][0]
    assert attachment["title"] == f"[P1] {model} collapse: ModelCollapse"
    assert attachment["title_link"] == "https://runbooks.example.org/fraud"
    assert attachment["color"] == "danger"
    assert "0.3 &gt; 0.25 &amp; rising" in attachment["text"]
    assert "<https://runbooks.example.org/fraud|Runbook> · <http" in attachment["text"]

    server.resolve(collapse)
    over = standins.wait_for(resolved(PAGERDUTY, model), PATIENCE)
    assert over.payload["dedup_key"] == page.payload["dedup_key"]
    assert over.payload["event_action"] == "resolve"
    message = standins.wait_for(resolved(SLACK, model), PATIENCE)
    assert message.payload["attachments"][0]["color"] == "good"
    assert message.payload["attachments"][0]["text"].startswith(
        f"Over: *ModelCollapse of {model}*\nversion 7"
    )
    assert "rising" not in message.payload["attachments"][0]["text"]

    let_pass(server, standins)
    told = about(model, standins.deliveries)
    assert sorted(delivery.kind for delivery in told) == [PAGERDUTY, PAGERDUTY, SLACK, SLACK]
    assert all(model in render(delivery) for delivery in told)


def test_another_team_has_another_pager(server: Alertmanager, standins: Standins, model: str) -> None:
    server.fire(alert(COLLAPSE, model, team="search"))
    page = standins.wait_for(firing(PAGERDUTY, model), PATIENCE)
    assert page.payload["routing_key"] == "a" * 32


def test_a_page_about_text_like_yaml_or_a_template_arrives_as_text(
    server: Alertmanager, standins: Standins, model: str
) -> None:
    """Alertmanager 0.30 and newer read details as YAML, and render what they find once more; values are traffic's."""
    collapse = alert(COLLAPSE, model, segment="country", segment_value="{{ .Nope }}: x")
    collapse["annotations"] |= {"summary": "collapsed: 3 of 4", "description": "- a: [b\n# c\n---\n{d: }}"}
    server.fire(collapse)
    details = standins.wait_for(firing(PAGERDUTY, model), PATIENCE).payload["payload"]["custom_details"]
    own = "collapsed: 3 of 4\n- a: [b\n# c\n---\n{d: }}"
    assert details["firing"].startswith(f"1 firing\n{own}\ncountry={{{{ .Nope }}}}: x · since ")
    server.resolve(collapse)


def test_p2_goes_to_slack_only(server: Alertmanager, standins: Standins, model: str) -> None:
    server.fire(alert(CONCEPT_DRIFT, model))
    message = standins.wait_for(firing(SLACK, model), PATIENCE)
    assert message.payload["channel"] == "#ml-alerts"
    assert message.payload["attachments"][0]["color"] == "warning"
    let_pass(server, standins)
    assert [delivery.kind for delivery in about(model, standins.deliveries)] == [SLACK]


def test_the_digest_is_sent_in_office_hours_only(
    server: Alertmanager, standins: Standins, model: str
) -> None:
    late = next(MODELS)
    server.fire(alert(AFTER_HOURS, late), alert(DIGEST, model))
    assert standins.wait_for(firing(SLACK, model), PATIENCE).payload["channel"] == "#ml-digest"
    let_pass(server, standins)
    assert about(late, standins.deliveries) == []


def test_a_muted_layer_is_held_back_and_the_others_are_not(
    server: Alertmanager, standins: Standins, model: str
) -> None:
    server.fire(alert(DRIFTING, model))
    let_pass(server, standins)  # itself of a layer that is muted on another day
    assert about(model, standins.deliveries) == []


def test_a_service_outage_silences_what_follows_from_it_on_the_same_model(
    server: Alertmanager, standins: Standins, model: str
) -> None:
    other = next(MODELS)
    server.fire(alert(NO_PREDICTIONS, model))
    standins.wait_for(firing(PAGERDUTY, model), PATIENCE)
    server.fire(alert(CONCEPT_DRIFT, model), alert(CONCEPT_DRIFT, other))
    standins.wait_for(firing(SLACK, other), PATIENCE)
    let_pass(server, standins)
    assert server.inhibited(model) == {"ConceptDrift"}
    assert not any("ConceptDrift" in headline(delivery) for delivery in about(model, standins.deliveries))

    server.resolve(alert(NO_PREDICTIONS, model))
    message = standins.wait_for(
        lambda delivery: firing(SLACK, model)(delivery) and "ConceptDrift" in headline(delivery), PATIENCE
    )
    assert "ConceptDrift of" in message.payload["attachments"][0]["text"]


def test_a_page_that_ends_during_an_outage_is_resolved_and_the_next_one_wakes_again(
    server: Alertmanager, standins: Standins, model: str
) -> None:
    """Were it silenced, Alertmanager would tell neither its end nor its return."""
    server.fire(alert(COLLAPSE, model))
    standins.wait_for(firing(PAGERDUTY, model), PATIENCE)
    server.fire(alert(NO_PREDICTIONS, model))
    standins.wait_for(
        lambda delivery: firing(PAGERDUTY, model)(delivery) and "NoPredictions" in headline(delivery),
        PATIENCE,
    )
    server.resolve(alert(COLLAPSE, model))
    first = standins.wait_for(resolved(PAGERDUTY, model), PATIENCE)
    assert "ModelCollapse" in headline(first)
    server.fire(alert(COLLAPSE, model))
    again = standins.wait_for(
        lambda delivery: firing(PAGERDUTY, model)(delivery) and delivery.time > first.time, PATIENCE
    )
    assert again.effect == "triggered"


def test_the_same_slos_p1_silences_its_p2_and_no_other_slos(
    server: Alertmanager, standins: Standins, model: str
) -> None:
    server.fire(alert(NO_PREDICTIONS, model))
    standins.wait_for(firing(PAGERDUTY, model), PATIENCE)
    # Availability is of the service layer too, which the outage does not silence.
    elsewhere = identity("ErrorBudgetSlowBurn", "availability", "service", "P2")
    server.fire(alert(VOLUME, model), alert(elsewhere, model))
    standins.wait_for(
        lambda delivery: firing(SLACK, model)(delivery) and "SlowBurn" in headline(delivery), PATIENCE
    )
    let_pass(server, standins)
    assert server.inhibited(model) == {"PredictionVolumeAnomaly"}


def test_alerts_without_a_model_silence_nothing(server: Alertmanager, standins: Standins, model: str) -> None:
    """Two missing labels are equal to Alertmanager: without a guard this would be inhibited."""
    source = alert(NO_PREDICTIONS, model)
    target = alert(CONCEPT_DRIFT, model)
    for unlabelled in (source, target):
        unlabelled["labels"] = {**unlabelled["labels"], "model": "", "slo": f"slo-{model}"}
    server.fire(source, target)
    standins.wait_for(
        lambda delivery: delivery.kind == SLACK and f"slo-{model}: ConceptDrift" in headline(delivery),
        PATIENCE,
    )


def test_an_alert_of_no_tier_is_not_lost(server: Alertmanager, standins: Standins, model: str) -> None:
    server.fire({"labels": {"alertname": "Unknown", "model": model, "slo": "none"}, "annotations": {}})
    message = standins.wait_for(firing(SLACK, model), PATIENCE)
    assert message.payload["channel"] == "#ml-digest"
    assert message.payload["attachments"][0]["title"] == f"[no tier] {model} none: Unknown"


def test_alerts_of_one_slo_come_as_one_message(server: Alertmanager, standins: Standins, model: str) -> None:
    server.fire(*(alert(CONCEPT_DRIFT, model, feature=f"f{number}") for number in range(8)))
    message = standins.wait_for(firing(SLACK, model), PATIENCE)
    attachment = message.payload["attachments"][0]
    assert attachment["title"] == f"[P2] {model} auc: ConceptDrift (+7 more)"
    assert attachment["text"].count("feature f") == 5
    assert "and 3 more" in attachment["text"]
    assert len(about(model, standins.deliveries)) == 1


@unless_late(0.5)
def test_the_watchdog_is_a_steady_heartbeat(server: Alertmanager, standins: Standins) -> None:
    watchdog = {"labels": {"alertname": "Watchdog", "severity": "none"}, "annotations": {}}
    server.fire(watchdog)
    beats: list[Delivery] = []
    while len(beats) < 3:
        beats.append(standins.wait_for(lambda one: one.kind == WEBHOOK and one not in beats, PATIENCE))
    gaps = [(later.time - earlier.time).total_seconds() for earlier, later in itertools.pairwise(beats)]
    # Every other beat missed would be 4 s.
    assert all(1 < gap < 3.5 for gap in gaps), gaps
    # Its end is not told: to a dead man's switch that would be one more sign of life.
    server.resolve(watchdog)
    let_pass(server, standins)
    assert all(d.payload["status"] == "firing" for d in standins.deliveries if d.kind == WEBHOOK)
