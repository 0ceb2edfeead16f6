"""Daemon: schedule, reload, signals, and the cycle of one model.

From outside: ``load_all`` of ``models.py`` opens monitor files, ``Cycle`` runs one model, ``Daemon`` runs all.
"""
