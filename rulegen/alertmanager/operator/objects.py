"""What every object has, and PrometheusRule."""

from __future__ import annotations

import re
from typing import Any

from rulegen.spec.operator import Operator


def object_name(name: str) -> str:
    """``name`` as Kubernetes takes it: small letters, digits, ``-`` and ``.``, the ends a letter or digit."""
    return "mlslo-" + re.sub(r"[^a-z0-9.-]", "-", name.lower()).strip("-.")


def custom_object(version: str, kind: str, name: str, operator: Operator) -> dict[str, Any]:
    """An object of the group monitoring.coreos.com, without its ``spec``."""
    return {
        "apiVersion": f"monitoring.coreos.com/{version}",
        "kind": kind,
        "metadata": metadata(name, operator),
    }


def metadata(name: str, operator: Operator) -> dict[str, Any]:
    """Who an object is."""
    found: dict[str, Any] = {"name": name}
    if operator.namespace is not None:
        found["namespace"] = operator.namespace
    if operator.labels:
        found["labels"] = dict(operator.labels)
    return found


def prometheus_rule(name: str, rules: dict[str, Any], operator: Operator) -> dict[str, Any]:
    """A rule file, as data, as a PrometheusRule: its groups are taken as they are."""
    return {**custom_object("v1", "PrometheusRule", object_name(name), operator), "spec": rules}
