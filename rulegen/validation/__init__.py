"""Cross-checks: the files of one run, read and held against each other."""
