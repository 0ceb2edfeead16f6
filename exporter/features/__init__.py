"""The kinds of features: what of a value is looked at, one kind a file."""
