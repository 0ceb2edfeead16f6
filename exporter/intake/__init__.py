"""One batch of records: decode, fold, commit."""

from exporter.intake.intake import Intake
from exporter.intake.place import Moment

__all__ = ["Intake", "Moment"]
