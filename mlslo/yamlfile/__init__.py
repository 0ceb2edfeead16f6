"""Strict YAML: every mistake in a user's file is named with file:line:column."""

from mlslo.yamlfile.duration import Duration
from mlslo.yamlfile.errors import InputError, Problem
from mlslo.yamlfile.file import File, Loaded
from mlslo.yamlfile.nearest import did_you_mean, quoted_list
from mlslo.yamlfile.reader import Document, parse, read
from mlslo.yamlfile.shape import Name, Shape
from mlslo.yamlfile.shown import shown
from mlslo.yamlfile.validate import StrictModel, validate
from mlslo.yamlfile.writtentext import WrittenText

__all__ = [
    "Document",
    "Duration",
    "File",
    "InputError",
    "Loaded",
    "Name",
    "Problem",
    "Shape",
    "StrictModel",
    "WrittenText",
    "did_you_mean",
    "parse",
    "quoted_list",
    "read",
    "shown",
    "validate",
]
