"""Records: log records become columns, by the field mapping of the monitor file. Import from here.

DuckDB parses the JSON; what comes out of it is numbers wherever possible (times, codes of categories, hashes of
ids), so that no Python object is made per value.
"""

from exporter.records.columns import (
    LABEL_REASONS,
    NO_TIME,
    PREDICTION_REASONS,
    LabelColumns,
    PredictionColumns,
)
from exporter.records.features import FeatureSet, feature_path, present
from exporter.records.labels import LabelDecoder
from exporter.records.predictions import PredictionDecoder, RequestedFields

__all__ = [
    "LABEL_REASONS",
    "NO_TIME",
    "PREDICTION_REASONS",
    "FeatureSet",
    "LabelColumns",
    "LabelDecoder",
    "PredictionColumns",
    "PredictionDecoder",
    "RequestedFields",
    "feature_path",
    "present",
]
