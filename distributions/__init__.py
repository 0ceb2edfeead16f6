"""Distributions of mlslo: the halves by themselves, what they share, and both, all of one pyproject.toml.

``scripts/build`` is the door: split.py cuts, staging.py and build.py write dist/, bounds.py installs it, bill.py lists what
is in it. audit.py is part of ``scripts/check``.
"""
