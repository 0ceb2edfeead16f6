"""A Secret with the whole of alertmanager.yaml: what `configSecret` of an Alertmanager object names.

The operator hands its text on as it is, or, where the object selects AlertmanagerConfigs, with their routes in front;
its other keys become files in the folder below: `loadConfigurationFromSecret` of pkg/alertmanager/operator.go,
https://prometheus-operator.dev/docs/developer/alerting/.
"""

from collections.abc import Sequence
from pathlib import PurePosixPath
from typing import Any

from rulegen import alertmanager
from rulegen.alertmanager import merge
from rulegen.alertmanager.merge import Base
from rulegen.alertmanager.operator.files import reference
from rulegen.alertmanager.operator.objects import metadata
from rulegen.output import block_yaml
from rulegen.promql.conventions import AlertIdentity
from rulegen.spec.routing import Operator, Routing

KEY = "alertmanager.yaml"
# Where the other keys of the Secret are files.
FOLDER = PurePosixPath("/etc/alertmanager/config")
# What Kubernetes takes: `MaxSecretSize`.
LARGEST = 1024 * 1024


def config_secret(
    routing: Routing, alerts: Sequence[AlertIdentity], base: Base | None, source: str
) -> dict[str, Any]:
    """The Secret of an AlertRouting file; with a ``base`` that file with our part in it.

    Raises InputError as `alertmanager.build` and `merge.check` do.
    """
    configuration = alertmanager.build(routing, alerts)
    templates = alertmanager.templates()
    configuration["templates"] = [str(FOLDER / name) for name in sorted(templates)]
    configuration["receivers"] = [_mounted(one, routing.operator) for one in configuration["receivers"]]
    if base is None:
        text = block_yaml.dump(configuration)
    else:
        ours = {**configuration, "route": alertmanager.guarded_route(routing.spec, alerts)}
        text = base.merged(merge.check(base, ours), source)
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": metadata(routing.operator.configSecret, routing.operator),
        "type": "Opaque",
        "stringData": {KEY: text, **templates},
    }


def size(secret: dict[str, Any]) -> int:
    """Return the bytes that Kubernetes counts."""
    return sum(len(text.encode()) for text in secret["stringData"].values())


def _mounted(value: Any, operator: Operator) -> Any:
    """``value`` with files where the operator mounts them."""
    if isinstance(value, list):
        return [_mounted(one, operator) for one in value]
    if not isinstance(value, dict):
        return value
    mounted = {}
    for key, inner in value.items():
        found = reference(inner, operator) if key.endswith("_file") and isinstance(inner, str) else None
        mounted[key] = found.path if found else _mounted(inner, operator)
    return mounted
