"""The version of mlslo."""

from importlib.metadata import version

VERSION = version("mlslo")
