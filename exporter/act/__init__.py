"""Actions: an alert of Alertmanager calls what the team has, once, and every decision is recorded.

``Record`` holds the decisions (``record.py``). Imported from outside: ``Record`` and ``Entry``; ``server.py`` is the door.
"""
