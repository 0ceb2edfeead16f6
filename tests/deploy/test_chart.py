"""The chart: what its values do, which it refuses and how, and that its schema knows each of them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

import helm_python
import pytest
import yaml

from exporter.commands.run import run
from mlslo.version import VERSION
from tests.deploy.conftest import CHARTS
from tests.support.manifests import CHART, RELEASE, Object, containers, pods, render, the_exporter, values

SCHEMA = json.loads((CHART / "values.schema.json").read_text(encoding="utf-8"))
DEFAULTS = yaml.safe_load((CHART / "values.yaml").read_text(encoding="utf-8"))
FLAGS = {name for parameter in run.params for name in parameter.opts}
MONITOR = {"monitors": {"fraud.yaml": "metadata: {name: fraud}"}}
BATCH = {**MONITOR, "mode": "batch", "batch": {"remoteWrite": "http://prometheus/api/v1/write"}}


@pytest.mark.parametrize("name", CHARTS)
def test_helm_lints_it(name: str) -> None:
    report = helm_python.lint(CHART, values(name), strict=True)
    assert not report["errors"]
    assert [one["error"] for one in report["messages"]] == ["icon is recommended"]


def test_it_is_of_this_version() -> None:
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text(encoding="utf-8"))
    assert (chart["version"], chart["appVersion"]) == (VERSION, VERSION)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({}, "monitors: expected a ModelMonitor file, as of --set-file 'monitors.fraud\\.yaml=monitor.yaml'"),
        ({"mode": "daemonset"}, "at '/mode': value must be one of 'sidecar', 'shared', 'batch'"),
        ({"monitor": {}}, "at '': additional properties 'monitor' not allowed"),
        ({"web": {"ports": 1}}, "at '/web': additional properties 'ports' not allowed"),
        ({"web": {"port": "9847"}}, "at '/web/port': got string, want integer"),
        ({"web": {"port": 80}}, "at '/web/port': minimum: got 80, want 1,024"),
        ({"user": 0}, "at '/user': minimum: got 0, want 1"),
        ({"monitors": {"fraud.json": "x"}}, "at '/monitors': additional properties 'fraud.json' not allowed"),
        ({"monitors": {"fraud.yaml": 1}}, "at '/monitors/fraud.yaml': got number, want string or object"),
        ({"references": {"a.json": "x" * 900_001}}, "at '/references/a.json': maxLength: got 900,001, want 900,000"),
        ({"image": {"digest": "sha256:1"}}, "at '/image/digest': 'sha256:1' does not match pattern"),
        ({"state": {"persistence": {"size": "big"}}}, "at '/state/persistence/size': 'big' does not match pattern"),
        (
            {"state": {"persistence": {"accessModes": ["ReadWriteMany"]}}},
            "at '/state/persistence/accessModes/0': value must be one of 'ReadWriteOncePod', 'ReadWriteOnce'",
        ),
        ({"scrape": {"interval": "1 minute"}}, "at '/scrape/interval': '1 minute' does not match pattern"),
        ({"networkPolicy": {"prometheus": []}}, "at '/networkPolicy/prometheus': minItems: got 0, want 1"),
        (
            {**MONITOR, "scrape": {"podMonitor": True, "scrapeConfig": True}},
            "scrape: expected podMonitor or scrapeConfig; with both, Prometheus scrapes every pod twice",
        ),
        (
            {**MONITOR, "mode": "batch"},
            "batch: expected pushGateway or remoteWrite, where the gauges go: nobody scrapes what has ended",
        ),
        (
            BATCH,
            "logs.volume: expected a volume with the log in mode batch, as of --set logs.volume.",
        ),
        (
            {**BATCH, "logs": {"volume": {"emptyDir": {}}}, "networkPolicy": {"enabled": True}},
            "networkPolicy.egress: expected a rule to your Prometheus or Pushgateway in mode batch",
        ),
        (
            {**MONITOR, "rules": {"fraud": "kind: PrometheusRule"}},
            "rules.fraud: expected a rule file, with groups; objects of `--format operator` are applied as they are",
        ),
    ],
)  # fmt: skip
def test_wrong_values_are_refused_with_their_place(given: Object, message: str) -> None:
    with pytest.raises(helm_python.HelmError) as caught:
        render(given)
    assert message in str(caught.value)


def test_values_and_schema_name_the_same_keys() -> None:
    assert set(_keys(SCHEMA)) - {"global"} == set(_defaults(DEFAULTS, SCHEMA))


def test_every_key_is_described_and_no_other_is_taken() -> None:
    for path, schema in _schemas(SCHEMA, ""):
        assert schema["description"].endswith("."), path
        if "properties" in schema:
            assert schema["additionalProperties"] is False, path


def _schemas(schema: Mapping[str, Any], path: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    yield path, schema
    for key, inner in schema.get("properties", {}).items():
        yield from _schemas(inner, f"{path}.{key}".lstrip("."))


def _keys(schema: Mapping[str, Any]) -> Iterator[str]:
    # Maps of Kubernetes, such as requests of resources, have keys that are not ours.
    return (path for path, inner in _schemas(schema, "") if path and "properties" not in inner)


def _defaults(given: Mapping[str, Any], schema: Mapping[str, Any], path: str = "") -> Iterator[str]:
    for key, value in given.items():
        inner = schema["properties"][key]
        if "properties" in inner:
            yield from _defaults(value, inner, f"{path}{key}.")
        else:
            yield path + key


def _one(objects: list[Object], kind: str, name: str = "") -> Object:
    (found,) = [one for one in objects if one["kind"] == kind and name in one["metadata"]["name"]]
    return found


def test_files_arrive_as_they_were_given(renderings: dict[str, list[Object]]) -> None:
    data = _one(renderings["model"], "ConfigMap")["data"]
    given = values("model")
    assert data["fraud.yaml"] == given["monitors"]["fraud.yaml"]
    assert yaml.safe_load(data["churn.yml"]) == given["monitors"]["churn.yml"]
    assert data["validation.json"] == given["references"]["validation.json"]
    dashboard = _one(renderings["shared"], "ConfigMap", "dashboard")
    assert dashboard["data"] == values("shared")["dashboards"]
    assert dashboard["metadata"]["labels"]["grafana_dashboard"] == "1"
    rule = _one(renderings["shared"], "PrometheusRule")
    assert rule["spec"] == yaml.safe_load(values("shared")["rules"]["fraud"])


def test_the_command_names_every_monitor_file_where_it_is_mounted(
    renderings: dict[str, list[Object]],
) -> None:
    container, pod = the_exporter(renderings["model"])
    (config,) = [volume["configMap"] for volume in pod["volumes"] if volume["name"] == "mlslo-config"]
    assert config["items"] == [
        {"key": "churn.yml", "path": "churn.yml"},
        {"key": "fraud.yaml", "path": "fraud.yaml"},
        {"key": "validation.json", "path": "references/validation.json"},
    ]
    assert container["args"] == [
        "run", "--state-dir=/var/lib/mlslo", "--web.listen-address=:19847",
        "--web.config.file=/etc/mlslo-web/web.yaml", "--push.listen-address=:9848",
        "--push.token-file=/etc/mlslo-push/token", "--web.enable-lifecycle", "/etc/mlslo/churn.yml",
        "/etc/mlslo/fraud.yaml",
    ]  # fmt: skip
    assert container["image"].endswith("@" + values("model")["image"]["digest"])


def test_every_flag_is_one_of_the_command(renderings: dict[str, list[Object]]) -> None:
    given = {
        argument.partition("=")[0]
        for objects in renderings.values()
        for one in objects
        for pod in pods(one)
        for container in containers(pod)
        for argument in container.get("args", [])
        if container["name"] == "mlslo-exporter" and argument.startswith("-")
    }
    assert given <= FLAGS
    assert len(given) >= 9


def test_a_batch_says_where_its_gauges_go(renderings: dict[str, list[Object]]) -> None:
    container, _ = the_exporter(renderings["batch"])
    assert container["args"] == [
        "run", "--once-then-exit", "--push-gateway.url=http://pushgateway.monitoring:9091",
        "--remote-write.url=https://prometheus.monitoring/api/v1/write", "--delivery.job=mlslo",
        "--delivery.http.config.file=/etc/mlslo-delivery/http.yaml", "--state-dir=/var/lib/mlslo",
        "/etc/mlslo/fraud.yaml",
    ]  # fmt: skip
    assert not {"ports", "livenessProbe"} & container.keys()
    (rule,) = _one(renderings["batch"], "CronJob")["spec"]["jobTemplate"]["spec"]["podFailurePolicy"]["rules"]
    assert (rule["action"], rule["onExitCodes"]["values"]) == ("FailJob", [2])
    assert rule["onExitCodes"]["containerName"] == container["name"]


def test_a_sidecar_goes_on_for_a_while_when_its_pod_is_deleted(renderings: dict[str, list[Object]]) -> None:
    container, pod = the_exporter(renderings["model"])
    assert container["lifecycle"] == {"preStop": {"sleep": {"seconds": 75}}}
    assert pod["terminationGracePeriodSeconds"] == 45 + 75


@pytest.mark.parametrize(
    ("web", "probe"),
    [
        ({}, {"httpGet": {"path": "/-/healthy", "port": "mlslo-metrics", "scheme": "HTTP"}}),
        ({"configSecret": "web"}, {"tcpSocket": {"port": "mlslo-metrics"}}),
        (
            {"configSecret": "web", "liveness": "https"},
            {"httpGet": {"path": "/-/healthy", "port": "mlslo-metrics", "scheme": "HTTPS"}},
        ),
    ],
)
def test_the_probe_asks_nothing_that_needs_a_password(web: Object, probe: Object) -> None:
    container, _ = the_exporter(render({**MONITOR, "mode": "shared", "web": web}))
    assert container["livenessProbe"].items() >= probe.items()


def test_where_the_state_is() -> None:
    own = {"persistentVolumeClaim": {"claimName": "own"}}

    def source(given: Object) -> Object:
        base = {
            **MONITOR,
            "model": {"image": "fraud"},
            "batch": BATCH["batch"],
            "logs": {"volume": own},
        }
        _, pod = the_exporter(render({**base, **given}))
        (volume,) = [volume for volume in pod["volumes"] if volume["name"] == "mlslo-state"]
        return {key: value for key, value in volume.items() if key != "name"}

    assert source({}) == {"emptyDir": {"sizeLimit": "2Gi"}}
    assert source({"mode": "shared"}) == {
        "persistentVolumeClaim": {"claimName": f"{RELEASE}-mlslo-exporter-state"}
    }
    assert source({"mode": "shared", "state": {"persistence": {"enabled": False}}}) == {
        "emptyDir": {"sizeLimit": "2Gi"}
    }
    for mode in ("sidecar", "shared", "batch"):
        assert source({"mode": mode, "state": {"volume": own}}) == own


def test_a_model_may_have_a_security_context_of_its_own(renderings: dict[str, list[Object]]) -> None:
    deployment = _one(renderings["model"], "Deployment")
    (model,) = deployment["spec"]["template"]["spec"]["containers"]
    assert model["securityContext"] == {"allowPrivilegeEscalation": False, "runAsUser": 1001}


def test_a_model_is_called_after_its_release_and_the_notes_lead_to_it() -> None:
    for given, name in (({}, RELEASE), ({"fullnameOverride": "scores"}, "scores")):
        with helm_python.Chart.load(CHART) as chart:
            texts = chart.render({**MONITOR, "model": {"image": "fraud"}, **given}, name=RELEASE)
        deployment = yaml.safe_load(texts["mlslo-exporter/templates/model.yaml"])
        assert deployment["metadata"]["name"] == name
        assert f"deployment/{name} " in texts["mlslo-exporter/templates/NOTES.txt"]


@pytest.mark.parametrize("name", CHARTS)
def test_the_notes_are_rendered(name: str) -> None:
    with helm_python.Chart.load(CHART) as chart:
        notes = chart.render(values(name), name=RELEASE)["mlslo-exporter/templates/NOTES.txt"]
    assert ("Nothing makes Prometheus scrape it" in notes) == (name == "shared-alone")
    assert ("No model is deployed" in notes) == (name == "sidecar")
    for template in ("podLabels", "sidecar", "logMount", "volumes"):
        assert (f'include "mlslo-exporter.{template}"' in notes) == (name == "sidecar")
    assert ("the state is in an emptydir" in notes.lower()) == (name == "shared-alone")
