"""The generated alertmanager.yaml: its golden form, amtool's opinion, and where each alert goes.

After a wanted change, `python -m tests.rulegen.alertmanager.test_configuration` rewrites the golden file.
"""

import itertools
import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mlslo.yamlfile import InputError, read
from rulegen import alertmanager
from rulegen.alertmanager.matchers import equals
from rulegen.promql.conventions import LAYERS, NO_DATA, WATCHDOG_IDENTITY, AlertIdentity
from rulegen.promql.versions import at_least
from rulegen.spec import routing
from tests.rulegen.spec.test_integrations import usable, version
from tests.support.paths import TESTS as HERE
from tests.support.tools import alertmanager_version, tool

CONTRACT = HERE / "contract" / "routing.yaml"
GOLDEN = HERE / "golden" / "alertmanager.yaml"
SEVERITIES = {"P1": "critical", "P2": "warning", "P3": "info"}


def identity(name: str, slo: str, layer: str, tier: str, model: str = "fraud") -> AlertIdentity:
    labels = {"model": model, "slo": slo, "layer": layer, "tier": tier, "severity": SEVERITIES[tier]}
    return AlertIdentity(name, {**labels, "team": "risk"}, ("version", "feature"))


IDENTITIES = [
    WATCHDOG_IDENTITY,
    *(
        identity(name, slo, "service", tier)
        for slo in ("availability", "latency", "gateway")
        for name, tier in (("ErrorBudgetFastBurn", "P1"), ("ErrorBudgetSlowBurn", "P2"))
    ),
    identity("NoPredictions", "traffic", "service", "P1"),
    identity("PredictionVolumeAnomaly", "traffic", "service", "P2"),
    identity("FeaturesDrifting", "feature-drift", "data", "P2"),
    identity("FeatureDrift", "feature-drift", "data", "P3"),
    identity("FeatureMissing", "nulls", "data", "P2"),
    identity("ModelCollapse", "collapse", "prediction", "P1"),
    identity(NO_DATA, "collapse", "prediction", "P2"),
    identity("ConceptDrift", "auc", "outcome", "P2"),
    identity("ModelDegraded", "auc", "outcome", "P1"),
    identity("FairnessGuardrail", "fairness", "outcome", "P2"),
]


def built(document: dict[str, Any], folder: Path, alerts: list[AlertIdentity] = IDENTITIES) -> dict[str, Any]:
    path = folder / "routing.yaml"
    path.write_text(json.dumps(document, ensure_ascii=False))
    return alertmanager.build(routing.from_document(read(path)), alerts)


def contract() -> dict[str, Any]:
    document: dict[str, Any] = yaml.safe_load(CONTRACT.read_text())
    return document


def text(configuration: dict[str, Any]) -> str:
    return yaml.safe_dump(configuration, sort_keys=False, width=200, allow_unicode=True)


def golden() -> str:
    return text(alertmanager.build(routing.from_document(read(CONTRACT)), IDENTITIES))


def written(configuration: dict[str, Any], folder: Path) -> Path:
    path = folder / "alertmanager.yaml"
    path.write_text(text(configuration))
    for name, template in alertmanager.templates().items():
        (folder / name).write_text(template)
    return path


def amtool(*arguments: str) -> str:
    answer = subprocess.run(
        [tool("amtool"), *arguments], capture_output=True, text=True, timeout=30, check=False
    )
    assert answer.returncode == 0, answer.stdout + answer.stderr
    return answer.stdout


