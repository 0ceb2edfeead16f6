"""References: summaries of a model's data from when it was right; static files, and windows of its own history.

From outside: ``reference.py`` (what a reference holds), ``reference_file.py`` (its file), ``configured.py`` (those
that a monitor file names), and ``baseline``, which builds one from data.
"""
