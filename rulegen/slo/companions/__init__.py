"""Alerts for when nothing is measured any more, or not well: silence must not look like health.

Each shared dependency raises one alert: an SLO that is silent because of it raises none of its own.
"""

from __future__ import annotations

from rulegen.slo.companions.dependencies import Demand, Dependencies
from rulegen.slo.companions.groups import GroupCompanions, group_companions
from rulegen.slo.companions.nodata import SloCompanion, slo_companion
from rulegen.slo.companions.shared import Companion, of_model

__all__ = [
    "Companion",
    "Demand",
    "Dependencies",
    "GroupCompanions",
    "SloCompanion",
    "group_companions",
    "of_model",
    "slo_companion",
]
