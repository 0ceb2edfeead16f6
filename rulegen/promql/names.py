"""Names and texts of a ModelSLO file. Each check raises ValueError with what was expected."""

import math
import re
from collections.abc import Callable
from typing import Annotated, Any

from pydantic import AfterValidator, Field, GetCoreSchemaHandler
from pydantic_core import CoreSchema, core_schema

from mlslo.catalogue import METRICS, Type
from mlslo.yamlfile import Shape
from rulegen.promql.conventions import ALERT_LABELS, RESERVED_ALERTS

# Labels that tell series apart: an alert label of that name would make several series one, which
# Prometheus reports at run time only, for the whole rule.
SERIES_LABELS = frozenset(label for metric in METRICS.values() for label in metric.labels)
SCRAPE_LABELS = frozenset({"instance", "job", "pod", "alertname", "le"})
GENERATED_ANNOTATIONS = ("summary", "description")

# Without a template in it.
PLAIN = r"^(?![\s\S]*\{\{)"

# What an SLO may be about: gauges of one model.
GAUGES = tuple(
    metric.name
    for metric in METRICS.values()
    if metric.type in (Type.GAUGE, Type.SUMMARY) and "model" in metric.labels
)


class Form(Shape):
    """The form of a whole text, as a validator and as JSON Schema; ``expected``: what its message asks for."""

    def __init__(self, pattern: str, expected: str, **keywords: Any) -> None:
        super().__init__(pattern=f"^{pattern}$", **keywords)
        self._pattern = re.compile(pattern)
        self._expected = expected

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_after_validator_function(self._checked, handler(source))

    def _checked(self, text: str) -> str:
        if not self._pattern.fullmatch(text) or len(text) > self.keywords.get("maxLength", math.inf):
            raise ValueError(f"expected {self._expected}, got '{text}'")
        return text


def _free(is_taken: Callable[[str], bool], message: str) -> AfterValidator:
    """Refuse a name that is taken; ``message`` has it as ``{}``."""

    def checked(name: str) -> str:
        if is_taken(name):
            raise ValueError(message.format(name))
        return name

    return AfterValidator(checked)


_SET = "the label '{}' is set by the generator"
_OWN_FILE = _free(
    lambda name: name == "watchdog" or name.endswith(("_test", "_records")),
    "'{}' is taken: rules/watchdog.yaml, rules/*_test.yaml and rules/*_records_test.yaml are generated",
)
_OWN_ALERT = _free(
    lambda name: name in RESERVED_ALERTS,
    "'{}' is the name of an alert that is generated, choose another",
)
# Every alert may get it.
_OWN_LABEL = _free(
    lambda name: name in {*ALERT_LABELS, *SERIES_LABELS, *SCRAPE_LABELS} or name.startswith("__"),
    f"{_SET} or tells series apart, choose another",
)
# The series of a query may keep it.
_SERIES_LABEL = _free(
    lambda name: name in (*ALERT_LABELS, "alertname") or name.startswith("__"), f"{_SET}, leave it out"
)
_OWN_ANNOTATION = _free(lambda name: name in GENERATED_ANNOTATIONS, "the annotation '{}' is generated")


def plain_text(text: str) -> str:
    """Text without templates: a mistake in one would only show when the alert fires."""
    if "{{" in text:
        raise ValueError("expected plain text, '{{' starts a template")
    return text


def not_blank(text: str) -> str:
    """Text of which something can be read."""
    if not text.strip():
        raise ValueError("expected a text, got only spaces")
    return text


def label_value(text: str) -> str:
    """A constant label value: values in labels would make every change a new alert."""
    plain_text(text)
    if not text.strip() or not text.isprintable():
        raise ValueError(f"expected printable text, got {text!r}")
    return text


_LABEL = r"[a-zA-Z_][a-zA-Z0-9_]*"
_FILE_EXPECTED = "a name of at most 63 letters, digits, '-', '_' and '.' that starts with a letter or digit"
# Safe as part of a file's name.
FileName = Annotated[str, Form(r"[a-zA-Z0-9][a-zA-Z0-9._-]{0,62}", _FILE_EXPECTED), _OWN_FILE]
SloName = Annotated[
    str, Form(r"[a-zA-Z0-9][a-zA-Z0-9_-]{0,62}", "a name of at most 63 letters, digits, '-' and '_'")
]
AlertName = Annotated[
    str,
    Form(r"[a-zA-Z_][a-zA-Z0-9_]{0,127}", "an alert name such as FeatureDrift"),
    _OWN_ALERT,
]
LabelName = Annotated[str, Form(_LABEL, "a label name such as team"), _OWN_LABEL]
SeriesLabel = Annotated[str, Form(_LABEL, "a label name such as feature"), _SERIES_LABEL]
AnnotationName = Annotated[str, Form(_LABEL, "an annotation name such as runbook_url"), _OWN_ANNOTATION]
ModelName = Annotated[
    str, Field(min_length=1, max_length=128), AfterValidator(label_value), Shape(pattern=PLAIN)
]
LabelValue = Annotated[str, Field(max_length=256), AfterValidator(label_value), Shape(pattern=PLAIN)]
Text = Annotated[str, Field(min_length=1, max_length=1000), AfterValidator(plain_text), Shape(pattern=PLAIN)]
# With variables in it; which there are depends on the alert.
OwnText = Annotated[
    str, Field(min_length=1, max_length=1000), AfterValidator(not_blank), Shape(pattern=r"\S")
]
