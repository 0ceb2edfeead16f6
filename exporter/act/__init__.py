"""Actions: an alert of Alertmanager calls what the team has, once, and every decision is recorded.

``server.py`` is the door, ``engine.py`` decides, ``record.py`` keeps what happened, ``outcomes.py`` counts it. From
outside: ``Record`` and ``Entry``, and the command, which runs all of it.
"""
