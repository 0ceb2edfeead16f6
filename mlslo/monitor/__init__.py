"""ModelMonitor file: settings of the exporter for one model. Import from here."""

from mlslo.monitor.expectations import Expectations, FieldExpected
from mlslo.monitor.fields import (
    ALTERNATIVE,
    ROWS,
    Crossing,
    FeatureArray,
    Features,
    FieldPath,
    LabelFields,
    LatencyField,
    PredictionFields,
    needs_rows,
    scope_name,
)
from mlslo.monitor.file import Monitor, MonitorFile
from mlslo.monitor.logs import POSITIVE, Join, Labels, Predictions
from mlslo.monitor.metrics import Exported, Metrics, SegmentMetrics
from mlslo.monitor.presets import PREDICTION_PRESETS
from mlslo.monitor.privacy import Privacy
from mlslo.monitor.sinks import (
    OTLP_PATH,
    Credentials,
    FileSink,
    KafkaSink,
    LokiSink,
    ObjectsSink,
    OpenSearchSink,
    PushSink,
    Sink,
    SqlSink,
    Tls,
)
from mlslo.monitor.skew import OfflineFields, Skew, Tolerance
from mlslo.monitor.spec import (
    DEFAULT_LATENCY_BUCKETS,
    Comparison,
    Drift,
    Fairness,
    Feature,
    Reference,
    Sequential,
    Spec,
)
from mlslo.monitor.times import WrittenTimes, has_offset

load = Monitor.load
from_document = Monitor.from_document

__all__ = [
    "ALTERNATIVE",
    "DEFAULT_LATENCY_BUCKETS",
    "OTLP_PATH",
    "POSITIVE",
    "PREDICTION_PRESETS",
    "ROWS",
    "Comparison",
    "Credentials",
    "Crossing",
    "Drift",
    "Expectations",
    "Exported",
    "Fairness",
    "Feature",
    "FeatureArray",
    "Features",
    "FieldExpected",
    "FieldPath",
    "FileSink",
    "Join",
    "KafkaSink",
    "LabelFields",
    "Labels",
    "LatencyField",
    "LokiSink",
    "Metrics",
    "Monitor",
    "MonitorFile",
    "ObjectsSink",
    "OfflineFields",
    "OpenSearchSink",
    "PredictionFields",
    "Predictions",
    "Privacy",
    "PushSink",
    "Reference",
    "SegmentMetrics",
    "Sequential",
    "Sink",
    "Skew",
    "Spec",
    "SqlSink",
    "Tls",
    "Tolerance",
    "WrittenTimes",
    "from_document",
    "has_offset",
    "load",
    "needs_rows",
    "scope_name",
]
