"""generate --format operator: objects that the CRDs take, and that mean what the plain files mean."""

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner, Result
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mlslo.yamlfile import InputError, read
from rulegen import alertmanager
from rulegen.alertmanager import operator
from rulegen.alertmanager.operator.receivers import uses_added_functions, with_templates
from rulegen.cli import main
from rulegen.promql.conventions import LAYERS
from rulegen.spec import routing
from rulegen.spec.integrations import INTEGRATIONS, TEXTS, Keys
from tests.rulegen.alertmanager.test_configuration import IDENTITIES, amtool, documents
from tests.rulegen.alertmanager.test_templates import a_group, an_alert, texts_of
from tests.rulegen.commands.test_generate import SMALL
from tests.support.crd_schemas import Schema
from tests.support.operator_conversion import configuration
from tests.support.paths import TESTS as HERE
from tests.support.tools import tool

ROUTING = HERE / "crds" / "routing.yaml"


def run(*arguments: object) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def document() -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load(ROUTING.read_text())
    return loaded


def converted(document: dict[str, Any], folder: Path) -> dict[str, Any]:
    path = folder / "routing.yaml"
    # PyYAML leaves text such as 0E0 without quotes, which is a number to us.
    path.write_text(json.dumps(document, ensure_ascii=False))
    loaded = routing.from_document(read(path))
    return operator.alertmanager_config(loaded, IDENTITIES)


def refused(document: dict[str, Any], folder: Path) -> list[str]:
    with pytest.raises(InputError) as caught:
        converted(document, folder)
    return [problem.message for problem in caught.value.problems]


@pytest.fixture(scope="module")
def generated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("objects")
    (out / "small.slo.yaml").write_text(SMALL.replace("NAME", "small"))
    result = run("generate", out / "small.slo.yaml", ROUTING, "--format", "operator", "--out", out)
    assert result.exit_code == 0, result.stderr
    return out


def test_every_object_is_what_its_crd_takes(generated: Path) -> None:
    objects = [
        yaml.safe_load(path.read_text())
        for folder in ("rules", "alertmanager")
        for path in (generated / folder).iterdir()
    ]
    kinds = sorted((one["kind"], one["metadata"]["name"]) for one in objects)
    assert kinds == [
        ("AlertmanagerConfig", "mlslo"),
        ("PrometheusRule", "mlslo-small"),
        ("PrometheusRule", "mlslo-watchdog"),
    ]
    for one in objects:
        assert Schema.of(one["kind"]).mistakes(one) == []
        assert one["metadata"]["labels"] == {"release": "prometheus"}
        assert one["metadata"]["namespace"] == "monitoring"


def test_the_whole_contract_is_what_the_crds_take(tmp_path: Path) -> None:
    result = run(
        "generate", HERE / "contract" / "fraud.slo.yaml", ROUTING, "--format", "operator", "--out", tmp_path
    )
    assert result.exit_code == 0, result.stderr
    for path in (tmp_path / "rules" / "fraud.yaml", tmp_path / "alertmanager" / "mlslo.yaml"):
        one = yaml.safe_load(path.read_text())
        assert Schema.of(one["kind"]).mistakes(one) == []
    # etcd takes 1.5 MB; the operator puts the groups of all objects into ConfigMaps of 0.5 MB each.
    assert (tmp_path / "rules" / "fraud.yaml").stat().st_size < 500_000


