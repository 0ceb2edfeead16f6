"""The AlertRouting file: what is accepted, and what is said against everything else."""

# ruff: noqa: E501 - messages are compared whole
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from mlslo.yamlfile import InputError
from rulegen.spec import routing
from tests.support.paths import ROUTING as CONTRACT


def load(text: str, folder: Path) -> routing.Routing:
    path = folder / "routing.yaml"
    path.write_text(text)
    return routing.load(path)


def complaints(text: str, folder: Path) -> list[str]:
    """`line:column: message` of every problem."""
    with pytest.raises(InputError) as caught:
        load(text, folder)
    return [str(problem).partition("routing.yaml:")[2] for problem in caught.value.problems]


def test_the_contract_is_accepted_as_it_stands() -> None:
    spec = routing.load(CONTRACT).spec
    assert spec.tier_names == ["P1", "P2", "P3"]
    assert spec.fallback_receiver == "ml-digest"
    assert spec.teams["risk"]["P1"] == ["risk-oncall", "ml-slack"]
    assert spec.receivers["oncall"] == {
        "pagerduty_configs": [{"routing_key_file": "/etc/alertmanager/secrets/pagerduty"}]
    }


def test_the_smallest_file_is_accepted(tmp_path: Path) -> None:
    text = """
apiVersion: mlslo/v1
kind: AlertRouting
metadata: {name: small}
spec:
  tiers: {P1: {severity: critical, receivers: [all]}}
  receivers: {all: {webhook_configs: [{url: "http://localhost/"}]}}
"""
    spec = load(text, tmp_path).spec
    assert (spec.target.prometheus.from_, spec.target.alertmanager.from_) == ("2.42", "0.25")
    assert (spec.target.newest_prometheus, spec.target.newest_alertmanager) == ("3.5", "0.33")
    assert spec.evaluationInterval == "1m"
    assert spec.watchdog is None
    assert spec.suppressLowerTiers


