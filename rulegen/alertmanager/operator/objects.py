"""The head of every object, and PrometheusRule."""

import re
from collections.abc import Sequence
from typing import Any

from mlslo.yamlfile import Duration
from rulegen.output import block_yaml
from rulegen.promql.groups import split
from rulegen.promql.rules import Group
from rulegen.spec.routing import Operator

# The operator puts each object into a ConfigMap as one file: `MaxConfigMapDataSize` of its pkg/operator/rules.go is
# half a MiB, less than what etcd takes (1.5 MiB).
LARGEST = 500_000
_UPPER = ("arn", "id", "tls", "url")


def object_name(name: str) -> str:
    """``name`` as Kubernetes takes it: small letters, digits, ``-`` and ``.``, the ends a letter or digit."""
    return "mlslo-" + re.sub(r"[^a-z0-9.-]", "-", name.lower()).strip("-.")


def camel(key: str) -> str:
    """``group_wait`` as the operator names it: ``groupWait``, but ``apiURL``."""
    first, *others = key.split("_")
    return first + "".join(word.upper() if word in _UPPER else word.title() for word in others)


def custom_object(version: str, kind: str, name: str, operator: Operator) -> dict[str, Any]:
    """An object of the group monitoring.coreos.com, without its ``spec``."""
    return {
        "apiVersion": f"monitoring.coreos.com/{version}",
        "kind": kind,
        "metadata": metadata(name, operator),
    }


def metadata(name: str, operator: Operator) -> dict[str, Any]:
    """Name, namespace and labels of an object."""
    found: dict[str, Any] = {"name": name}
    if operator.namespace is not None:
        found["namespace"] = operator.namespace
    if operator.labels:
        found["labels"] = dict(operator.labels)
    return found


def prometheus_rule(name: str, rules: dict[str, Any], operator: Operator) -> dict[str, Any]:
    """Return a rule file, as data, as a PrometheusRule, or as a List of several where it is too large for one.

    Groups are taken as they are; none may be larger than an object (`fitting`).
    """
    parts: list[list[Any]] = [[]]
    room = LARGEST
    for group in rules["groups"]:
        size = _size(group)
        if parts[-1] and size > room:
            parts.append([])
            room = LARGEST
        parts[-1].append(group)
        room -= size
    objects = [
        {
            **custom_object("v1", "PrometheusRule", part_name(name, number), operator),
            "spec": {"groups": groups},
        }
        for number, groups in enumerate(parts, 1)
    ]
    return objects[0] if len(objects) == 1 else {"apiVersion": "v1", "kind": "List", "items": objects}


def part_name(name: str, number: int) -> str:
    """Return the name of the first, the second, ... object of a model."""
    return object_name(name) + (f".part{number}" if number > 1 else "")


def fitting(groups: Sequence[Group], interval: Duration) -> list[Group]:
    """Split the groups that are too large for one object."""
    found: list[Group] = []
    for group in groups:
        size = _size(group.as_data(interval))
        if size <= LARGEST:
            found.append(group)
        else:
            most = max(1, len(group.rules) * LARGEST // (2 * size))
            found += split([group], most)
    return found


def _size(group: Any) -> int:
    return len(block_yaml.dump([group]).encode())
