"""The same rules and routing as objects for prometheus-operator.

https://prometheus-operator.dev/docs/api-reference/api/. AlertmanagerConfig is v1alpha1: the released
CRDs serve that version; v1beta1 needs a conversion webhook that is off unless somebody installs it.
"""

from rulegen.operator.config import alertmanager_config
from rulegen.operator.objects import object_name, prometheus_rule

__all__ = ["alertmanager_config", "object_name", "prometheus_rule"]
