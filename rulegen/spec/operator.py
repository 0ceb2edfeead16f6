"""The block `operator` of an AlertRouting file."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from mlslo.yamlfile import Name, StrictModel
from rulegen.spec.routing_names import Namespace, SecretName


class Operator(StrictModel):
    """For `generate --format operator`: where its objects stand, and how prometheus-operator finds them."""

    namespace: Namespace | None = Field(
        None,
        description="Of every object; also a label of every alert, since the operator routes by it. "
        "An AlertmanagerConfig needs it; without it objects are for the namespace that they are applied to.",
    )
    labels: dict[Name, Name] = Field(
        default_factory=dict,
        description="Of every object: those that `ruleSelector` and `alertmanagerConfigSelector` look for.",
    )
    routing: Literal["AlertmanagerConfig", "Secret"] | None = Field(
        None,
        description="The object that routing is written as. Without it an AlertmanagerConfig where that can say "
        "everything, and a Secret, which can, where not.",
    )
    configSecret: SecretName = Field(
        "alertmanager-mlslo",
        description="Name of that Secret: what `configSecret` of the Alertmanager object says. An Alertmanager object "
        "of the name NAME reads `alertmanager-NAME` where it says nothing.",
    )
    secret: SecretName | None = Field(
        None,
        description="The Secret that has a key for each file of a receiver; not needed for "
        "`/etc/alertmanager/secrets/<Secret>/<key>`. Files right in `/etc/alertmanager/secrets` are keys of "
        "`mlslo-receivers` without it.",
    )