# What is replaced in the contract, by what, and what is then said; § is where it has to point.
MISTAKES = [
    ("apiVersion: mlslo/v1", "apiVersion: §mlslo/v2", "expected one of mlslo/v1, got 'mlslo/v2'; did you mean 'mlslo/v1'?"),
    ("kind: AlertRouting", "kind: §AlertRoute", "expected one of AlertRouting, got 'AlertRoute'; did you mean 'AlertRouting'?"),
    ("groupBy:", "§groupby:", "unknown key 'groupby', expected one of "),
    ("groupWait: 30s", "groupWait: §30 seconds", "expected a duration such as 30s, 5m, 1h or 7d, got '30 seconds'; did you mean '30s'?"),
    ("repeatInterval: 4h", "repeatInterval: §4", "expected a duration such as 30s, 5m, 1h or 7d, got 4"),
    ("repeatInterval: 4h", "repeatInterval: §4m", "repeatInterval 4m is shorter than groupInterval 5m"),
    ("repeatInterval: 24h", "repeatInterval: §1m", "repeatInterval 1m is shorter than groupInterval 5m"),
    ('alertmanager: "0.25"', "alertmanager: §0.25", 'expected a version in quotes, such as "0.25", got the number 0.25'),
    ('alertmanager: "0.25"', 'alertmanager: §"v0.25"', "expected a version such as \"0.25\" or \"2.42.0\", got 'v0.25'"),
    ('alertmanager: "0.25"', 'alertmanager: §"0.21"', "expected Alertmanager 0.22 or newer, which has `matchers`, got 0.21"),
    ('prometheus: "2.42"', 'prometheus: §"1.8"', "expected Prometheus 2.31 or newer, got 1.8"),
    ("receivers: [oncall, ml-slack]}", "receivers: [oncall, §ml-slak]}", "receiver 'ml-slak' is not defined under spec.receivers, expected one of oncall, risk-oncall, ml-slack, ml-digest, dead-mans-switch; did you mean 'ml-slack'?"),
    ("receivers: [oncall, ml-slack]}", "receivers: §[oncall, oncall]}", "'oncall' is given twice"),
    ("receivers: [oncall, ml-slack]}", "receivers: §[]}", "expected at least one, got none"),
    ("{severity: critical, receivers: [oncall, ml-slack]}", "§{severity: critical}", "missing key 'receivers'"),
    ("P3: {severity", "§low: {severity", "expected a tier P0 to P9, the lower the more urgent, got 'low'"),
    ("activeDuring: [office-hours]", "activeDuring: [§office]", "time interval 'office' is not defined under spec.timeIntervals, expected one of office-hours, retraining; did you mean 'office-hours'?"),
    ("groupBy: [model, slo]", 'groupBy: §["...", slo]', "'...' stands for all labels, expected no other beside it"),
    ("groupBy: [model, slo]", "groupBy: [model, §s-l-o]", "expected a label name such as model, got 's-l-o'"),
    ("risk: {P1: [risk-oncall", "risk: {§P4: [risk-oncall", "tier 'P4' is not defined under spec.tiers, expected one of P1, P2, P3"),
    ("risk: {P1: [risk-oncall, ml-slack]}", "risk: {P1: [§risk-pager, ml-slack]}", "receiver 'risk-pager' is not defined under spec.receivers, expected one of oncall, risk-oncall, ml-slack, ml-digest, dead-mans-switch"),
    ("receivers: [dead-mans-switch]}", "receivers: [§deadmansswitch]}", "receiver 'deadmansswitch' is not defined under spec.receivers, expected one of oncall, risk-oncall, ml-slack, ml-digest, dead-mans-switch; did you mean 'dead-mans-switch'?"),
    ("during: retraining", "during: §training", "time interval 'training' is not defined under spec.timeIntervals, expected one of office-hours, retraining; did you mean 'retraining'?"),
    ("layers: [data]}", "layers: [§dat]}", "expected one of service, data, prediction, outcome, meta, got 'dat'; did you mean 'data'?"),
    ("layers: [data]}", "layers: §[]}", "expected at least one, got none"),
    ("source: {layer: service, tier: P1}", "source: §{}", "expected at least one of layer, tier"),
    ("source: {layer: service, tier: P1}", "source: {layer: service, tier: §P9}", "tier 'P9' is not defined under spec.tiers, expected one of P1, P2, P3"),
    ("{source: {layer: service, tier: P1}, target: {layers: [data, prediction, outcome]}", "§{source: {layer: service, tier: P1}, target: {layers: [data, service], tiers: [P1]}", "the source (layer service and tier P1) is among its own targets; leave its tier or layer out [inhibit-overlap]"),
    ("{source: {layer: service, tier: P1}, target: {layers: [data, prediction, outcome]}", "§{source: {layer: service}, target: {tiers: [P2]}", "the source (layer service) is among its own targets; leave its tier or layer out [inhibit-overlap]"),
    ("suppressLowerTiers: true", "suppressLowerTiers: §yes", "expected true or false, got 'yes'"),
    ("pagerduty_configs: [{routing_key_file: /etc/alertmanager/secrets/pagerduty}]", "§pagerduty_config: [{routing_key_file: /f}]", "unknown integration 'pagerduty_config', expected one of discord_configs, email_configs, incidentio_configs, jira_configs, mattermost_configs, msteams_configs, msteamsv2_configs, opsgenie_configs, pagerduty_configs, pushover_configs, rocketchat_configs, slack_configs, sns_configs, telegram_configs, victorops_configs, webex_configs, webhook_configs, wechat_configs; did you mean 'pagerduty_configs'?"),
    ("[{routing_key_file: /etc/alertmanager/secrets/pagerduty}]", "[{§routing_key: abc}]", "a literal secret: 'routing_key' in pagerduty_configs would be readable by all who read this file; use 'routing_key_file', the path of a file that holds it [literal-secret]"),
    ("[{routing_key_file: /etc/alertmanager/secrets/pagerduty}]", "[{§service_key: abc}]", "a literal secret: 'service_key' in pagerduty_configs would be readable by all who read this file; use 'service_key_file', the path of a file that holds it [literal-secret]"),
    ("[{routing_key_file: /etc/alertmanager/secrets/pagerduty}]", "[§{severity: error}]", "missing key 'routing_key_file' or 'service_key_file' in pagerduty_configs"),
    ("[{routing_key_file: /etc/alertmanager/secrets/pagerduty}]", "§{routing_key_file: /f}", "expected a list of mappings under pagerduty_configs"),
    ('channel: "#ml-alerts"', "§chanel: x", "unknown key 'chanel' in slack_configs, expected one of app_url, callback_id, channel, color, fallback, footer, icon_emoji, icon_url, image_url, link_names, message_text, mrkdwn_in, pretext, short_fields, text, thumb_url, timeout, title, title_link, username, send_resolved, http_config, actions, fields, api_url_file, app_token_file; did you mean 'channel'?"),
    ('channel: "#ml-alerts"', "channel: §", "expected a value for 'channel', got nothing; text that begins with # needs quotes: \"#channel\""),
    ('channel: "#ml-alerts"', "http_config: {basic_auth: {username: u, §password: p}}", "a literal secret: 'password' in basic_auth would be readable by all who read this file; use 'password_file', the path of a file that holds it [literal-secret]"),
    ('channel: "#ml-alerts"', "http_config: {§bearer_token: t}", "a literal secret: 'bearer_token' in http_config would be readable by all who read this file; use 'bearer_token_file', the path of a file that holds it [literal-secret]"),
    ('channel: "#ml-alerts"', "http_config: {authorization: {§credentials: t}}", "a literal secret: 'credentials' in authorization would be readable by all who read this file; use 'credentials_file', the path of a file that holds it [literal-secret]"),
    ('channel: "#ml-alerts"', "http_config: {oauth2: {§client_secret: t}}", "a literal secret: 'client_secret' in oauth2 would be readable by all who read this file; use 'client_secret_file', the path of a file that holds it [literal-secret]"),
    ('channel: "#ml-alerts"', "fields: [{§tittle: x}]", "unknown key 'tittle' in fields, expected one of short, title, value; did you mean 'title'?"),
    ('[{url: "http://dead-mans-switch.monitoring.svc/ping"}]', '[{url: §"https://u:p@example.org"}]', "a literal secret: the URL in 'url' holds a password; use http_config.basic_auth with 'password_file' [literal-secret]"),
    ('[{url: "http://dead-mans-switch.monitoring.svc/ping"}]', "[{§url_file: /f}]", "'url_file' in webhook_configs needs Alertmanager 0.26, target.alertmanager is 0.25"),
    ('webhook_configs: [{url: "http://dead-mans-switch.monitoring.svc/ping"}]', "telegram_configs: [{§bot_token: t, chat_id: 1}]", "a literal secret: 'bot_token' in telegram_configs would be readable by all who read this file; use 'bot_token_file', the path of a file that holds it (needs Alertmanager 0.26, target.alertmanager is 0.25) [literal-secret]"),
    ('webhook_configs: [{url: "http://dead-mans-switch.monitoring.svc/ping"}]', "sns_configs: [{topic_arn: a, sigv4: {§secret_key: s}}]", "a literal secret: 'secret_key' in sigv4 would be readable by all who read this file; use 'profile' or 'role_arn' [literal-secret]"),
    ('{weekdays: ["monday:friday"], times', '{weekdays: [§"monday:fryday"], times', "expected a weekday such as monday, or a range such as monday:friday, got 'monday:fryday'; did you mean 'friday'?"),
    ('["monday:friday"]', '§["monday:friday", friday]', "friday is given twice"),
    ('"09:00-18:00"', '§"09:00"', "expected a time range such as 09:00-18:00, got '09:00'"),
    ('"09:00-18:00"', '§"09:00-25:00"', "expected a time range such as 09:00-18:00, there is no 25:00; the last is 24:00"),
    ('"09:00-18:00"', '§"09:00-09:00"', "expected a time range such as 09:00-18:00, got the empty '09:00-09:00'; leave `times` out for the whole day"),
    ('["09:00-18:00"', '§["09:00-18:00", "17:00-19:00"', "'09:00-18:00' and '17:00-19:00' overlap"),
    ('"09:00-18:00"', "§09:00", "expected a time range such as 09:00-18:00, got '09:00'"),
    ("location: Europe/Berlin}\n    retraining", "location: §Europe/Berln}\n    retraining", "expected a time zone such as Europe/Berlin, got 'Europe/Berln'; did you mean 'Europe/Berlin'?"),
    ('{weekdays: [sunday], times: ["22:00-02:00"], location', '§{daysOfMonth: ["1"], times: ["22:00-02:00"], location', "'22:00-02:00' crosses midnight, which has no meaning with days of the month, months or years; write two ranges, up to 24:00 and from 00:00"),
    ('{weekdays: [sunday], times: ["22:00-02:00"], location', "§{location", "expected at least one of weekdays, times, daysOfMonth, months, years"),
    ("watchdog: {receivers: [dead-mans-switch]}", "defaultReceiver: §nobody", "receiver 'nobody' is not defined under spec.receivers, expected one of oncall, risk-oncall, ml-slack, ml-digest, dead-mans-switch"),
    ("oncall:\n      pagerduty_configs: [{routing_key_file: /etc/alertmanager/secrets/pagerduty}]", "§oncall: {}", "expected at least one of discord_configs, email_configs, incidentio_configs, jira_configs, mattermost_configs, msteams_configs, msteamsv2_configs, opsgenie_configs, pagerduty_configs, pushover_configs, rocketchat_configs, slack_configs, sns_configs, telegram_configs, victorops_configs, webex_configs, webhook_configs, wechat_configs; without one the receiver tells nobody [receiver-without-integration]"),
]  # fmt: skip


