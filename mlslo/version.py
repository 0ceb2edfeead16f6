"""The version of mlslo: the one place where it stands. Packages and pages take it from here."""

VERSION = "0.1.0"
