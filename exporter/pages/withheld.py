"""Why gauges are withheld, in words."""

from __future__ import annotations

from exporter.measure.gauges import Reason

IN_WORDS = {
    Reason.UNKNOWN_TYPE: "No record, reference or monitor file says of which type the feature is.",
    Reason.TOO_FEW_SAMPLES: "Fewer rows than minSamples: a figure of so few would be chance.",
    Reason.TOO_FEW_GROUPS: "Fewer than two groups have enough people to be compared.",
    Reason.REFERENCE_TOO_SMALL: "The reference window has fewer rows than minSamples.",
    Reason.REFERENCE_MISSING: "The reference is not there, or not yet.",
    Reason.REFERENCE_WITHOUT_LABELS: "The reference has no labels.",
    Reason.NO_LOSS_ESTIMATOR: "No reference was built with --fit-loss-estimator.",
    Reason.FEATURES_MISSING: "The log has no values of a feature that the loss estimator needs.",
    Reason.NOT_IN_REFERENCE: "The reference does not know it.",
    Reason.SEGMENT_NOT_IN_REFERENCE: "The reference has no rows of this segment value.",
    Reason.UNDEFINED: "There is no such number: of one class, of a constant, of nothing.",
    Reason.SINK_DOWN: "The prediction log cannot be read.",
    Reason.LABELS_INCOMPLETE: "Too few labels have come for minCoverage.",
    Reason.CLASSES_UNKNOWN: "It is not known which classes the model has.",
    Reason.TOO_MANY_CLASSES: "Too many classes for a series each.",
    Reason.NOT_BINARY: "Only of a model of two classes.",
    Reason.PRIVACY: "It needs counts that do not leave an exporter with privacy.",
    Reason.HISTORY_DROPPED: "The longest window is shorter than the launch: counts of its begin are dropped.",
    Reason.MAX_SERIES: "Past maxSeries: the least urgent are left out first.",
}
"""Reason -> a sentence."""