@pytest.mark.parametrize(("old", "new", "said"), MISTAKES, ids=lambda text: text[:40])
def test_a_mistake_is_named_with_its_place(old: str, new: str, said: str, tmp_path: Path) -> None:
    text = CONTRACT.read_text()
    assert old in text
    changed = text.replace(old, new, 1)
    before = changed[: changed.index("§")]
    place = f"{before.count(chr(10)) + 1}:{len(before) - before.rfind(chr(10))}"
    found = complaints(changed.replace("§", ""), tmp_path)
    # The keys of the file come and go.
    assert f"{place}: {said}" in found or (said.endswith(" of ") and found[0].startswith(f"{place}: {said}"))


def test_all_mistakes_are_named_at_once(tmp_path: Path) -> None:
    text = CONTRACT.read_text().replace("during: retraining", "during: x").replace("P1: [risk-", "P7: [x-")
    assert [message.split(" is not")[0] for message in complaints(text, tmp_path)] == [
        "17:12: tier 'P7'",
        "17:17: receiver 'x-oncall'",
        "33:16: time interval 'x'",
    ]


def older(version: str) -> Callable[[str], str]:
    return lambda text: text.replace('alertmanager: "0.25"', f'alertmanager: "{version}"')


@pytest.mark.parametrize(
    ("version", "said"),
    [
        ("0.24", "30:73: location needs Alertmanager 0.25, target.alertmanager is 0.24; without it times are UTC"),
        ("0.23", "11:71: activeDuring needs Alertmanager 0.24, target.alertmanager is 0.23"),
        ("0.24", "20:28: 'routing_key_file' in pagerduty_configs needs Alertmanager 0.25, target.alertmanager is 0.24"),
    ],
)  # fmt: skip
def test_an_older_alertmanager_is_not_given_what_it_does_not_know(
    version: str, said: str, tmp_path: Path
) -> None:
    assert said in complaints(older(version)(CONTRACT.read_text()), tmp_path)