def test_promtool_passes_the_tests_of_the_same_rules(generated: Path) -> None:
    tests = sorted((generated / "tests").glob("*_test.yaml"))
    assert tests
    done = subprocess.run(
        [tool("promtool"), "test", "rules", *tests], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    for name in ("small", "watchdog"):
        rules = yaml.safe_load((generated / "rules" / f"{name}.yaml").read_text())
        assert rules["spec"] == yaml.safe_load((generated / "tests" / f"{name}.yaml").read_text())


def test_every_alert_has_the_namespace_that_the_operator_routes_by(generated: Path) -> None:
    for name in ("small", "watchdog"):
        groups = yaml.safe_load((generated / "rules" / f"{name}.yaml").read_text())["spec"]["groups"]
        for rule in (rule for group in groups for rule in group["rules"] if "alert" in rule):
            assert rule["labels"]["namespace"] == "monitoring"


def test_check_compares_objects_and_says_what_is_left_of_the_other_format(
    generated: Path, tmp_path: Path
) -> None:
    arguments = [generated / "small.slo.yaml", ROUTING, "--out", tmp_path]
    assert run("generate", *arguments).exit_code == 0
    found = run("generate", *arguments, "--format", "operator")
    assert "alertmanager.yaml: warning: generated earlier" in found.stderr
    assert run("check", *arguments, "--format", "operator").exit_code == 1
    for left in (*(tmp_path / "rules").glob("*_test.yaml"), *(tmp_path / "alertmanager").glob("*")):
        if left.name != "mlslo.yaml":
            left.unlink()
    assert run("check", *arguments, "--format", "operator").exit_code == 0


FILES = "/etc/alertmanager/secrets/receivers"


def full(keys: Keys) -> dict[str, Any]:
    """Every key, with a value of the right kind, but for those that exclude others."""
    values: dict[str, Any] = {}
    excluded = {key for choice in keys.at_most for key in choice[1:]}
    for key, known in keys.keys.items():
        schema = known.kind.schema
        if key in excluded:
            continue
        if known.inner is not None:
            one = full(known.inner)
            values[key] = {"list of": [one], "by name": {"x": one}}.get(known.form, one)
        elif key.endswith("_file"):
            values[key] = f"{FILES}/{key}"
        elif key.endswith("url") or key == "href":
            values[key] = "https://example.org/x"
        elif key in ("smarthost", "expire", "retry", "ttl", "timeout", "reopen_duration"):
            values[key] = "mail:25" if key == "smarthost" else "1m"
        elif key == "type" and keys.name == "responders":
            values[key] = "team"
        elif "enum" in schema:
            values[key] = schema["enum"][-1]
        else:
            kinds = {"object": {"a": "b"}, "boolean": True, "integer": 1, "array": ["text"]}
            values[key] = kinds.get(str(schema.get("type")), "x")
    return values


# The CRD has no such key: routing is a Secret then.
WITHOUT = {
    "email_configs": ["threading"],
    "slack_configs": ["app_url"],
    "sns_configs": ["use_aws_http_client", "external_id", "service_name"],
    "webhook_configs": ["payload"],
}
OF_HTTP = ["oauth2", "basic_auth", "http_headers", "no_proxy"]


@pytest.mark.parametrize("name", INTEGRATIONS)
def test_every_key_of_every_integration_is_converted_or_refused(name: str, tmp_path: Path) -> None:
    given_keys = full(INTEGRATIONS[name])
    http = given_keys.get("http_config", {})
    tls = http.get("tls_config", given_keys.get("tls_config", {}))
    if name == "incidentio_configs":
        del given_keys["alert_source_token_file"]
    # A certificate by file, not written out.
    tls["cert_file"], tls["ca_file"] = tls.pop("cert"), tls.pop("ca")
    tls["cert_file"] = tls["ca_file"] = f"{FILES}/x"
    text = document()
    text["spec"]["target"]["alertmanager"] = "0.33"
    text["spec"]["receivers"]["all-keys"] = {name: [given_keys]}
    if name in ("incidentio_configs", "jira_configs", "mattermost_configs"):
        assert refused(text, tmp_path) == [f"an AlertmanagerConfig has no {name}"]
        return
    if expected := [*WITHOUT.get(name, []), *[key for key in OF_HTTP if key in http]]:
        found = refused(text, tmp_path)
        assert sorted(found) == sorted(f"an AlertmanagerConfig has no '{key}' here" for key in expected)
        for key in expected:
            for mapping in (given_keys, http, given_keys.get("sigv4", {})):
                mapping.pop(key, None)
    made = converted(text, tmp_path)
    assert Schema.of("AlertmanagerConfig").mistakes(made) == []
    receiver = made["spec"]["receivers"][-1]
    (theirs,) = set(receiver) - {"name"}
    assert len(receiver[theirs][0]) == len({**given_keys, **TEXTS[name]})


def with_secret(path: str, secret: str | None) -> dict[str, Any]:
    text = document()
    text["spec"]["operator"]["secret"] = secret
    if secret is None:
        del text["spec"]["operator"]["secret"]
    for receiver in text["spec"]["receivers"].values():
        for key in ("pagerduty_configs", "slack_configs"):
            for config in receiver.get(key, []):
                config.update({name: path for name in config if name.endswith("_file")})
    return text


def test_a_file_is_the_key_of_a_secret(tmp_path: Path) -> None:
    def reference(path: str, secret: str | None) -> Any:
        made = converted(with_secret(path, secret), tmp_path)
        return made["spec"]["receivers"][0]["pagerdutyConfigs"][0]["routingKey"]

    mounted = "/etc/alertmanager/secrets/pager/key"
    assert reference(mounted, None) == {"name": "pager", "key": "key"}
    assert reference(mounted, "other") == {"name": "pager", "key": "key"}
    assert reference("/run/secrets/pager", "other") == {"name": "other", "key": "pager"}
    said = set(refused(with_secret("/run/secrets/pager", None), tmp_path))
    expected = "expected /etc/alertmanager/secrets/<Secret>/<key>, or spec.operator.secret to name the Secret"
    assert said == {f"{expected} that has the key 'pager'"}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"timeIntervals": {"old": {"years": ["1999:2001"]}}},
            "an AlertmanagerConfig takes years from 2000 on, got '1999:2001'",
        ),
        (
            {"receivers": {"x": {"webhook_configs": [{"url": "https://example.org/{{ toUpper .Status }}"}]}}},
            "prometheus-operator refuses a URL that uses Alertmanager's template functions",
        ),
        (
            {"receivers": {"x": {"slack_configs": [{"api_url_file": f"{FILES}/slack", "footer": ""}]}}},
            "an AlertmanagerConfig takes no empty text; leave the key out",
        ),
    ],
)
def test_what_else_has_no_counterpart(change: dict[str, Any], message: str, tmp_path: Path) -> None:
    text = document()
    for key, value in change.items():
        text["spec"][key].update(value)
    assert refused(text, tmp_path) == [message]


