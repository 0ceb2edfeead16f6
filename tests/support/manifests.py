"""Objects of deploy/ as Helm and kubectl render them, judged by Kubernetes' schemas and the operator's CRDs."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import helm_python
import kubernetes_validate
import kubernetes_validate.utils
import yaml

from tests.support.crd_schemas import KINDS, Schema
from tests.support.paths import ROOT, TESTS

DEPLOY = ROOT / "deploy"
CHART = DEPLOY / "helm" / "mlslo-exporter"
EXAMPLE = DEPLOY / "examples" / "model-with-sidecar"
VALUES = TESTS / "deploy" / "values"
OVERLAYS = sorted(path.name for path in (DEPLOY / "kustomize" / "overlays").iterdir())
RELEASE, NAMESPACE = "fraud", "models"
# The oldest that the chart takes, and the newest that the validator knows.
KUBERNETES = ("1.29", kubernetes_validate.latest_version())

Object = dict[str, Any]

# It reads 1.5 MB of definitions for each object.
kubernetes_validate.utils.schema_contents = cache(kubernetes_validate.utils.schema_contents)


def values(name: str) -> Object:
    """Return the values file ``name`` of tests/deploy/values."""
    found: Object = yaml.safe_load((VALUES / f"{name}.yaml").read_text(encoding="utf-8"))
    return found


def render(given: Mapping[str, Any], chart: Path = CHART) -> list[Object]:
    """Return the objects of a chart, as `helm install fraud CHART --namespace models` makes them.

    Raises helm_python.HelmValuesError where the schema refuses the values, HelmRenderError where a template does.
    """
    with helm_python.Chart.load(chart) as loaded:
        texts = loaded.render(dict(given), name=RELEASE, namespace=NAMESPACE)
    return [one for path, text in sorted(texts.items()) if path.endswith(".yaml") for one in _documents(text)]


def render_example(folder: Path, deployment: str | None = None) -> list[Object]:
    """Return the objects of the model's own chart; ``folder`` takes the chart with what it depends on.

    ``deployment``: another template in place of its own.
    """
    shutil.copytree(DEPLOY, folder / "deploy")
    chart = folder / EXAMPLE.relative_to(ROOT)
    if deployment is not None:
        (chart / "templates" / "deployment.yaml").write_text(deployment, encoding="utf-8")
    helm_python.dependency_build(chart)
    return render({}, chart)


def kustomize(folder: Path) -> list[Object]:
    """Return the objects that `kubectl kustomize` builds of a folder."""
    kubectl = Path(sys.executable).parent / "kubectl"
    done = subprocess.run([kubectl, "kustomize", folder], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return list(_documents(done.stdout))


def mistakes(one: Object, version: str) -> list[str]:
    """Return what Kubernetes, or prometheus-operator, would refuse about an object."""
    if one["kind"] in KINDS:
        return Schema.of(one["kind"]).mistakes(one)
    try:
        kubernetes_validate.validate(one, version, strict=True)
    except kubernetes_validate.ValidationError as error:
        return [f"{'.'.join(map(str, error.path))}: {error.message}"]
    return []


def pods(one: Object) -> Iterator[Object]:
    """Yield the pod that an object makes, if it does."""
    if one["kind"] == "CronJob":
        yield one["spec"]["jobTemplate"]["spec"]["template"]["spec"]
    elif one["kind"] in ("Deployment", "StatefulSet"):
        yield one["spec"]["template"]["spec"]


def containers(pod: Object) -> list[Object]:
    """Return the containers of a pod, those that are started first included."""
    return [*pod.get("initContainers", []), *pod["containers"]]


def the_exporter(objects: list[Object]) -> tuple[Object, Object]:
    """Return the exporter's container, and its pod."""
    found = [(each, pod) for one in objects for pod in pods(one) for each in containers(pod)]
    (pair,) = [pair for pair in found if pair[0]["name"] == "mlslo-exporter"]
    return pair


class _Loader(yaml.SafeLoader):
    """YAML as Go reads it: a lone `=`, which kubectl does not quote, is text."""


_Loader.add_constructor("tag:yaml.org,2002:value", lambda _, node: node.value)


def _documents(text: str) -> Iterator[Object]:
    yield from (one for one in yaml.load_all(text, _Loader) if one)


def main(folder: Path) -> None:
    """Write the operator's objects of the chart into ``folder``, one a file: samples for scripts/crds."""
    folder.mkdir(parents=True)
    for path in sorted(VALUES.glob("*.yaml")):
        for one in render(values(path.stem)):
            if one["kind"] in ("PodMonitor", "ScrapeConfig"):
                (folder / f"{path.stem}-{one['kind']}.yaml").write_text(yaml.safe_dump(one))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
