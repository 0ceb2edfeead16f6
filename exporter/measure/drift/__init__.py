"""One sample of a view against one reference, a file for each kind of view."""

from exporter.measure.drift.comparison import Comparison, Noise, Statistic
from exporter.measure.drift.dispatch import compare, statistics_of
from exporter.measure.drift.levels import noise

__all__ = ["Comparison", "Noise", "Statistic", "compare", "noise", "statistics_of"]
