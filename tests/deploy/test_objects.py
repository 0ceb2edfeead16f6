"""Every object of deploy/ is one that Kubernetes takes, and no container of it may do more than it must."""

from __future__ import annotations

import copy
import re
from collections.abc import Iterator

import pytest

from tests.support.manifests import KUBERNETES, Object, containers, mistakes, pods, values

Renderings = dict[str, list[Object]]


@pytest.mark.parametrize("version", KUBERNETES)
def test_every_object_is_valid(version: str, renderings: Renderings) -> None:
    found = [
        (name, one["kind"], one["metadata"]["name"], mistake)
        for name, objects in renderings.items()
        for one in objects
        for mistake in mistakes(one, version)
    ]
    assert not found


def test_all_kinds_are_among_them(renderings: Renderings) -> None:
    assert {one["kind"] for objects in renderings.values() for one in objects} == {
        "AlertmanagerConfig", "ConfigMap", "CronJob", "Deployment", "NetworkPolicy", "PersistentVolumeClaim",
        "PodMonitor", "PrometheusRule", "ScrapeConfig", "Secret", "Service",
    }  # fmt: skip


def test_a_wrong_key_or_type_would_be_seen(renderings: Renderings) -> None:
    for one in [one for objects in renderings.values() for one in objects if "spec" in one]:
        for change in (
            {"unheardOf": 1},
            {"selector": 1, "groups": 1, "ports": 1, "accessModes": 1, "metricsPath": 1},
        ):
            wrong = copy.deepcopy(one)
            wrong["spec"] |= change
            assert mistakes(wrong, KUBERNETES[-1]), wrong["kind"]