def test_models_whose_objects_would_have_one_name_are_refused(tmp_path: Path) -> None:
    for name in ("a_b", "a-b"):
        (tmp_path / f"{name}.yaml").write_text(SMALL.replace("NAME", name))
    found = run(
        "generate",
        tmp_path / "a_b.yaml",
        tmp_path / "a-b.yaml",
        ROUTING,
        "--format",
        "operator",
        "--out",
        tmp_path,
    )
    assert (found.exit_code, found.stderr) == (
        2,
        f"{tmp_path}/a_b.yaml:4:18: 'a_b' and 'a-b' would both be the object 'mlslo-a-b'\n",
    )


def test_a_label_namespace_of_its_own_is_refused(tmp_path: Path) -> None:
    (tmp_path / "slo.yaml").write_text(SMALL.replace("NAME", "x").replace("team: risk", "namespace: mine"))
    found = run("generate", tmp_path / "slo.yaml", ROUTING, "--out", tmp_path)
    assert (found.exit_code, "sets the label 'namespace' on every alert" in found.stderr) == (2, True)


SECRETS = st.from_regex(r"[a-z]([a-z0-9.-]{0,20}[a-z0-9])?", fullmatch=True)


def prefixed(route: dict[str, Any], prefix: str) -> dict[str, Any]:
    """A route of the plain file, its receiver and intervals named as the operator names them."""
    names = {key: [prefix + name for name in route[key]] for key in route if key.endswith("time_intervals")}
    return {**route, **names, "receiver": prefix + route["receiver"]}


@settings(max_examples=5, deadline=None, suppress_health_check=list(HealthCheck))
@given(routed=documents(), layer=st.sampled_from(LAYERS), data=st.data(), secret=SECRETS)
def test_what_the_operator_makes_of_it_routes_as_the_plain_file_does(
    routed: dict[str, Any],
    layer: str,
    data: st.DataObject,
    secret: str,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    folder = tmp_path_factory.mktemp("any")
    routed["spec"]["operator"] = {"namespace": "ml", "secret": secret, "routing": "AlertmanagerConfig"}
    custom = converted(routed, folder)
    assert Schema.of("AlertmanagerConfig").mistakes(custom) == []
    back = configuration(custom)
    plain = alertmanager.build(routing.from_document(read(folder / "routing.yaml")), IDENTITIES)
    prefix = "ml/mlslo/"
    assert back["route"]["routes"] == [prefixed(route, prefix) for route in plain["route"]["routes"]]
    whole = {
        "route": {"receiver": "others", "routes": [back["route"]]},
        "receivers": [{"name": "others"}, *back["receivers"]],
    }
    path = folder / "alertmanager.yaml"
    intervals = {"mute_time_intervals": back["mute_time_intervals"]}
    path.write_text(
        yaml.safe_dump({**whole, **intervals, "inhibit_rules": back["inhibit_rules"]}, allow_unicode=True)
    )
    amtool("check-config", str(path))
    spec = routed["spec"]
    tier = data.draw(st.sampled_from(list(spec["tiers"])))
    labels = [f"tier={tier}", f"layer={layer}", "slo=any", "namespace=ml"]
    told = amtool("config", "routes", "test", f"--config.file={path}", *labels).removesuffix("\n")
    assert told == ",".join(f"{prefix}{name}" for name in spec["tiers"][tier]["receivers"])
    for other in (labels[:-1], labels[1:2], ["alertname=Watchdog", "namespace=ml", "severity=none"]):
        assert amtool("config", "routes", "test", f"--config.file={path}", *other).strip() == "others"


def test_texts_that_bring_their_templates_say_what_the_files_say(tmp_path: Path) -> None:
    """The operator cannot load our template files; Alertmanager's own engine renders both."""
    texts = list(
        dict.fromkeys(text for given in TEXTS.values() for text in texts_of(dict(given)) if "{{" in text)
    )
    for name, source in alertmanager.templates().items():
        (tmp_path / name).write_text(source)
    (tmp_path / "none.txt").write_text("")
    data = tmp_path / "data.json"
    data.write_text(json.dumps(a_group(an_alert(), an_alert("resolved", feature="a & <b>"))))

    def rendered(text: str, files: str) -> str:
        command: list[str | Path] = [
            tool("amtool"),
            "template",
            "render",
            f"--template.glob={tmp_path}/{files}",
            f"--template.text={text}",
            f"--template.data={data}",
        ]
        done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
        assert done.returncode == 0, done.stderr
        return str(done.stdout)

    assert [rendered(with_templates(text), "none.txt") for text in texts] == [
        rendered(text, "*.tmpl") for text in texts
    ]


def test_which_texts_call_what_only_alertmanager_knows() -> None:
    assert uses_added_functions('{{ template "mlslo.silence" . }}')
    assert not uses_added_functions('{{ template "mlslo.runbook" . }}')
    assert not uses_added_functions(
        '{{ .CommonLabels.title }} join {{ printf "match" }}'.replace(".title", ".slo")
    )
