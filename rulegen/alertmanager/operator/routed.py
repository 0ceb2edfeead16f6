"""Routing as one object: an AlertmanagerConfig, or a Secret where that cannot say everything."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import PurePosixPath
from typing import Any

from mlslo.yamlfile import InputError, Problem
from rulegen import alertmanager
from rulegen.alertmanager import merge
from rulegen.alertmanager.merge import Base
from rulegen.alertmanager.operator import files
from rulegen.alertmanager.operator.config import alertmanager_config
from rulegen.alertmanager.operator.files import RECEIVERS, SECRETS, File, reference
from rulegen.alertmanager.operator.objects import metadata
from rulegen.output import block_yaml
from rulegen.promql.conventions import AlertIdentity
from rulegen.spec.routing import Operator, Routing

KEY = "alertmanager.yaml"
# Where the other keys of the Secret are files.
FOLDER = PurePosixPath("/etc/alertmanager/config")
# What Kubernetes takes: `MaxSecretSize`.
LARGEST = 1024 * 1024


@dataclass(frozen=True)
class RoutingObject:
    """``text``: one YAML document, with what the cluster needs for it in front. ``notes``: why it is what it is."""

    text: str
    notes: list[Problem]


def routing_object(
    routing: Routing, alerts: Sequence[AlertIdentity], base: Base | None, source: str
) -> RoutingObject:
    """The object that an AlertRouting file asks for.

    Raises InputError where it asks for an AlertmanagerConfig that cannot say what the file does, or that would
    be merged with a ``base``; where two files would be one key of a Secret.
    """
    operator = routing.operator
    found = files.files(routing)
    if problems := list(files.problems(routing, found)):
        raise InputError(problems)
    if base is not None and operator.routing == "AlertmanagerConfig":
        message = "an AlertmanagerConfig stands beside what others keep; leave --base out, or say Secret"
        raise routing.document.error(("spec", "operator", "routing"), message)
    reasons: list[Problem] = []
    if operator.routing != "Secret" and base is None:
        try:
            custom = alertmanager_config(routing, alerts)
        except InputError as error:
            if operator.routing is not None:
                way_out = "; operator.routing: Secret has no such limit"
                raise InputError(
                    [replace(one, message=one.message + way_out) for one in error.problems]
                ) from None
            reasons = list(error.problems)
        else:
            return RoutingObject(_text(custom, _needed(found)), [*_keys(routing, found)])
    secret = config_secret(routing, alerts, base, source)
    notes = [
        *_why(routing, reasons),
        *_keys(routing, found),
        *_unmounted(routing, found),
        *_too_large(routing, secret),
    ]
    return RoutingObject(_text(secret, _object(operator, found)), notes)


def _text(custom: dict[str, Any], comments: Sequence[str]) -> str:
    return "".join(f"# {line}\n" for line in comments) + block_yaml.dump(custom)


def _why(routing: Routing, reasons: Sequence[Problem]) -> Iterator[Problem]:
    if not reasons:
        return
    for problem in reasons:
        yield replace(problem, message=f"note: {problem.message}")
    message = (
        f"note: so routing is the Secret '{routing.operator.configSecret}', the whole alertmanager.yaml, for "
        "configSecret of the Alertmanager object; --base puts our part into the one that is there; "
        "operator.routing: Secret says so without these notes"
    )
    yield routing.document.problem(("spec", "operator"), message, key=True)


def _keys(routing: Routing, found: Sequence[File]) -> Iterator[Problem]:
    """Note the files that stand in no Secret of the user's naming."""
    taken = [
        (file.location, file.reference.key)
        for file in found
        if file.reference is not None and file.reference.path != file.path
    ]
    if taken and routing.operator.secret is None:
        keys = ", ".join(dict.fromkeys(key for _, key in taken))
        message = (
            f"note: files right in {SECRETS} are keys of the Secret '{RECEIVERS}' ({keys}); "
            "operator.secret names another"
        )
        yield routing.document.problem(taken[0][0], message)


def _unmounted(routing: Routing, found: Sequence[File]) -> Iterator[Problem]:
    for file in found:
        if file.reference is None:
            message = (
                f"note: '{file.path}' is no key of a Secret: volumes and volumeMounts of the Alertmanager object must "
                "bring it, or operator.secret name the Secret that has it"
            )
            yield routing.document.problem(file.location, message)


def _too_large(routing: Routing, secret: dict[str, Any]) -> Iterator[Problem]:
    if (found := size(secret)) > LARGEST:
        message = f"note: the Secret has {found / LARGEST:.1f} MiB, Kubernetes takes 1 MiB"
        yield routing.document.problem(("spec",), message)


def _needed(found: list[File]) -> list[str]:
    return [
        f"It needs the Secret {name}, in its namespace, with the keys {', '.join(keys)}."
        for name, keys in files.needed(found).items()
    ]


def _object(operator: Operator, found: list[File]) -> list[str]:
    secrets = files.needed(found)
    maps = sorted(
        {one.reference.name for one in found if one.reference and one.reference.kind == "configMap"}
    )
    said = [f"configSecret: {operator.configSecret}"]
    said += [f"secrets: [{', '.join(secrets)}]"] if secrets else []
    said += [f"configMaps: [{', '.join(maps)}]"] if maps else []
    return [
        f"The Alertmanager object, in the same namespace, must say {', '.join(said)}.",
        *(f"The Secret {name} must have the keys {', '.join(keys)}." for name, keys in secrets.items()),
    ]


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