def targeting(prometheus: str) -> str:
    """The contract's file with another target."""
    return CONTRACT.read_text().replace('prometheus: "2.42"', f"prometheus: {prometheus}")


@pytest.mark.parametrize(
    ("written", "newest"),
    [('"2.42"', "3.5"), ('{from: "2.42"}', "3.5"), ('{from: "2.53", to: "3.0"}', "3.0"), ('"3.9"', "3.9")],
)
def test_a_target_is_a_range_up_to_the_newest_known(written: str, newest: str, tmp_path: Path) -> None:
    assert load(targeting(written), tmp_path).spec.target.newest_prometheus == newest


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("2.50", "expected a version in quotes"),
        ('"2.x"', "expected a version such as"),
        ('{from: "2.x"}', "expected a version such as"),
        ('"2.30"', "expected Prometheus 2.31 or newer, got 2.30"),
        ('{from: "2.30"}', "expected Prometheus 2.31 or newer, got 2.30"),
        ('{from: "3.0", to: "2.53"}', "to: 2.53 is older than from: 3.0"),
        ('{to: "3.5"}', "missing key 'from'"),
        ('{from: "2.42", till: "3.5"}', "unknown key 'till'"),
        ("[]", "expected"),
    ],
)
def test_a_target_that_is_no_range_is_refused_with_its_place(written: str, said: str, tmp_path: Path) -> None:
    (message,) = complaints(targeting(written), tmp_path)
    assert re.match(rf"\d+:\d+: {re.escape(said)}", message), message


def test_a_newer_alertmanager_may_have_more(tmp_path: Path) -> None:
    text = older("0.26")(CONTRACT.read_text())
    text = text.replace('{url: "http://dead-mans-switch.monitoring.svc/ping"}', "{url_file: /f}")
    assert load(text, tmp_path).spec.receivers["dead-mans-switch"]