def test_names_are_unique_and_labels_are_labels(renderings: Renderings) -> None:
    for objects in renderings.values():
        names = [(one["kind"], one["metadata"]["name"]) for one in objects]
        assert len(names) == len(set(names))
        for one in objects:
            assert re.fullmatch(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?", one["metadata"]["name"])
            for value in one["metadata"].get("labels", {}).values():
                assert re.fullmatch(r"([A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?", value)


def _pods(renderings: Renderings) -> Iterator[tuple[str, Object]]:
    for name, objects in renderings.items():
        for one in objects:
            yield from ((name, pod) for pod in pods(one))


def test_no_container_may_do_more_than_it_must(renderings: Renderings) -> None:
    seen = 0
    for name, pod in _pods(renderings):
        assert pod["automountServiceAccountToken"] is False, name
        for container in containers(pod):
            security = {**pod["securityContext"], **container["securityContext"]}
            assert security["allowPrivilegeEscalation"] is False
            if name == "model" and container["name"] == "model":
                continue
            assert security["runAsNonRoot"] is True
            assert security["runAsUser"] > 0
            assert security["readOnlyRootFilesystem"] is True
            assert "/tmp" in {mount["mountPath"] for mount in container["volumeMounts"]}
            assert security["capabilities"] == {"drop": ["ALL"]}
            assert security["seccompProfile"] == {"type": "RuntimeDefault"}
            assert not security.get("privileged")
            seen += 1
        assert not {"hostNetwork", "hostPID", "hostIPC"} & pod.keys()
        assert not any("hostPath" in volume for volume in pod["volumes"])
    assert seen >= 9


def test_the_exporter_never_decides_whether_its_pod_is_ready_or_starts(renderings: Renderings) -> None:
    for _, pod in _pods(renderings):
        sidecars = pod.get("initContainers", [])
        assert all(one["restartPolicy"] == "Always" for one in sidecars)
        for one in containers(pod):
            if one["name"] == "mlslo-exporter":
                assert not {"readinessProbe", "startupProbe"} & one.keys()
                if pod.get("restartPolicy") != "Never":
                    probe = one["livenessProbe"]
                    assert probe["failureThreshold"] * probe["periodSeconds"] >= 300


def test_the_exporter_itself_relies_on_nothing_of_its_pod(renderings: Renderings) -> None:
    """In somebody else's pod, its own security context is all that there is."""
    for _, pod in _pods(renderings):
        for one in containers(pod):
            if one["name"] == "mlslo-exporter":
                assert one["securityContext"].keys() >= {
                    "runAsNonRoot",
                    "runAsUser",
                    "runAsGroup",
                    "seccompProfile",
                }
                assert one["resources"].keys() == {"limits", "requests"}


def test_it_writes_into_its_state_and_tmp_alone(renderings: Renderings) -> None:
    for _, pod in _pods(renderings):
        volumes = {volume["name"] for volume in pod["volumes"]}
        for one in containers(pod):
            assert {mount["name"] for mount in one.get("volumeMounts", [])} <= volumes
            if one["name"] == "mlslo-exporter":
                writable = {mount["mountPath"] for mount in one["volumeMounts"] if not mount.get("readOnly")}
                assert writable == {"/tmp", "/var/lib/mlslo"}
                assert "--state-dir=/var/lib/mlslo" in one["args"]


def test_one_pod_holds_a_state_that_is_kept(renderings: Renderings) -> None:
    for objects in renderings.values():
        kept = {one["metadata"]["name"] for one in objects if one["kind"] == "PersistentVolumeClaim"}
        for one in objects:
            claims = {
                volume["persistentVolumeClaim"]["claimName"]
                for pod in pods(one)
                for volume in pod["volumes"]
                if "persistentVolumeClaim" in volume
            }
            if claims & kept and one["kind"] == "Deployment":
                assert (one["spec"]["replicas"], one["spec"]["strategy"]) == (1, {"type": "Recreate"})
            elif claims & kept:
                assert one["spec"]["concurrencyPolicy"] == "Forbid"


def test_selectors_find_the_pods(renderings: Renderings) -> None:
    """Of monitors, policies, services: each selects a pod of its rendering, by labels that the pod has."""
    for name, objects in renderings.items():
        labels = [
            one["spec"]["template"]["metadata"]["labels"] for one in objects if one["kind"] == "Deployment"
        ] + [
            one["spec"]["jobTemplate"]["spec"]["template"]["metadata"]["labels"]
            for one in objects
            if one["kind"] == "CronJob"
        ]
        for one in objects:
            wanted = _selected(one)
            if labels and wanted:
                assert any(wanted.items() <= found.items() for found in labels), (name, one["kind"])


def _selected(one: Object) -> dict[str, str]:
    spec = one.get("spec", {})
    if one["kind"] == "ScrapeConfig":
        (selector,) = spec["kubernetesSDConfigs"][0]["selectors"]
        return dict([selector["label"].split("=")])
    found: dict[str, str] = {
        "Deployment": lambda: spec["selector"]["matchLabels"],
        "NetworkPolicy": lambda: spec["podSelector"]["matchLabels"],
        "PodMonitor": lambda: spec["selector"]["matchLabels"],
        "Service": lambda: spec["selector"],
    }.get(one["kind"], dict)()
    return found


def test_a_policy_beside_a_model_leaves_the_model_open(renderings: Renderings) -> None:
    (policy,) = [one["spec"] for one in renderings["model"] if one["kind"] == "NetworkPolicy"]
    assert policy["policyTypes"] == ["Ingress"]
    assert {"ports": [{"port": 9000, "protocol": "TCP"}]} in policy["ingress"]
    scraped, pushed = policy["ingress"][:2]
    assert scraped["from"] == [
        {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "monitoring"}}}
    ]
    assert (scraped["ports"][0]["port"], pushed["ports"][0]["port"]) == (19847, 9848)


def test_a_policy_of_an_exporter_alone_lets_nothing_out_but_what_is_named(renderings: Renderings) -> None:
    (alone,) = [one["spec"] for one in renderings["shared-alone"] if one["kind"] == "NetworkPolicy"]
    assert (set(alone["policyTypes"]), alone["egress"]) == ({"Ingress", "Egress"}, [])
    (batch,) = [one["spec"] for one in renderings["batch"] if one["kind"] == "NetworkPolicy"]
    assert batch["ingress"] == []
    dns, named = batch["egress"]
    assert [port["port"] for port in dns["ports"]] == [53, 53]
    assert [named] == values("batch")["networkPolicy"]["egress"]
