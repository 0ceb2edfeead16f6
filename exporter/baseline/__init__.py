"""Build a static reference from training data or from a stretch of log."""

from exporter.baseline.account import Account
from exporter.baseline.build import Baseline, build

__all__ = ["Account", "Baseline", "build"]
