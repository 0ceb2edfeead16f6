"""The kustomization: the same pods as the chart's, a sidecar of any workload, and what the generator writes."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import yaml

from mlslo import monitor
from tests.support.manifests import DEPLOY, Object, kustomize, render, the_exporter
from tests.support.paths import ROOT


def test_its_exporter_is_the_charts(renderings: dict[str, list[Object]]) -> None:
    given = {
        "monitors": {"monitor.yaml": "x"},
        "fullnameOverride": "mlslo-exporter",
        "networkPolicy": {"enabled": True},
    }
    chart = render({**given, "mode": "shared", "push": {"enabled": True}, "scrape": {"podMonitor": True}})
    base = kustomize(DEPLOY / "kustomize" / "base")
    assert _comparable(chart) == _comparable(base)
    sidecar, _ = the_exporter(renderings["overlay sidecar"])
    of_chart, _ = the_exporter(render({**given, "model": {"image": "fraud"}}))
    assert {**sidecar, "image": ""} == {**of_chart, "image": ""}


def _comparable(objects: list[Object]) -> list[tuple[str, Object]]:
    """What is applied, without labels, and with a ConfigMap mounted whole."""
    found = []
    for one in objects:
        if one["kind"] == "ConfigMap":
            continue
        spec = one["spec"]
        spec.pop("selector", None)
        spec.pop("podSelector", None)
        spec.get("template", {}).pop("metadata", None)
        for volume in spec.get("template", {}).get("spec", {}).get("volumes", []):
            volume.get("configMap", {}).pop("items", None)
        found.append((one["kind"], spec))
    return sorted(found, key=lambda pair: pair[0])


def test_a_stateful_set_gets_the_sidecar_too(tmp_path: Path) -> None:
    shutil.copytree(DEPLOY / "kustomize", tmp_path / "kustomize")
    model = tmp_path / "kustomize" / "overlays" / "sidecar" / "model.yaml"
    document = yaml.safe_load(model.read_text(encoding="utf-8"))
    document["kind"] = "StatefulSet"
    document["spec"]["serviceName"] = "fraud"
    other = {**document, "metadata": {"name": "other"}}
    model.write_text(yaml.safe_dump_all([document, other]), encoding="utf-8")
    objects = kustomize(model.parent)
    sets = {
        one["metadata"]["name"]: one["spec"]["template"]["spec"]
        for one in objects
        if one["kind"] == "StatefulSet"
    }
    assert [one["name"] for one in sets["fraud"]["initContainers"]] == ["mlslo-exporter"]
    assert "initContainers" not in sets["other"]


def test_dashboards_rules_and_routing_are_one_folder_to_apply(renderings: dict[str, list[Object]]) -> None:
    objects = renderings["rules"]
    assert sorted(one["kind"] for one in objects) == [
        "ConfigMap",
        "ConfigMap",
        "PrometheusRule",
        "PrometheusRule",
        "Secret",
    ]
    for one in objects:
        assert one["metadata"]["namespace"] == "monitoring"
        assert one["metadata"]["labels"]["release"] == "prometheus"
    dashboards = [one for one in objects if one["kind"] == "ConfigMap"]
    assert {one["metadata"]["labels"]["grafana_dashboard"] for one in dashboards} == {"1"}
    generated = {path.name for path in (ROOT / "dashboards").iterdir()}
    assert {name for one in dashboards for name in one["data"]} == generated


def test_alerts_carry_the_namespace_that_their_routing_has(renderings: dict[str, list[Object]]) -> None:
    objects = renderings["rules of an AlertmanagerConfig"]
    (routing,) = [one for one in objects if one["kind"] == "AlertmanagerConfig"]
    labels = {
        rule["labels"].get("namespace")
        for one in objects
        if one["kind"] == "PrometheusRule"
        for group in one["spec"]["groups"]
        for rule in group["rules"]
        if "alert" in rule
    }
    assert labels == {routing["metadata"]["namespace"]} == {"monitoring"}


@pytest.mark.parametrize("name", ["example", "overlay sidecar", "overlay shared"])
def test_the_exporter_takes_the_monitor_files_that_are_shown(
    name: str, renderings: dict[str, list[Object]], tmp_path: Path
) -> None:
    container, pod = the_exporter(renderings[name])
    (config,) = [one["data"] for one in renderings[name] if one["kind"] == "ConfigMap"]
    (mounted,) = [one["configMap"] for one in pod["volumes"] if one["name"] == "mlslo-config"]
    assert mounted["name"] in {
        one["metadata"]["name"] for one in renderings[name] if one["kind"] == "ConfigMap"
    }
    for path in [argument for argument in container["args"] if argument.startswith("/etc/mlslo/")]:
        file = tmp_path / Path(path).name
        file.write_text(config[file.name], encoding="utf-8")
        assert monitor.load(file).metadata.name == "fraud"
