"""Strict YAML: every mistake in a user's file is named with file:line:column."""

from exporter.yamlfile.duration import Duration
from exporter.yamlfile.errors import InputError, Problem
from exporter.yamlfile.nearest import did_you_mean, quoted_list
from exporter.yamlfile.reader import Document, parse, read
from exporter.yamlfile.shape import KeysError, Shape, exactly_one, none_of
from exporter.yamlfile.shown import shown
from exporter.yamlfile.validate import StrictModel, validate
from exporter.yamlfile.writtentext import WrittenText

__all__ = [
    "Document",
    "Duration",
    "InputError",
    "KeysError",
    "Problem",
    "Shape",
    "StrictModel",
    "WrittenText",
    "did_you_mean",
    "exactly_one",
    "none_of",
    "parse",
    "quoted_list",
    "read",
    "shown",
    "validate",
]
