"""The same rules and routing as objects for prometheus-operator.

https://prometheus-operator.dev/docs/api-reference/api/. AlertmanagerConfig is v1alpha1: the released
CRDs serve that version; v1beta1 needs a conversion webhook that is off unless somebody installs it. What that cannot
say (times of a place, an operator's issue since 2023: prometheus-operator#5512) a Secret for `configSecret` can.
"""

from rulegen.alertmanager.operator.config import alertmanager_config
from rulegen.alertmanager.operator.objects import fitting, part_name, prometheus_rule
from rulegen.alertmanager.operator.routed import routing_object

__all__ = [
    "alertmanager_config",
    "fitting",
    "part_name",
    "prometheus_rule",
    "routing_object",
]
