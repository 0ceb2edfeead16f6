"""Routing as one object: an AlertmanagerConfig, or a Secret where that cannot say everything."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from mlslo.yamlfile import InputError, Problem
from rulegen.alertmanager.merge import Base
from rulegen.alertmanager.operator import files
from rulegen.alertmanager.operator.config import alertmanager_config
from rulegen.alertmanager.operator.files import RECEIVERS, SECRETS, File
from rulegen.alertmanager.operator.secret import LARGEST, config_secret, size
from rulegen.output import block_yaml
from rulegen.promql.conventions import AlertIdentity
from rulegen.spec.routing import Operator, Routing


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
