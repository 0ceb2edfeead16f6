"""Strict YAML: every mistake in a user's file is named with file:line:column."""

from mlslo.yamlfile.construct import Location
from mlslo.yamlfile.duration import Duration
from mlslo.yamlfile.errors import InputError, Problem, did_you_mean, quoted_list, read_text, shown
from mlslo.yamlfile.file import File, Loaded
from mlslo.yamlfile.forms import Name, Or, Shape, WrittenText
from mlslo.yamlfile.reader import Document, parse, read
from mlslo.yamlfile.validate import StrictModel, validate

__all__ = [
    "Document",
    "Duration",
    "File",
    "InputError",
    "Loaded",
    "Location",
    "Name",
    "Or",
    "Problem",
    "Shape",
    "StrictModel",
    "WrittenText",
    "did_you_mean",
    "parse",
    "quoted_list",
    "read",
    "read_text",
    "shown",
    "validate",
]
