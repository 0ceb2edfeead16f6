"""Whatever the schema takes: valid objects, confined containers, no say over the model's readiness."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from tests.support.manifests import KUBERNETES, Object, containers, mistakes, pods, render

NAMES = st.from_regex(r"[a-z][a-z0-9]{0,6}", fullmatch=True)
OWN_VOLUME: st.SearchStrategy[Object] = st.sampled_from(
    [{"persistentVolumeClaim": {"claimName": "own"}}, {"emptyDir": {}}]
)
# PyYAML, which reads the renderings here, refuses control characters even where they are escaped.
TEXTS = st.text(st.characters(exclude_categories=["C"]) | st.just("\n"), max_size=20)

PORTS = st.integers(1024, 65535)


def _some(**keys: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries({}, optional=keys)


VALUES = st.fixed_dictionaries(
    {
        "mode": st.sampled_from(["sidecar", "shared", "batch"]),
        "monitors": st.dictionaries(NAMES.map("{}.yaml".format), TEXTS, min_size=1, max_size=3),
        "batch": st.just({"remoteWrite": "http://prometheus/api/v1/write"}),
    },
    optional={
        "references": st.dictionaries(NAMES.map("{}.json".format), TEXTS, max_size=2),
        "image": _some(tag=NAMES, digest=st.just("sha256:" + "0" * 64), pullPolicy=st.just("Always")),
        "fullnameOverride": NAMES,
        "labels": st.dictionaries(NAMES, NAMES, max_size=2),
        "logs": _some(volume=OWN_VOLUME, sizeLimit=st.just("5Gi"), mountPath=st.just("/logs")),
        "state": _some(
            volume=OWN_VOLUME, sizeLimit=st.just("1Gi"), persistence=_some(enabled=st.booleans(), size=st.just("1Gi"))
        ),
        "web": _some(
            port=st.integers(1024, 9847), configSecret=NAMES, liveness=st.sampled_from(["", "http", "https", "tcp"])
        ),
        "push": _some(enabled=st.booleans(), port=st.integers(9848, 65535), tokenSecret=NAMES),
        "args": st.lists(st.sampled_from(["--web.enable-lifecycle", "--log.format=json"]), max_size=2),
        "user": st.integers(1, 2**32 - 2),
        "group": st.integers(1, 2**32 - 2),
        "drainSeconds": st.integers(0, 3600),
        "model": _some(image=NAMES, replicas=st.integers(0, 9), port=PORTS, command=st.lists(NAMES, max_size=2)),
        "scrape": st.one_of(
            _some(podMonitor=st.just(True), interval=st.just("15s"), labels=st.dictionaries(NAMES, NAMES)),
            _some(scrapeConfig=st.just(True), tls=_some(caSecret=NAMES), basicAuth=_some(secret=NAMES)),
        ),
        "networkPolicy": _some(
            enabled=st.booleans(), dns=st.booleans(), egress=st.just([{"ports": [{"port": 443, "protocol": "TCP"}]}])
        ),
        "dashboards": st.dictionaries(NAMES.map("{}.json".format), TEXTS, max_size=2),
    },
)  # fmt: skip


def _whole(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return values with what mode batch refuses to go without."""
    if values["mode"] != "batch":
        return dict(values)
    policy = {"egress": [{"ports": [{"port": 9090, "protocol": "TCP"}]}], **values.get("networkPolicy", {})}
    return {**values, "logs": {"volume": {"emptyDir": {}}, **values.get("logs", {})}, "networkPolicy": policy}


@given(VALUES.map(_whole))
def test_every_rendering_is_valid_and_confined(values: Mapping[str, Any]) -> None:
    objects = render(values)
    for one in objects:
        assert not mistakes(one, KUBERNETES[-1])
        for pod in pods(one):
            assert pod["automountServiceAccountToken"] is False
            mounted = {mount["name"] for each in containers(pod) for mount in each.get("volumeMounts", [])}
            assert mounted == {volume["name"] for volume in pod["volumes"]}
            for each in containers(pod):
                _is_confined(each, pod)
    (config,) = [
        one for one in objects if one["kind"] == "ConfigMap" and "dashboard" not in one["metadata"]["name"]
    ]
    assert config["data"] == {**values["monitors"], **values.get("references", {})}


def _is_confined(container: Object, pod: Object) -> None:
    if container["name"] == "model":
        # Gunicorn needs a /tmp, and an image may know no other user than root.
        assert container["securityContext"] == {"allowPrivilegeEscalation": False}
        assert pod["securityContext"].keys() == {"fsGroup", "fsGroupChangePolicy"}
        return
    security = {**pod["securityContext"], **container["securityContext"]}
    assert security["runAsNonRoot"] is security["readOnlyRootFilesystem"] is True
    assert security["allowPrivilegeEscalation"] is security["privileged"] is False
    assert security["capabilities"] == {"drop": ["ALL"]}
    assert security["seccompProfile"] == {"type": "RuntimeDefault"}
    assert not {"readinessProbe", "startupProbe"} & container.keys()
