"""Drafts of spec files: ModelSLO files from ModelMonitor files or from other tools' SLOs, and a first AlertRouting.

From outside: ``model_slo`` and ``ROUTING``; ``openslo`` and ``sloth`` read other tools' files.
"""

from rulegen.drafts.model_slo import model_slo
from rulegen.drafts.routing import ROUTING

__all__ = ["ROUTING", "model_slo"]
