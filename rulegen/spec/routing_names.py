"""Names and lists that an AlertRouting file may contain. Each raises ValueError with what was expected."""

from __future__ import annotations

import re
from collections.abc import Sized
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field

from mlslo.yamlfile import Name, Shape

# What Alertmanager takes for each alert by itself.
ALL_LABELS = "..."
_SECRET_NAME = r"[a-z0-9]([a-z0-9.-]*[a-z0-9])?"


def _version(value: Any) -> Any:
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        # 2.50 without quotes is the number 2.5.
        raise ValueError(f'expected a version in quotes, such as "0.25", got the number {value}')  # noqa: TRY004
    if isinstance(value, str) and not re.fullmatch(r"[0-9]{1,4}(\.[0-9]{1,4}){1,2}", value):
        raise ValueError(f'expected a version such as "0.25" or "2.42.0", got \'{value}\'')
    return value


def _label(name: str) -> str:
    if not re.fullmatch(r"[a-zA-Z_][a-zA-Z0-9_]*", name):
        raise ValueError(f"expected a label name such as model, got '{name}'")
    return name


def _group_label(name: str) -> str:
    return name if name == ALL_LABELS else _label(name)


def _alone(names: list[str]) -> list[str]:
    if ALL_LABELS in names and len(names) > 1:
        raise ValueError(f"'{ALL_LABELS}' stands for all labels, expected no other beside it")
    return names


def _tier_name(name: str) -> str:
    if not re.fullmatch(r"P[0-9]", name):
        raise ValueError(f"expected a tier P0 to P9, the lower the more urgent, got '{name}'")
    return name


def kubernetes_name(name: str) -> str:
    """A Kubernetes namespace."""
    if not re.fullmatch(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?", name):
        raise ValueError(f"expected a namespace of small letters, digits and '-', got '{name}'")
    return name


def _secret_name(name: str) -> str:
    if not re.fullmatch(_SECRET_NAME, name) or len(name) > 253:
        raise ValueError(f"expected a name of small letters, digits, '-' and '.', got '{name}'")
    return name


def _distinct(names: list[str]) -> list[str]:
    twice = [name for index, name in enumerate(names) if name in names[:index]]
    if twice:
        raise ValueError(f"'{twice[0]}' is given twice")
    return names


def _some(values: Sized) -> Sized:
    if not values:
        raise ValueError("expected at least one, got none")
    return values


def _web_address(url: str) -> str:
    if not re.fullmatch(r"https?://[^\s{}\"<>\\^`|]+", url):
        raise ValueError(f"expected an address that starts with https:// or http://, got '{url}'")
    return url


Some = AfterValidator(_some)
Filled = Shape(minItems=1)
Unique = Shape(uniqueItems=True)
LayerName = Literal["service", "data", "prediction", "outcome", "meta"]
TierName = Annotated[str, AfterValidator(_tier_name), Shape(pattern="^P[0-9]$")]
LabelName = Annotated[str, AfterValidator(_label), Shape(pattern=r"^[a-zA-Z_][a-zA-Z0-9_]*$")]
SecretName = Annotated[str, AfterValidator(_secret_name), Shape(pattern=f"^{_SECRET_NAME}$", maxLength=253)]
Version = Annotated[str, BeforeValidator(_version), Shape(pattern=r"^[0-9]{1,4}(\.[0-9]{1,4}){1,2}$")]
ReceiverNames = Annotated[list[Name], Some, AfterValidator(_distinct), Filled, Unique]
IntervalNames = Annotated[list[Name], AfterValidator(_distinct), Unique]
LayerNames = Annotated[list[LayerName], AfterValidator(_distinct), Unique]
TierNames = Annotated[list[TierName], AfterValidator(_distinct), Unique]
GroupLabel = Annotated[str, AfterValidator(_group_label), Shape(pattern=r"^(\.\.\.|[a-zA-Z_][a-zA-Z0-9_]*)$")]
GroupLabels = Annotated[
    list[GroupLabel], Some, AfterValidator(_distinct), AfterValidator(_alone), Filled, Unique
]
LabelNames = Annotated[list[LabelName], Some, AfterValidator(_distinct), Filled, Unique]
WebAddress = Annotated[str, Field(max_length=500), AfterValidator(_web_address)]
