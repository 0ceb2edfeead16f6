"""Accounts of what a log's records hold: the values at each mapped path, and the paths that were meant where none are.

From outside: ``of_predictions`` and ``of_labels`` list what is mapped, ``Records`` reads a sample, ``judge`` compares.
"""
