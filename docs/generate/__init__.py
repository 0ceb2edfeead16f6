"""Writes the pages of docs/ that code knows best: metrics, commands, files, and the picture of the chain."""