@pytest.fixture(scope="module")
def configuration(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return written(yaml.safe_load(golden()), tmp_path_factory.mktemp("configuration"))


def test_the_contract_gives_the_golden_file() -> None:
    assert golden() == GOLDEN.read_text(), "see the top of this file for how to accept a change"


def test_the_order_of_the_alerts_changes_nothing() -> None:
    backwards = alertmanager.build(routing.from_document(read(CONTRACT)), IDENTITIES[::-1])
    assert text(backwards) == golden()


def test_nothing_is_written_as_an_alias() -> None:
    assert "&id" not in golden()


def test_amtool_accepts_it(configuration: Path) -> None:
    said = amtool("check-config", str(configuration))
    assert "5 receivers" in said
    assert "3 templates" in said


@pytest.mark.parametrize("mode", ["classic-mode", "utf8-strict-mode"])
def test_both_ways_to_read_matchers_read_ours_alike(configuration: Path, mode: str) -> None:
    """Alertmanager 0.27 has a new parser of matchers, and falls back to the old one where they disagree."""
    if not at_least(alertmanager_version(), "0.27"):
        pytest.skip("there is one parser only")
    arguments = ["--enable-feature", mode, "config", "routes", "test", f"--config.file={configuration}"]
    for team, tier in itertools.product(("risk", "search"), ("P1", "P3")):
        told = amtool(*arguments, f"team={team}", f"tier={tier}", "model=fraud")
        # A line of its log stands before it.
        assert set(told.split()[-1].split(",")) == set(expected_receivers(team, tier))


def expected_receivers(team: str, tier: str) -> list[str]:
    spec = contract()["spec"]
    told = spec["teams"].get(team, {}).get(tier) or spec["tiers"].get(tier, {}).get("receivers")
    return told or ["ml-digest"]


def test_amtool_sends_every_alert_where_the_file_says(configuration: Path) -> None:
    for team, tier, layer in itertools.product(("risk", "search", ""), ("P1", "P2", "P3", ""), LAYERS):
        labels = {
            "alertname": "Any",
            "model": "fraud",
            "slo": "any",
            "team": team,
            "tier": tier,
            "layer": layer,
        }
        given_labels = [f"{name}={value}" for name, value in labels.items() if value]
        told = amtool("config", "routes", "test", f"--config.file={configuration}", *given_labels)
        assert told.strip().split(",") == expected_receivers(team, tier), labels


def test_the_watchdog_goes_to_the_dead_mans_switch_alone(configuration: Path) -> None:
    told = amtool(
        "config", "routes", "test", f"--config.file={configuration}", "alertname=Watchdog", "tier=P1"
    )
    assert told.strip() == "dead-mans-switch"


def test_every_route_of_a_muted_layer_is_muted_and_no_other() -> None:
    for route in yaml.safe_load(golden())["route"]["routes"]:
        assert ("mute_time_intervals" in route) == ('layer="data"' in route["matchers"])


def test_a_new_model_moves_no_route_and_so_no_open_incident() -> None:
    more = [*IDENTITIES, identity("NoPredictions", "traffic", "service", "P1", model="credit")]
    again = alertmanager.build(routing.from_document(read(CONTRACT)), more)
    assert again["route"] == yaml.safe_load(golden())["route"]


def test_a_new_mute_or_receiver_moves_no_other_route(tmp_path: Path) -> None:
    """PagerDuty's incident key is made of the matchers."""

    def keys(configuration: dict[str, Any]) -> set[tuple[str, str]]:
        return {
            (route["receiver"], ",".join(route["matchers"])) for route in configuration["route"]["routes"]
        }

    document = contract()
    document["spec"]["mute"].append({"during": "office-hours", "layers": ["outcome"]})
    document["spec"]["tiers"]["P1"]["receivers"].append("ml-digest")
    before, after = keys(yaml.safe_load(golden())), keys(built(document, tmp_path))
    assert before < after


def test_each_source_alert_has_its_own_rule_with_every_equal_label_guarded() -> None:
    rules = yaml.safe_load(golden())["inhibit_rules"]
    for rule in rules:
        assert sum(matcher.startswith("alertname=") for matcher in rule["source_matchers"]) == 1
        for label in [*rule["equal"], "model"]:
            assert f'{label}!=""' in rule["source_matchers"]
            assert f'{label}!=""' in rule["target_matchers"]
    of_the_service = [rule for rule in rules if 'layer="service"' in rule["source_matchers"]]
    # Three budgets and the traffic, each a rule; slow burns are P2.
    assert len(of_the_service) == 4
    assert len({tuple(rule["source_matchers"]) for rule in rules}) == len(rules)


def test_a_tier_with_no_lower_tier_in_its_slo_silences_nothing(tmp_path: Path) -> None:
    document = contract()
    document["spec"]["inhibit"] = []
    alone = [identity("ModelCollapse", "collapse", "prediction", "P1")]
    assert "inhibit_rules" not in built(document, tmp_path, alone)
    document["spec"]["suppressLowerTiers"] = False
    assert "inhibit_rules" not in built(document, tmp_path)


def test_nothing_silences_an_alert_as_urgent_as_itself_unless_told_so(tmp_path: Path) -> None:
    rules = yaml.safe_load(golden())["inhibit_rules"]
    assert rules
    for rule in rules:
        assert 'tier="P1"' not in rule["target_matchers"]
        assert not any("P1" in matcher for matcher in rule["target_matchers"])
    document = contract()
    document["spec"]["inhibit"][0]["target"]["tiers"] = ["P1", "P2"]
    targets = [rule["target_matchers"] for rule in built(document, tmp_path)["inhibit_rules"]]
    assert ['layer=~"data|prediction|outcome"', 'tier=~"P1|P2"', 'model!=""'] in targets
    document["spec"]["inhibit"][0].update(source={"tier": "P3"}, target={"layers": ["data"]})
    assert not any(
        'layer="data"' in rule["target_matchers"] for rule in built(document, tmp_path)["inhibit_rules"]
    )


def test_models_are_told_apart_where_they_need_not_be_equal(tmp_path: Path) -> None:
    document = contract()
    document["spec"]["inhibit"][0]["equal"] = ["team"]
    rules = built(document, tmp_path)["inhibit_rules"]
    assert all('model="fraud"' in rule["source_matchers"] for rule in rules if rule["equal"] == ["team"])


@pytest.mark.parametrize(
    ("change", "label"),
    [({"groupBy": ["modle"]}, "modle"), ({"inhibit": [{"equal": ["tema"]}]}, "tema")],
)
def test_a_label_that_no_alert_carries_is_refused(change: dict[str, Any], label: str, tmp_path: Path) -> None:
    document = contract()
    if "inhibit" in change:
        document["spec"]["inhibit"][0].update(change["inhibit"][0])
    else:
        document["spec"].update(change)
    with pytest.raises(
        InputError, match=rf"routing.yaml:1:\d+: no alert carries the label '{label}', .*did you"
    ):
        built(document, tmp_path)


def test_what_a_user_writes_in_a_receiver_stays(tmp_path: Path) -> None:
    document = contract()
    mine: dict[str, Any] = {
        "api_url_file": "/f", "title": "mine", "send_resolved": False, "http_config": {"proxy_url": "http://p"},
    }  # fmt: skip
    mail = {"to": "a@b.c", "from": "d@e.f", "smarthost": "localhost:25", "headers": {"X-Mine": "1"}}
    document["spec"]["receivers"]["ml-slack"] = {"slack_configs": [mine], "email_configs": [mail]}
    configuration = built(document, tmp_path)
    slack = configuration["receivers"][2]["slack_configs"][0]
    assert slack.items() >= mine.items()
    assert "mlslo.slack.text" in slack["text"]
    headers = configuration["receivers"][2]["email_configs"][0]["headers"]
    assert headers == {"X-Mine": "1", "Subject": '{{ template "mlslo.title" . }}'}
    amtool("check-config", str(written(configuration, tmp_path)))


def test_all_labels_may_be_grouped_by(tmp_path: Path) -> None:
    document = contract()
    document["spec"]["groupBy"] = ["..."]
    configuration = built(document, tmp_path)
    assert configuration["route"]["group_by"] == ["..."]
    amtool("check-config", str(written(configuration, tmp_path)))


NEWER = {
    "discord_configs": {"webhook_url_file": "/f"},
    "incidentio_configs": {"url": "http://127.0.0.1/", "alert_source_token_file": "/f"},
    "jira_configs": {"api_url": "http://127.0.0.1/", "project": "p", "issue_type": "t"},
    "mattermost_configs": {"webhook_url_file": "/f"},
    "msteams_configs": {"webhook_url_file": "/f"},
    "msteamsv2_configs": {"webhook_url_file": "/f"},
    "pushover_configs": {"token_file": "/f", "user_key_file": "/f"},
    "rocketchat_configs": {"token_file": "/f", "token_id_file": "/f"},
    "telegram_configs": {"bot_token_file": "/f", "chat_id": 1},
    "wechat_configs": {"api_secret_file": "/f", "corp_id": "c"},
}


def test_every_integration_with_our_texts_is_accepted(tmp_path: Path) -> None:
    document = contract()
    document["spec"]["receivers"]["everything"] = {
        "email_configs": [{"to": "a@b.c", "from": "d@e.f", "smarthost": "localhost:25"}],
        "opsgenie_configs": [{"api_key_file": "/f"}],
        "pagerduty_configs": [{"service_key_file": "/f", "details": {"mine": "1"}}],
        "sns_configs": [{"topic_arn": "arn:x", "sigv4": {"region": "eu-west-1"}}],
        "victorops_configs": [{"api_key_file": "/f", "routing_key": "r"}],
        "webex_configs": [{"room_id": "r", "http_config": {"authorization": {"credentials_file": "/f"}}}],
        "webhook_configs": [{"url": "http://127.0.0.1/"}],
        **{name: [config] for name, config in NEWER.items() if usable(name)},
    }
    document["spec"]["target"]["alertmanager"] = version()
    amtool("check-config", str(written(built(document, tmp_path), tmp_path)))


def test_a_watchdog_that_shares_its_receiver_leaves_it_alone(tmp_path: Path) -> None:
    document = contract()
    document["spec"]["tiers"]["P2"]["receivers"].append("dead-mans-switch")
    assert built(document, tmp_path)["receivers"][-1]["webhook_configs"] == [
        {"url": "http://dead-mans-switch.monitoring.svc/ping"}
    ]


def test_tiers_have_their_own_timing(tmp_path: Path) -> None:
    document = contract()
    document["spec"]["tiers"]["P1"].update(groupWait="5s", groupInterval="1m", repeatInterval="30m")
    document["spec"].pop("watchdog")
    document["spec"]["defaultReceiver"] = "oncall"
    route = built(document, tmp_path)["route"]
    assert route["receiver"] == "oncall"
    timing = {"group_wait": "5s", "group_interval": "1m", "repeat_interval": "30m"}
    for leaf in route["routes"]:
        assert (leaf.items() >= timing.items()) == ('tier="P1"' in leaf["matchers"])
        assert 'alertname="Watchdog"' not in leaf["matchers"]


@given(st.text(st.characters(exclude_categories=["C"]) | st.just("\n")))
def test_any_text_makes_a_matcher_that_reads_back(value: str) -> None:
    assert json.loads(equals("slo", value).removeprefix("slo=")) == value


TIERS = ("P1", "P2", "P3")
NAMES = st.text(st.characters(exclude_categories=["C", "Zl", "Zp"]), min_size=1, max_size=8).filter(str.strip)


@st.composite
def documents(draw: st.DrawFn) -> dict[str, Any]:
    """Routing files of any size, with names that need quoting."""
    names = draw(st.lists(NAMES, min_size=1, max_size=3, unique=True))
    told = st.lists(st.sampled_from(names), min_size=1, max_size=3, unique=True)
    tiers = draw(st.lists(st.sampled_from(TIERS), min_size=1, unique=True))
    layers = st.lists(st.sampled_from(LAYERS), min_size=1, unique=True)
    teams = st.dictionaries(NAMES, st.dictionaries(st.sampled_from(tiers), told), max_size=2)
    muted = draw(st.lists(layers, max_size=1))
    active = st.sampled_from(([], ["t"]))
    return {
        "apiVersion": "mlslo/v1",
        "kind": "AlertRouting",
        "metadata": {"name": "any"},
        "spec": {
            "tiers": {
                tier: {"severity": "critical", "receivers": draw(told), "activeDuring": draw(active)}
                for tier in tiers
            },
            "teams": draw(teams),
            "receivers": {name: {"webhook_configs": [{"url": "http://127.0.0.1/"}]} for name in names},
            "timeIntervals": {"t": {"weekdays": ["saturday:monday"], "times": ["22:00-02:00"]}},
            "mute": [{"during": "t", "layers": layers} for layers in muted],
        },
    }


@settings(max_examples=6, deadline=None, suppress_health_check=list(HealthCheck))
@given(document=documents(), layer=st.sampled_from(LAYERS), data=st.data())
def test_amtool_agrees_about_any_routing_file(
    document: dict[str, Any], layer: str, data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("any")
    path = written(built(document, folder), folder)
    amtool("check-config", str(path))
    spec = document["spec"]
    team = data.draw(st.sampled_from([*spec["teams"], "another"]))
    tier = data.draw(st.sampled_from(list(spec["tiers"])))
    expected = spec["teams"].get(team, {}).get(tier) or spec["tiers"][tier]["receivers"]
    labels = [f"tier={tier}", f"team={json.dumps(team, ensure_ascii=False)}", f"layer={layer}"]
    told = amtool("config", "routes", "test", f"--config.file={path}", *labels)
    assert told.removesuffix("\n") == ",".join(expected)


if __name__ == "__main__":
    GOLDEN.parent.mkdir(exist_ok=True)
    GOLDEN.write_text(golden())
