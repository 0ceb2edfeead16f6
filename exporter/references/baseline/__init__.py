"""Baseline: builds a static reference from training data or from a stretch of log. From outside: ``build``."""

from exporter.references.baseline.account import Account
from exporter.references.baseline.build import Baseline, build, build_of

__all__ = ["Account", "Baseline", "build", "build_of"]
