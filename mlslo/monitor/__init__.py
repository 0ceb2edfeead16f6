"""ModelMonitor file: settings of the exporter for one model. Import from here."""

from mlslo.monitor.fields import (
    Crossing,
    FeatureArray,
    FieldPath,
    LabelFields,
    LatencyField,
    PredictionFields,
    scope_name,
)
from mlslo.monitor.file import Monitor, MonitorFile
from mlslo.monitor.logs import POSITIVE, FileSink, Labels, Predictions, Sink
from mlslo.monitor.metrics import Exported, Metrics, SegmentMetrics
from mlslo.monitor.spec import DEFAULT_LATENCY_BUCKETS, Fairness, Feature, Reference, Spec

load = Monitor.load
from_document = Monitor.from_document

__all__ = [
    "DEFAULT_LATENCY_BUCKETS",
    "POSITIVE",
    "Crossing",
    "Exported",
    "Fairness",
    "Feature",
    "FeatureArray",
    "FieldPath",
    "FileSink",
    "LabelFields",
    "Labels",
    "LatencyField",
    "Metrics",
    "Monitor",
    "MonitorFile",
    "PredictionFields",
    "Predictions",
    "Reference",
    "SegmentMetrics",
    "Sink",
    "Spec",
    "from_document",
    "load",
    "scope_name",
]
