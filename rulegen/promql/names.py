"""Names and texts of a ModelSLO file. Each check raises ValueError with what was expected."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import AfterValidator, Field

from mlslo.catalogue import METRICS, Type
from mlslo.yamlfile import Shape
from rulegen.promql.conventions import ALERT_LABELS, RESERVED_ALERTS

# Labels that tell series apart: an alert label of that name would make several series one, which
# Prometheus reports at run time only, for the whole rule.
SERIES_LABELS = frozenset(label for metric in METRICS.values() for label in metric.labels)
SCRAPE_LABELS = frozenset({"instance", "job", "pod", "alertname", "le"})
GENERATED_ANNOTATIONS = ("summary", "description")

FILE_NAME = r"[a-zA-Z0-9][a-zA-Z0-9._-]{0,62}"
SLO_NAME = r"[a-zA-Z0-9][a-zA-Z0-9_-]{0,62}"
ALERT_NAME = r"[a-zA-Z_][a-zA-Z0-9_]{0,127}"
LABEL_NAME = r"[a-zA-Z_][a-zA-Z0-9_]*"
# Without a template in it.
PLAIN = r"^(?![\s\S]*\{\{)"

# What an SLO may be about: gauges of one model.
GAUGES = tuple(
    metric.name
    for metric in METRICS.values()
    if metric.type in (Type.GAUGE, Type.SUMMARY) and "model" in metric.labels
)


def pattern(name: str) -> str:
    """A whole name, as JSON Schema wants it."""
    return f"^{name}$"


def _matching(pattern: str, name: str, expected: str) -> str:
    if not re.fullmatch(pattern, name):
        raise ValueError(f"expected {expected}, got '{name}'")
    return name


def file_name(name: str) -> str:
    """A name that is safe as part of a file's name."""
    expected = "a name of at most 63 letters, digits, '-', '_' and '.' that starts with a letter or digit"
    _matching(FILE_NAME, name, expected)
    if name == "watchdog" or name.endswith("_test"):
        raise ValueError(f"'{name}' is taken: rules/watchdog.yaml and rules/*_test.yaml are generated")
    return name


def slo_name(name: str) -> str:
    """The name of an SLO."""
    return _matching(SLO_NAME, name, "a name of at most 63 letters, digits, '-' and '_'")


def alert_name(name: str) -> str:
    """The name of an alert, not one that the generator uses itself."""
    _matching(ALERT_NAME, name, "an alert name such as FeatureDrift")
    if name in RESERVED_ALERTS:
        raise ValueError(f"'{name}' is the name of an alert that is generated, choose another")
    return name


def label_name(name: str) -> str:
    """A label that every alert may get."""
    _matching(LABEL_NAME, name, "a label name such as team")
    if name in ALERT_LABELS or name in SERIES_LABELS or name in SCRAPE_LABELS or name.startswith("__"):
        raise ValueError(f"the label '{name}' is set by the generator or tells series apart, choose another")
    return name


def series_label(name: str) -> str:
    """A label that the series of a query may keep."""
    _matching(LABEL_NAME, name, "a label name such as feature")
    if name in ALERT_LABELS or name == "alertname" or name.startswith("__"):
        raise ValueError(f"the label '{name}' is set by the generator, leave it out")
    return name


def annotation(name: str) -> str:
    """An annotation that the generator does not write itself."""
    _matching(LABEL_NAME, name, "an annotation name such as runbook_url")
    if name in GENERATED_ANNOTATIONS:
        raise ValueError(f"the annotation '{name}' is generated")
    return name


def plain_text(text: str) -> str:
    """Text without templates: a mistake in one would only show when the alert fires."""
    if "{{" in text:
        raise ValueError("expected plain text, '{{' starts a template")
    return text


def label_value(text: str) -> str:
    """A constant label value: values in labels would make every change a new alert."""
    plain_text(text)
    if not text.strip() or not text.isprintable():
        raise ValueError(f"expected printable text, got {text!r}")
    return text


FileName = Annotated[str, AfterValidator(file_name), Shape(pattern=pattern(FILE_NAME))]
SloName = Annotated[str, AfterValidator(slo_name), Shape(pattern=pattern(SLO_NAME))]
AlertName = Annotated[str, AfterValidator(alert_name), Shape(pattern=pattern(ALERT_NAME))]
LabelName = Annotated[str, AfterValidator(label_name), Shape(pattern=pattern(LABEL_NAME))]
SeriesLabel = Annotated[str, AfterValidator(series_label), Shape(pattern=pattern(LABEL_NAME))]
AnnotationName = Annotated[str, AfterValidator(annotation), Shape(pattern=pattern(LABEL_NAME))]
ModelName = Annotated[
    str, Field(min_length=1, max_length=128), AfterValidator(label_value), Shape(pattern=PLAIN)
]
LabelValue = Annotated[str, Field(max_length=256), AfterValidator(label_value), Shape(pattern=PLAIN)]
Text = Annotated[str, Field(min_length=1, max_length=1000), AfterValidator(plain_text), Shape(pattern=PLAIN)]
