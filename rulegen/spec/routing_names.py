"""Names and lists that an AlertRouting file may contain. Each raises ValueError with what was expected."""

import re
from collections.abc import Sized
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field

from mlslo.yamlfile import Name, Shape
from rulegen.promql.names import Form

# What Alertmanager takes for each alert by itself.
ALL_LABELS = "..."
_LABEL = r"[a-zA-Z_][a-zA-Z0-9_]*"
_LABEL_EXPECTED = "a label name such as model"


def version(value: Any) -> Any:
    """Return a version as it is written. Raises ValueError for what is written as none."""
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        # 2.50 without quotes is the number 2.5.
        raise ValueError(f'expected a version in quotes, such as "0.25", got the number {value}')  # noqa: TRY004
    if isinstance(value, str) and not re.fullmatch(r"[0-9]{1,4}(\.[0-9]{1,4}){1,2}", value):
        raise ValueError(f'expected a version such as "0.25" or "2.42.0", got \'{value}\'')
    return value


def _alone(names: list[str]) -> list[str]:
    if ALL_LABELS in names and len(names) > 1:
        raise ValueError(f"'{ALL_LABELS}' stands for all labels, expected no other beside it")
    return names


def _distinct(names: list[str]) -> list[str]:
    twice = [name for index, name in enumerate(names) if name in names[:index]]
    if twice:
        raise ValueError(f"'{twice[0]}' is given twice")
    return names


def _some(values: Sized) -> Sized:
    if not values:
        raise ValueError("expected at least one, got none")
    return values


Some = AfterValidator(_some)
Filled = Shape(minItems=1)
Unique = Shape(uniqueItems=True)
LayerName = Literal["service", "data", "prediction", "outcome", "meta"]
TierName = Annotated[str, Form("P[0-9]", "a tier P0 to P9, the lower the more urgent")]
LabelName = Annotated[str, Form(_LABEL, _LABEL_EXPECTED)]
# Of Kubernetes, as the names of secrets are.
Namespace = Annotated[
    str, Form(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?", "a namespace of small letters, digits and '-'")
]
SecretName = Annotated[
    str,
    Form(r"[a-z0-9]([a-z0-9.-]*[a-z0-9])?", "a name of small letters, digits, '-' and '.'", maxLength=253),
]
VERSION = {"type": "string", "pattern": r"^[0-9]{1,4}(\.[0-9]{1,4}){1,2}$"}
Version = Annotated[str, BeforeValidator(version), Shape(**VERSION)]
ReceiverNames = Annotated[list[Name], Some, AfterValidator(_distinct), Filled, Unique]
IntervalNames = Annotated[list[Name], AfterValidator(_distinct), Unique]
LayerNames = Annotated[list[LayerName], AfterValidator(_distinct), Unique]
TierNames = Annotated[list[TierName], AfterValidator(_distinct), Unique]
GroupLabel = Annotated[str, Form(rf"(\.\.\.|{_LABEL})", _LABEL_EXPECTED)]
GroupLabels = Annotated[
    list[GroupLabel], Some, AfterValidator(_distinct), AfterValidator(_alone), Filled, Unique
]
LabelNames = Annotated[list[LabelName], Some, AfterValidator(_distinct), Filled, Unique]
WebAddress = Annotated[
    str,
    Field(max_length=500),
    Form(r"https?://[^\s{}\"<>\\^`|]+", "an address that starts with https:// or http://"),
]
