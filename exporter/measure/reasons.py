"""Why a gauge is withheld."""

from __future__ import annotations

from enum import StrEnum


class Reason(StrEnum):
    """The label ``reason`` of ml_gauge_withheld."""

    UNKNOWN_TYPE = "unknown_type"
    TOO_FEW_SAMPLES = "too_few_samples"
    TOO_FEW_GROUPS = "too_few_groups"
    REFERENCE_TOO_SMALL = "reference_too_small"
    REFERENCE_MISSING = "reference_missing"
    REFERENCE_WITHOUT_LABELS = "reference_without_labels"
    NOT_IN_REFERENCE = "not_in_reference"
    UNDEFINED = "undefined"
    SINK_DOWN = "sink_down"
    LABELS_INCOMPLETE = "labels_incomplete"
    CLASSES_UNKNOWN = "classes_unknown"
    TOO_MANY_CLASSES = "too_many_classes"
    NOT_BINARY = "not_binary"
